"""The stand-in SSH server, a provider of it, and binds that are closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from bindpost.proxy.provider import ProtocolFactory
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import SshStandIn

from ....fixtures import quiet_home as quiet_home
from .bench import HERE, Bind, Log, sockets


@pytest.fixture
async def log() -> Log:
    """What the sessions saw."""
    return Log()


@pytest.fixture
async def standin() -> AsyncIterator[SshStandIn]:
    """An SSH server; afterwards nothing may be left but the test itself."""
    before = sockets()
    server = await SshStandIn.start()
    yield server
    await server.stop()
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if "anyio" not in repr(task)] == []
    assert sockets() - before == set()


@pytest.fixture
def provider(standin: SshStandIn, tmp_path: Path) -> SshProvider:
    """A provider that can log in."""
    return SshProvider(standin.settings(tmp_path))


@pytest.fixture
async def bind(provider: SshProvider, log: Log) -> AsyncIterator[Bind]:
    """Give what binds; listeners are closed again."""
    bound: list[SshListener] = []

    async def bind_one(factory: ProtocolFactory = log.session, **options: Any) -> SshListener:
        listener = await provider.create_server(factory, HERE, **options)
        bound.append(cast("SshListener", listener))
        return bound[-1]

    yield bind_one
    for listener in bound:
        listener.close()
        await listener.deserted()
