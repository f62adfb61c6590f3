"""The TCP connection to an SSH server: heard, acknowledged at once, and known to be closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import asyncssh

from .failures import Progress

_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)  # Linux


def _nothing() -> None:
    """Acknowledge when the system does."""


class Wire(asyncio.Protocol):
    """
    Stands between the socket and asyncssh's connection; passes everything on.

    Every packet is acknowledged at once where the system can do that. sshd leaves Nagle's algorithm
    on for forwarded ports, which waits for the acknowledgement: 40 ms a mail.
    """

    def __init__(self, sock: socket.socket, progress: Progress) -> None:
        self._sock = sock
        self._progress = progress
        self._inner: asyncssh.SSHClientConnection | None = None
        self._opening: asyncio.Task[tuple[asyncio.Transport, Wire]] | None = None
        self._transport: asyncio.Transport | None = None
        self._quickack: Callable[[], None] = _nothing
        self._closed = asyncio.Event()

    async def open(
        self, factory: Callable[[], asyncssh.SSHClientConnection]
    ) -> tuple[asyncio.Transport, asyncssh.SSHClientConnection]:
        """Put asyncssh's connection onto the connected socket, which the loop owns from then on."""
        self._inner = inner = factory()
        loop = asyncio.get_running_loop()
        # Cancelled half-way, uvloop would tell nobody of the transport's end.
        self._opening = loop.create_task(loop.create_connection(lambda: self, sock=self._sock))
        await asyncio.shield(self._opening)
        assert self._transport is not None
        return self._transport, inner

    async def close(self) -> None:
        """Close at once; returns when the socket is gone."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._transport is None:
            self._sock.close()
        else:
            self._transport.abort()
            await self.wait_closed()

    async def wait_closed(self) -> None:
        """Return when the socket is gone."""
        await self._closed.wait()
        await asyncio.sleep(0)  # libuv tells of closed handles in the loop's next turn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; asyncssh greets."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if _QUICKACK is not None:
            option = (socket.IPPROTO_TCP, _QUICKACK, 1)
            self._quickack = partial(transport.get_extra_info("socket").setsockopt, *option)
        assert self._inner is not None
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Acknowledge, remember what the server says first, pass on."""
        self._quickack()
        self._progress.hear(data)
        assert self._inner is not None
        self._inner.data_received(data)

    def eof_received(self) -> None:
        """Pass on; the transport then closes itself."""
        assert self._inner is not None
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on, and let `wait_closed` return."""
        assert self._inner is not None
        self._inner.connection_lost(exc)
        self._closed.set()


class Tunnel:
    """What asyncssh's option `tunnel` takes: it makes the connection in asyncssh's place."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def create_connection(
        self,
        session_factory: Callable[[], asyncssh.SSHClientConnection],
        remote_host: str,
        remote_port: int,
    ) -> tuple[asyncio.Transport, asyncssh.SSHClientConnection]:
        """Open the wire; where to is decided already."""
        del remote_host, remote_port
        return await self._wire.open(session_factory)

    def close(self) -> None:
        """Do nothing: the wire belongs to the connection."""

    async def wait_closed(self) -> None:
        """Return at once."""
