"""Overtime: ends sessions and transactions that take too long, however busy they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from bindpost.config.model import Limits

LONGEST: Final = 10.0
"""Seconds between two looks at the sessions, at most."""
FINENESS: Final = 8
"""Looks within the shorter limit: who takes too long stays a quarter longer at the worst."""


class Overseen(Protocol):
    """What is asked of a session."""

    @property
    def open_transaction(self) -> object | None:
        """The transaction that is open, the same object as long as it is the same one."""
        ...

    def end_transaction_now(self) -> None:
        """End in the middle of a transaction that takes too long."""
        ...

    def end_session_soon(self) -> None:
        """End as soon as no transaction is open."""
        ...


@dataclass(slots=True)
class _Seen:
    """When a session was seen first, and its transaction."""

    since: float
    transaction: object | None = None
    transaction_since: float = 0.0
    was_told: bool = False


class Overtime:
    """
    Looks at all sessions from time to time, as long as there are any.

    A session notes nothing for it: it begins, and so does its transaction, when it is first seen.
    So nobody is ended too early, and a session that is quicker than a look costs nothing.
    """

    def __init__(self, limits: Limits) -> None:
        self._session_time = limits.session_time
        self._transaction_time = limits.transaction_time
        times = (limits.session_time, limits.transaction_time)
        shorter = min(filter(None, times), default=0.0)
        self._pause = min(shorter / FINENESS, LONGEST)
        self._seen: dict[Overseen, _Seen] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, sessions: Callable[[], Collection[Overseen]]) -> None:
        """Begin to look at sessions, unless that has begun, or nothing is limited."""
        if self._timer is None and self._pause:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pause, self._look, loop, sessions)

    def _look(
        self, loop: asyncio.AbstractEventLoop, sessions: Callable[[], Collection[Overseen]]
    ) -> None:
        self._timer = None
        now = loop.time()
        known, self._seen = self._seen, {}
        for session in tuple(sessions()):
            seen = self._seen[session] = known.get(session) or _Seen(now)
            self._judge(session, seen, now)
        if self._seen:
            self.watch(sessions)

    def _judge(self, session: Overseen, seen: _Seen, now: float) -> None:
        transaction = session.open_transaction
        if transaction is not seen.transaction:
            seen.transaction, seen.transaction_since = transaction, now
        is_open = transaction is not None
        if is_open and _is_over(self._transaction_time, seen.transaction_since, now):
            session.end_transaction_now()
        elif not seen.was_told and _is_over(self._session_time, seen.since, now):
            seen.was_told = True
            session.end_session_soon()


def _is_over(limit: float, since: float, now: float) -> bool:
    return 0 < limit <= now - since
