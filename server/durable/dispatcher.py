"""Dispatcher: makes an attempt for each job that is due, some at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, final

_J = TypeVar("_J")


@final
class Dispatcher(Generic[_J]):
    """
    Takes jobs from a queue and makes attempts, `at_once` at the same time.

    `take` gives the job that is due first as a tuple of one; else the seconds until one is, None if
    none waits. `attempt` makes an attempt and notes what came of it; neither raises.
    """

    def __init__(
        self,
        take: Callable[[], Awaitable[tuple[_J] | float | None]],
        attempt: Callable[[_J], Awaitable[None]],
        *,
        at_once: int,
    ) -> None:
        self._take = take
        self._attempt = attempt
        self._slots = asyncio.Semaphore(at_once)
        self._news = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._attempts: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look at the queue again: there is news in it."""
        self._news.set()

    async def stop(self, grace: float) -> None:
        """Take nothing new, give attempts under way `grace` seconds, and cut what is left."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=grace)
        left = list(self._attempts)
        for attempt in left:
            attempt.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._slots.acquire()
            attempt = asyncio.create_task(self._make(await self._next()))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._ended)

    async def _make(self, job: _J) -> None:
        await self._attempt(job)
        self.wake()

    def _ended(self, attempt: asyncio.Task[None]) -> None:
        self._attempts.discard(attempt)
        self._slots.release()

    async def _next(self) -> _J:
        """Wait for a job that is due."""
        while True:
            self._news.clear()
            found = await self._take()
            if isinstance(found, tuple):
                return found[0]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(found):
                    await self._news.wait()
