"""The backlog lets work in while there is room, in order, and forgets nobody who is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.server.store.backlog import Backlog


async def waiting(backlog: Backlog, size: int) -> asyncio.Task[None]:
    """Begin to wait for room."""
    task = asyncio.ensure_future(backlog.wait(size))
    await asyncio.sleep(0)
    return task


async def test_work_comes_in_while_there_is_room() -> None:
    """Neither more pieces nor more bytes come in than there is room for."""
    backlog = Backlog(jobs=3, size=100)

    assert backlog.enter(60)
    assert not backlog.enter(41)
    assert backlog.enter(40)
    assert backlog.enter(0)
    assert not backlog.enter(0)


async def test_work_larger_than_all_the_room_comes_in_alone() -> None:
    """What would never fit comes in when nothing else is there."""
    backlog = Backlog(jobs=3, size=100)
    assert backlog.enter(1)
    large = await waiting(backlog, 1000)
    assert not large.done()

    backlog.leave(1, 1)

    await large
    assert not backlog.enter(1)
    backlog.leave(1, 1000)
    assert backlog.enter(100)


async def test_who_waits_comes_in_first_come_first_served() -> None:
    """A small one does not overtake a large one that has waited longer."""
    backlog = Backlog(jobs=9, size=100)
    assert backlog.enter(90)
    large, small = await waiting(backlog, 50), await waiting(backlog, 10)
    assert not backlog.enter(1)

    backlog.leave(1, 90)

    await asyncio.gather(large, small)
    assert backlog.enter(40)
    assert not backlog.enter(1)


@pytest.mark.parametrize("in_the_same_moment", [False, True])
async def test_who_is_cancelled_takes_no_room(in_the_same_moment: bool) -> None:
    """One who is cancelled while waiting, or when its turn has just come, lets the next one in."""
    backlog = Backlog(jobs=1, size=100)
    assert backlog.enter(100)
    first, second = await waiting(backlog, 100), await waiting(backlog, 100)

    if in_the_same_moment:
        backlog.leave(1, 100)
    first.cancel()
    await asyncio.wait([first])
    if not in_the_same_moment:
        backlog.leave(1, 100)

    await second
    assert first.cancelled()
    assert not backlog.enter(0)
    backlog.leave(1, 100)
    assert backlog.enter(100)
