"""The driver runs a coroutine without a task, and with one only while it has to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bindpost.server.smtp.driver import Driver, Need, inside_a_task, parked

Make = Callable[[Coroutine[Any, None, None]], Driver]


@pytest.fixture
def parks() -> asyncio.Event:
    """Give what is set when a task has given a coroutine back."""
    return asyncio.Event()


@pytest.fixture
def drive(parks: asyncio.Event) -> Make:
    """Give what makes a driver of a coroutine."""
    return lambda coroutine: Driver(coroutine, asyncio.get_running_loop(), parks.set)


async def test_input_is_waited_for_without_a_task(drive: Make) -> None:
    """A coroutine that only parks is stepped through, and no task is ever made."""
    seen: list[str] = []

    async def session() -> None:
        seen.append("greeting")
        await parked(Need.COMMAND)
        seen.append("reply")
        await parked(Need.INPUT)
        seen.append("end")

    driver = drive(session())
    tasks = asyncio.all_tasks()

    driver.step()
    assert (seen, driver.need) == (["greeting"], Need.COMMAND)
    driver.step()
    assert (seen, driver.need) == (["greeting", "reply"], Need.INPUT)
    driver.step()

    assert (seen, driver.need, driver.has_ended) == (["greeting", "reply", "end"], None, True)
    assert asyncio.all_tasks() == tasks


async def test_a_future_is_waited_for_in_a_task(drive: Make, parks: asyncio.Event) -> None:
    """The task goes on from that very wait, and gives the coroutine back when it parks."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[object] = []

    async def session() -> None:
        seen.append(await future)
        seen.append(asyncio.current_task())
        await parked(Need.COMMAND)
        seen.append("stepped again")

    driver = drive(session())
    me = asyncio.current_task()
    driver.step()
    assert driver.is_in_task
    future.set_result("result")
    await parks.wait()

    assert (driver.is_in_task, driver.need) == (False, Need.COMMAND)
    assert seen[0] == "result"
    assert seen[1] not in {None, me}
    driver.step()
    assert seen[2] == "stepped again"


async def test_foreign_code_can_be_inside_a_task(drive: Make, parks: asyncio.Event) -> None:
    """What needs a task of its own from its first line on, a time-out for instance, has one."""
    outcome: list[str] = []

    async def session() -> None:
        await inside_a_task()
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            outcome.append("timed out")

    drive(session()).step()
    await parks.wait()

    assert outcome == ["timed out"]


async def test_a_pause_without_a_future_goes_on(drive: Make, parks: asyncio.Event) -> None:
    """`sleep(0)`, which waits for nothing, is no parking."""

    async def session() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    driver = drive(session())
    driver.step()
    await parks.wait()

    assert driver.has_ended


@pytest.mark.parametrize("where", ["parked", "in a task", "in a task that has not begun"])
async def test_cancelled_where_it_waits(drive: Make, parks: asyncio.Event, where: str) -> None:
    """The coroutine gets `CancelledError` there, or is closed, and ends; nothing is left behind."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    async def session() -> None:
        try:
            if where == "parked":
                await parked(Need.INPUT)
            else:
                begun.set()
                await asyncio.Event().wait()
        finally:
            ended.set()

    driver = drive(session())
    driver.step()
    if where == "in a task":
        await asyncio.sleep(0)
    driver.cancel()
    await ended.wait()
    await driver

    assert driver.has_ended


@pytest.mark.parametrize("in_task", [False, True])
async def test_cancelled_while_it_runs(drive: Make, in_task: bool) -> None:
    """It ends at its next wait, as a task does."""
    seen: list[str] = []

    async def session() -> None:
        if in_task:
            await inside_a_task()
        driver.cancel()
        seen.append("still here")
        await parked(Need.COMMAND)
        seen.append("never")

    driver = drive(session())
    driver.step()
    await driver

    assert (seen, driver.has_ended) == (["still here"], True)


async def test_an_error_is_the_steppers(drive: Make) -> None:
    """An error comes out where the coroutine is stepped, and is its end."""

    async def session() -> None:
        raise ZeroDivisionError

    driver = drive(session())

    with pytest.raises(ZeroDivisionError):
        driver.step()
    assert driver.has_ended
    await driver
