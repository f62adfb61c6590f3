"""Which received messages the log tells of, when there are very many."""

from __future__ import annotations

import asyncio

import pytest

from bindpost import events
from bindpost.log import said
from bindpost.server.smtp.receipts import EACH_SECOND, Receipts


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[object, object]]:
    """Give the numbers and sizes that were logged."""
    found = [said(record) for record in caplog.records]
    return [
        (one.fields["messages"], one.fields["size"])
        for one in found
        if one is not None and one.event is events.MESSAGES_RECEIVED
    ]


async def test_of_very_many_messages_the_rest_is_told_as_a_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first hundred of a second are told of; of the others number and size, once."""
    caplog.set_level("INFO")
    receipts = Receipts(Clock())

    alone = [receipts.tells_of(10) for _ in range(EACH_SECOND + 7)]
    receipts.tell_rest()
    receipts.tell_rest()

    assert alone == [True] * EACH_SECOND + [False] * 7
    assert told(caplog) == [(7, 70)]


async def test_a_new_second_has_room_again(caplog: pytest.LogCaptureFixture) -> None:
    """What was told of in one second does not count in the next."""
    caplog.set_level("INFO")
    clock = Clock()
    receipts = Receipts(clock)
    for _ in range(EACH_SECOND):
        receipts.tells_of(1)

    clock.now += 1.0

    assert receipts.tells_of(1)
    receipts.tell_rest()
    assert told(caplog) == []


async def test_the_rest_is_told_though_nothing_more_comes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number comes by itself, by a timer of the loop, and not with the next message only."""
    caplog.set_level("INFO")
    timers: list[float] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def soon(delay: float, callback: object, *args: object) -> asyncio.TimerHandle:
        timers.append(delay)

        def run() -> None:
            callback(*args)  # type: ignore[operator]
            done.set()

        return call_later(0, run)

    monkeypatch.setattr(loop, "call_later", soon)
    receipts = Receipts(Clock())
    for _ in range(EACH_SECOND + 1):
        receipts.tells_of(3)
    monkeypatch.undo()
    await done.wait()

    assert timers == [1.0]
    assert told(caplog) == [(1, 3)]
