"""One run at a time, shared by all who ask."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.server.shared import Shared


class Work:
    """Counts its runs; each ends when the test says so."""

    def __init__(self) -> None:
        self.begun: asyncio.Queue[str] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.runs = 0
        self.cancelled = 0

    async def __call__(self, key: str) -> str:
        """Run."""
        self.runs += 1
        self.begun.put_nowait(key)
        number = self.runs
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return f"{key} {number}"


@pytest.fixture
async def work() -> Work:
    """Give work to be shared."""
    return Work()


async def test_who_asks_meanwhile_gets_the_same(work: Work) -> None:
    """Two who ask at the same time share a run; another key has its own, and later a new one."""
    shared = Shared(work)
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(shared(key)) for key in "aab"]
        begun = [await work.begun.get() for _ in range(2)]
        work.go_on.set()

    assert begun == ["a", "b"]
    assert [task.result() for task in asking] == ["a 1", "a 1", "b 2"]
    assert await shared("a") == "a 3"


async def test_a_run_outlives_who_asked(work: Work) -> None:
    """Somebody who gives up takes nothing from the others."""
    shared = Shared(work)
    impatient = asyncio.create_task(shared("a"))
    await work.begun.get()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    work.go_on.set()

    assert impatient.cancelled()
    assert await shared("a") == "a 1"


async def test_close_leaves_no_run(work: Work) -> None:
    """At the end every run is cancelled and has ended."""
    shared = Shared(work)
    asking = asyncio.create_task(shared("a"))
    await work.begun.get()
    await shared.close()

    assert work.cancelled == 1
    await asyncio.gather(asking, return_exceptions=True)
