"""A home without keys, and the stand-in SSH server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bindpost.proxy.ssh.standin import SshStandIn

from ....fixtures import quiet_home as quiet_home


@pytest.fixture
async def ssh() -> AsyncIterator[SshStandIn]:
    """An SSH server."""
    server = await SshStandIn.start()
    yield server
    await server.stop()
