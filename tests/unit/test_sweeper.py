"""One timer finds all sessions that have been silent too long, and none other."""

from __future__ import annotations

import asyncio

from bindpost.server.smtp.sweeper import Sweeper


class Session:
    """A session that notes its end: a fake."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired = asyncio.Event()

    def expire(self) -> None:
        """Note the end."""
        self.deadline = float("inf")
        self.expired.set()


async def test_the_late_expire_and_the_others_do_not() -> None:
    """Whose deadline has gone by is told; whose has been moved meanwhile is not."""
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop, shortest=0.02)
    soon, later, moved = (Session(loop.time() + seconds) for seconds in (0.01, 60, 0.01))
    for session in (soon, later, moved):
        sweeper.watch(session)
    moved.deadline = loop.time() + 60

    await soon.expired.wait()

    assert not later.expired.is_set()
    assert not moved.expired.is_set()


async def test_who_is_forgotten_is_not_told() -> None:
    """A session that is over has no deadline."""
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop, shortest=0.02)
    gone, there = Session(loop.time()), Session(loop.time() + 0.02)
    sweeper.watch(gone)
    sweeper.watch(there)

    sweeper.forget(gone)
    await there.expired.wait()

    assert not gone.expired.is_set()
