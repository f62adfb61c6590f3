"""A firewall that publishes a port, as those that were no Microsoft Proxy Server did."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, Self

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.background import ConnectionServer
from bindpost.proxy.splice import splice

PATIENCE: Final = 5.0
"""Seconds in which the machine inside must take the connection."""


class Forwarder:
    """Takes connections at `listen` and carries each to `to`, both IPv4; `async with` runs it."""

    def __init__(self, listen: Endpoint, to: Endpoint) -> None:
        self._to = to
        self._server = ConnectionServer(listen, self._carry)

    async def __aenter__(self) -> Self:
        self._server.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._server.close()

    @property
    def address(self) -> Endpoint:
        """Where connections are taken."""
        return self._server.address

    async def _carry(self, outside: socket.socket) -> None:
        """Carry one connection; one that nobody takes inside is closed without a word."""
        loop = asyncio.get_running_loop()
        with (
            contextlib.suppress(OSError),  # a TimeoutError is one
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as inside,
        ):
            inside.setblocking(False)
            there = (self._to.host, self._to.port)
            await asyncio.wait_for(loop.sock_connect(inside, there), PATIENCE)
            await splice(outside, inside)
