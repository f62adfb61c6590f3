"""The sessions that live: how many there are, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Protocol, Self

from bindpost.config.model import Limits

from ..activity import Activity
from .budget import Budget
from .crowd import Crowd
from .outage import Outage
from .overtime import Overseen, Overtime
from .receipts import Receipts


class LiveSession(Overseen, Protocol):
    """What the registry asks of a session."""

    def drain(self) -> None:
        """End as soon as no transaction is open."""
        ...

    def cut(self) -> None:
        """End now."""
        ...


class Sessions:
    """
    All live sessions of one app, whichever listener took them.

    `limit` bounds them together, `in_flight` the bytes of their messages on the way to the store,
    `crowd` those of each address and `overtime` how long they last; without these two nothing does.
    `activity` counts what they do, `receipts` says which messages the log tells of, `outage` which
    refusals; what a session leaves to be done after its end (its last transcript lines) runs here
    too.
    """

    def __init__(
        self,
        limit: int,
        in_flight: int = Limits().in_flight,
        *,
        crowd: Crowd | None = None,
        overtime: Overtime | None = None,
    ) -> None:
        self.activity = Activity()
        self.receipts = Receipts()
        self.outage = Outage()
        self.in_flight = Budget(in_flight)
        self._limit = limit
        self._crowd = crowd
        self._overtime = overtime
        self._live: dict[LiveSession, str | None] = {}
        self._afterwards: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False

    @classmethod
    def within(cls, limits: Limits, *, room: int) -> Self:
        """
        Give the registry for these limits, and for no more sessions than there is room for.

        Raises `ConfigError`.
        """
        return cls(
            min(limits.sessions, room),
            limits.in_flight,
            crowd=Crowd(limits),
            overtime=Overtime(limits),
        )

    def __len__(self) -> int:
        return len(self._live)

    def enter(self, session: LiveSession, host: str | None = None) -> str:
        """
        Count a session in, with its client's address if that is known.

        Gives why there is no room for it, empty if there is; it is counted until it leaves anyway.
        """
        self._live[session] = host
        self._empty.clear()
        if self._draining:  # it was accepted just before the listener closed
            session.drain()
        if self._overtime is not None:
            self._overtime.watch(self._live.keys)
        crowded = self._crowd.enter(host) if self._crowd is not None else ""
        return "too many sessions" if len(self._live) > self._limit else crowded

    def leave(self, session: LiveSession) -> None:
        """Count a session out; can be called twice."""
        if session not in self._live:
            return
        host = self._live.pop(session)
        if self._crowd is not None:
            self._crowd.leave(host)
        if not self._live:
            self._empty.set()

    def count(self, among: Iterable[LiveSession]) -> int:
        """Tell how many of these live."""
        return sum(session in self._live for session in among)

    def afterwards(self, work: Coroutine[None, None, None]) -> None:
        """Run what a session leaves to be done."""
        task = asyncio.get_running_loop().create_task(work)
        self._afterwards.add(task)
        task.add_done_callback(self._afterwards.discard)

    async def drain(self, seconds: float) -> None:
        """Let every session finish its transaction within this time, then cut what is left."""
        self._draining = True
        for session in tuple(self._live):
            session.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            self.cut()
            await self._empty.wait()
        if self._afterwards:
            await asyncio.wait(self._afterwards)
        self.receipts.tell_rest()

    def cut(self) -> None:
        """End every session now."""
        for session in tuple(self._live):
            session.cut()
