"""A home without keys, and the stand-in SSH server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bindpost.proxy.ssh.standin import SshStandIn


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user who runs the tests is used: no key, no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
async def ssh() -> AsyncIterator[SshStandIn]:
    """An SSH server."""
    server = await SshStandIn.start()
    yield server
    await server.stop()
