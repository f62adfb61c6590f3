"""The pause before an attempt: what is left of it, and what cutting it short does."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.proxy.pause import Pause

LONG = 3600.0


class Attempts:
    """A listener's attempts: a long pause before each, and each ends when it is told how."""

    def __init__(self, pause: Pause) -> None:
        self.pause = pause
        self.begun = asyncio.Event()
        self.outcomes: asyncio.Queue[bool] = asyncio.Queue()

    async def run(self) -> None:
        """Try until it works."""
        while True:
            await self.pause(LONG)
            self.begun.set()
            if await self.outcomes.get():
                self.pause.over()
                return


@pytest.fixture
async def attempts() -> Attempts:
    """Give attempts that have not begun."""
    return Attempts(Pause())


async def test_a_pause_ends_by_itself() -> None:
    """Nobody has to cut it short."""
    pause = Pause()
    await pause(0.001)

    assert (pause.attempts, pause.left) == (1, None)


async def test_what_is_left_is_told(attempts: Attempts) -> None:
    """While there is a pause its seconds are told; during an attempt there are none."""
    running = asyncio.create_task(attempts.run())
    await asyncio.sleep(0)
    left = attempts.pause.left
    cutting = asyncio.create_task(attempts.pause.cut_short())
    await attempts.begun.wait()

    assert left is not None
    assert LONG - 60 < left <= LONG
    assert attempts.pause.left is None
    attempts.outcomes.put_nowait(True)
    await asyncio.gather(running, cutting)


@pytest.mark.parametrize("works", [True, False])
async def test_cutting_returns_after_the_attempt(attempts: Attempts, works: bool) -> None:
    """Whoever cuts a pause short waits until the attempt has ended, and no longer."""
    running = asyncio.create_task(attempts.run())
    await asyncio.sleep(0)
    cutting = asyncio.create_task(attempts.pause.cut_short())
    await attempts.begun.wait()
    was_done = cutting.done()
    attempts.outcomes.put_nowait(works)
    await cutting

    assert not was_done
    assert attempts.pause.attempts == 1
    assert (attempts.pause.left is None) is works
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_attempt_under_way_is_waited_for(attempts: Attempts) -> None:
    """A second one is not made for somebody who comes in the middle of one."""
    running = asyncio.create_task(attempts.run())
    await asyncio.sleep(0)
    first = asyncio.create_task(attempts.pause.cut_short())
    await attempts.begun.wait()
    second = asyncio.create_task(attempts.pause.cut_short())
    await asyncio.sleep(0)
    attempts.outcomes.put_nowait(True)
    await asyncio.gather(first, second, running)

    assert attempts.pause.attempts == 1


async def test_nobody_waits_for_an_end_that_never_comes(attempts: Attempts) -> None:
    """What is closed in a pause lets go of who waits; when it is over there is no waiting."""
    running = asyncio.create_task(attempts.run())
    await asyncio.sleep(0)
    cutting = asyncio.create_task(attempts.pause.cut_short())
    await attempts.begun.wait()
    running.cancel()
    attempts.pause.over()
    await cutting
    await attempts.pause.cut_short()

    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


async def test_each_trouble_counts_anew() -> None:
    """Attempts are those since it was bound last, and can be asked for until the next trouble."""
    pause = Pause()
    for _ in range(3):
        await pause(0)
    pause.over()
    first = pause.attempts
    await pause(0)

    assert (first, pause.attempts) == (3, 1)
