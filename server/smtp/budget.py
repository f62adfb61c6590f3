"""Budget: bounds the bytes of all messages that are on their way into the store at once."""

from __future__ import annotations

from typing import Final, Protocol

_LOW: Final = 0.75
"""The part of the limit below which all go on again."""
_SMALL: Final = 1024
"""How many small messages there are in the limit: by default one is below 128 KiB."""
_ABOVE: Final = 2
"""How many times the limit may be in flight by small messages."""


class Receiver(Protocol):
    """What the budget asks of a session."""

    def hold(self) -> None:
        """Receive nothing for now."""
        ...

    def let_go(self) -> None:
        """Receive again."""
        ...


class Budget:
    """
    The bytes in flight of one app: being received, or waiting for the store.

    Above `limit` every session that has a message on its way is held, but for the one whose message
    began first. That one comes to its end by itself or by its time-out, and the next is the first
    then. So however small the limit, and however large a message, something always goes on. Small
    messages go on as well, up to twice the limit, so that a few large ones whose senders have
    stopped do not hold up everybody. What can be in memory is that and one message.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._small = limit // _SMALL
        self.size = 0
        self.is_full = False
        self._sizes: dict[Receiver, int] = {}

    def take(self, session: Receiver, size: int) -> None:
        """Take note of how many bytes a session's message has by now, from its beginning on."""
        self.size += size - self._sizes.get(session, 0)
        self._sizes[session] = size
        if self.is_full:
            self._hold_unless_small(session)
            self._end_if_low()
        elif self.size > self.limit:
            self.is_full = True
            for later in tuple(self._sizes):
                self._hold_unless_small(later)

    def _hold_unless_small(self, session: Receiver) -> None:
        """Hold a session, unless its message is the first one, or small and there is room."""
        is_small = self._sizes[session] < self._small
        has_room = is_small and self.size < self.limit * _ABOVE
        if not has_room and next(iter(self._sizes)) is not session:
            session.hold()

    def release(self, session: Receiver) -> None:
        """Take note that a session has no message on its way any more; can be called twice."""
        size = self._sizes.pop(session, None)
        if size is None:
            return
        self.size -= size
        if self.is_full:
            session.let_go()
            if self._sizes:
                next(iter(self._sizes)).let_go()
            self._end_if_low()

    def _end_if_low(self) -> None:
        if self.size <= self.limit * _LOW:
            self.is_full = False
            for session in tuple(self._sizes):
                session.let_go()
