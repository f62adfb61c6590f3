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


async def test_a_future_is_waited_for_without_a_task(drive: Make, parks: asyncio.Event) -> None:
    """The driver goes on from that very wait, and tells when it has come to rest."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen: list[object] = []

    async def session() -> None:
        seen.append(await future)
        seen.append(asyncio.current_task())
        await parked(Need.COMMAND)
        seen.append("stepped again")

    driver = drive(session())
    tasks = asyncio.all_tasks()
    driver.step()
    assert (driver.need, asyncio.all_tasks()) == (None, tasks)
    future.set_result("result")
    await parks.wait()

    assert seen == ["result", None]
    assert driver.need is Need.COMMAND
    driver.step()
    assert seen[2] == "stepped again"


async def test_it_is_at_rest_only_when_it_waits_for_input(
    drive: Make, parks: asyncio.Event
) -> None:
    """Between two futures, and on the way into a task, it has not come to rest."""
    loop = asyncio.get_running_loop()
    first, second, third = (loop.create_future() for _ in range(3))
    told: list[bool] = []

    async def session() -> None:
        await first
        told.append(parks.is_set())
        await second
        told.append(parks.is_set())
        await inside_a_task()
        told.append(parks.is_set())
        await third

    drive(session()).step()
    for future in (first, second, third):
        future.set_result(None)
    await parks.wait()

    assert told == [False] * 3


async def test_a_futures_error_is_raised_where_it_is_awaited(
    drive: Make, parks: asyncio.Event
) -> None:
    """As in a task."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    raised: list[Exception] = []

    async def session() -> None:
        try:
            await future
        except ZeroDivisionError as error:
            raised.append(error)

    drive(session()).step()
    future.set_exception(ZeroDivisionError())
    await parks.wait()

    assert len(raised) == 1


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


@pytest.mark.parametrize(
    "where", ["parked", "at a future", "in a task", "in a task that has not begun"]
)
async def test_cancelled_where_it_waits(drive: Make, parks: asyncio.Event, where: str) -> None:
    """The coroutine gets `CancelledError` there, or is closed, and ends; nothing is left behind."""
    ended = asyncio.Event()

    async def session() -> None:
        try:
            if where == "parked":
                await parked(Need.INPUT)
            if where.startswith("in a task"):
                await inside_a_task()
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


async def test_a_future_that_came_in_the_same_moment_keeps_no_one(drive: Make) -> None:
    """A driver that is cancelled when its future is done ends all the same, as a task does."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def session() -> None:
        await future
        seen.append("never")

    driver = drive(session())
    driver.step()
    future.set_result(None)
    driver.cancel()
    await driver

    assert seen == []


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
