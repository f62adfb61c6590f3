"""Several misbehaviours of a stand-in server at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .messages import Message
from .standin_faults import Misbehaviour, Server


class Together(Misbehaviour):
    """Misbehaves in each of these ways; the first sees a datagram before the others do."""

    name = "together"

    def __init__(self, parts: Sequence[Misbehaviour]) -> None:
        self.rules = [rule for part in parts for rule in part.rules]
        self._parts = tuple(parts)

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """Have each part see it, unless one before it keeps it."""
        self._receive(0, message, take, server)

    def send(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Have each part see what the one before it made of it."""
        self._send(0, data, send)

    def _receive(
        self, index: int, message: Message, take: Callable[[], None], server: Server
    ) -> None:
        if index == len(self._parts):
            take()
            return
        self._parts[index].receive(
            message, lambda: self._receive(index + 1, message, take, server), server
        )

    def _send(self, index: int, data: bytes, send: Callable[[bytes], None]) -> None:
        if index == len(self._parts):
            send(data)
            return
        self._parts[index].send(data, lambda made: self._send(index + 1, made, send))
