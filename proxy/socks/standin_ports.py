"""The ports that the stand-in binds, and what it does with one that is taken."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from enum import StrEnum
from typing import Final

BACKLOG: Final = 16


class PortPolicy(StrEnum):
    """What a server does with a wanted port, as far as servers differ."""

    PLAIN = "plain"
    """Like Dante: a port that is taken, or was a moment ago, becomes another one, silently."""
    STRICT = "strict"
    """Like Dante with a port range in its rule: such a port is refused."""
    REUSEADDR = "reuseaddr"
    """A port can be bound again while the connections that it brought live."""
    SHARED = "shared"
    """The ideal: binds of a port share one socket that stays open, and no client is refused."""


class Ports:
    """
    Binds ports on one address by a policy.

    `taken` are ports that somebody else holds; it may be changed at any time.
    """

    def __init__(self, external: str, policy: PortPolicy) -> None:
        self.external = external
        self.taken: set[int] = set()
        self._policy = policy
        self._shared: dict[int, Slot] = {}

    def open(self, port: int) -> Slot:
        """
        Bind and listen, port 0 on any; what is bound may be another port.

        Raises `OSError`.
        """
        if port in self._shared:
            return self._shared[port]
        try:
            if port in self.taken:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            slot = self._bind(port)
        except OSError:
            if self._policy is PortPolicy.STRICT:
                raise
            slot = self._bind(0)
        if self._policy is PortPolicy.SHARED:
            self._shared[slot.port] = slot
        return slot

    def close(self) -> None:
        """Close what is shared."""
        for slot in self._shared.values():
            slot.close()
        self._shared.clear()

    def release(self, slot: Slot) -> None:
        """Close a port, unless others share it."""
        if slot.port not in self._shared:
            slot.close()

    def _bind(self, port: int) -> Slot:
        family = socket.AF_INET6 if ":" in self.external else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setblocking(False)
            if self._policy in (PortPolicy.REUSEADDR, PortPolicy.SHARED):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.external, port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        return Slot(sock)


class Slot:
    """A bound port. Nobody is accepted who is not waited for: they stay in the backlog."""

    def __init__(self, sock: socket.socket) -> None:
        self.port: int = sock.getsockname()[1]
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[socket.socket]] = deque()

    def accept(self) -> asyncio.Future[socket.socket]:
        """
        Give a future of one connection, non-blocking; the first to ask gets the first.

        Not `loop.sock_accept`: cancelling that one can lose a connection.
        """
        future: asyncio.Future[socket.socket] = self._loop.create_future()
        self._waiting.append(future)
        self._loop.add_reader(self._sock.fileno(), self._ready)
        return future

    def close(self) -> None:
        """Stop listening."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _ready(self) -> None:
        while self._waiting and self._waiting[0].done():  # cancelled
            self._waiting.popleft()
        if not self._waiting:
            self._loop.remove_reader(self._sock.fileno())
            return
        try:
            connection, _peer = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._waiting.popleft().set_exception(error)
            return
        connection.setblocking(False)
        self._waiting.popleft().set_result(connection)
