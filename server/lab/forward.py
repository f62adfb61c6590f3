"""A firewall that publishes a port, as those that were no Microsoft Proxy Server did."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from types import TracebackType
from typing import Final, Self

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.background import Acceptor, Background
from bindpost.proxy.splice import splice

CONNECTIONS: Final = 256
"""Connections at once; those beyond them are closed without a word."""
PATIENCE: Final = 5.0
"""Seconds in which the machine inside must take the connection."""


class Forwarder:
    """Takes connections at `listen` and carries each to `to`, both IPv4; `async with` runs it."""

    def __init__(self, listen: Endpoint, to: Endpoint) -> None:
        self.address = listen
        self._to = to
        self._acceptor: Acceptor | None = None
        self._connections = Background()

    async def __aenter__(self) -> Self:
        sock = socket.create_server((self.address.host, self.address.port), backlog=CONNECTIONS)
        sock.setblocking(False)
        self.address = self.address.with_port(sock.getsockname()[1])
        self._acceptor = Acceptor(sock, self._connected)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._acceptor is not None
        self._acceptor.close()
        self._connections.cancel()
        await self._connections.join()

    def _connected(self, outside: socket.socket, _peer: object) -> None:
        if len(self._connections) >= CONNECTIONS:
            outside.close()
            return
        inside = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        inside.setblocking(False)
        self._connections.spawn(self._carry(outside, inside), outside, inside)

    async def _carry(self, outside: socket.socket, inside: socket.socket) -> None:
        """Carry one connection; one that nobody takes inside is closed without a word."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # a TimeoutError is one
            there = (self._to.host, self._to.port)
            await asyncio.wait_for(loop.sock_connect(inside, there), PATIENCE)
            await splice(outside, inside)
