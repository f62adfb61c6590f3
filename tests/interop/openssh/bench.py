"""What the tests against sshd share: binds that are closed in the end, and clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import Timing

HERE = Endpoint.parse("127.0.0.1:0")
QUICK = Timing(pauses=(0.001, 0.01, 0.05), slow=0.05)


async def refusal(sshd: OpenSshServer, endpoint: Endpoint = HERE, **changes: object) -> BindError:
    """Fail to bind."""
    provider = SshProvider(replace(sshd.settings(QUICK), **changes))  # type: ignore[arg-type] # by name
    with pytest.raises(BindError) as caught:
        await provider.create_server(asyncio.Protocol, endpoint)
    return caught.value


class Namer(asyncio.Protocol):
    """Says who is there, then echoes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        host, port, *_ = transport.get_extra_info("peername")
        transport.write(f"{host}:{port}\n".encode())

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self.transport.write(data)


@asynccontextmanager
async def bound(
    provider: SshProvider, endpoint: Endpoint = HERE, **options: object
) -> AsyncIterator[SshListener]:
    """Bind, and close again; no session may be left that somebody keeps open."""
    listener = await provider.create_server(Namer, endpoint, **options)  # type: ignore[arg-type] # by name
    assert isinstance(listener, SshListener)
    try:
        yield listener
    finally:
        listener.close()
        await listener.deserted()


async def visit(port: int, host: str = "127.0.0.1") -> tuple[str, str]:
    """Connect and hang up; gives our own name, and the one that the session says."""
    reader, writer = await asyncio.open_connection(host, port)
    name = writer.get_extra_info("sockname")
    said = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return f"{name[0]}:{name[1]}", said.decode().strip()
