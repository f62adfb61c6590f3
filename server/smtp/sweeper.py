"""Sweeper: one timer for all sessions of a listener, where asyncio has one for each wait."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

LONGEST: Final = 1.0
"""Seconds between two looks at the sessions, at most."""
FINENESS: Final = 8
"""Looks within the shortest time-out: a silent client stays an eighth longer at the worst."""


class Timed(Protocol):
    """What the sweeper asks of a session."""

    deadline: float

    def expire(self) -> None:
        """Take note that the deadline has gone by."""
        ...


class Sweeper:
    """Calls `expire` of each session whose deadline, in the loop's time, has gone by."""

    def __init__(self, loop: asyncio.AbstractEventLoop, shortest: float) -> None:
        self._loop = loop
        self._pause = min(shortest / FINENESS, LONGEST)
        self._sessions: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, session: Timed) -> None:
        """Begin to look at a session."""
        self._sessions.add(session)
        if self._timer is None:
            self._timer = self._loop.call_later(self._pause, self._sweep)

    def forget(self, session: Timed) -> None:
        """Look at a session no more; the timer runs out when none is left."""
        self._sessions.discard(session)

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        for session in tuple(self._sessions):
            if session.deadline <= now:
                session.expire()
        if self._sessions:
            self._timer = self._loop.call_later(self._pause, self._sweep)
