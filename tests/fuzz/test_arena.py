"""The arena finds what a target does wrong: each test is a target with one fault."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from .arena import GROWTH, Arena
from .grammar import Grammar
from .target import Target

Play = Callable[[], Coroutine[Any, Any, object]]


class Faulty(Target):
    """A target that does something, whatever it is given; nobody is dishonest to it."""

    name = "faulty"
    patience = 0.05
    grammar = Grammar([b"x"])

    def __init__(self, play: Play) -> None:
        self._play = play

    async def play(self, data: bytes) -> None:
        """Do it."""
        await self._play()

    async def serve_honestly(self) -> None:
        """Do nothing."""


def fails(play: Play, match: str | None = None) -> None:
    """Hold that an input fails, and with these words."""
    with Arena(Faulty(play)) as arena, pytest.raises((AssertionError, TimeoutError), match=match):
        arena.play(b"")


def test_what_is_right_passes() -> None:
    """Nothing is found where nothing is wrong."""
    with Arena(Faulty(lambda: asyncio.sleep(0))) as arena:
        arena.play(b"")

    assert arena.inputs == 1


def test_a_hang_is_found() -> None:
    """What never ends is cut off."""
    fails(lambda: asyncio.Event().wait())


def test_a_task_that_is_left_is_found() -> None:
    """A task that waits for ever is one that never ends."""
    left: list[asyncio.Task[bool]] = []

    async def leave() -> None:
        left.append(asyncio.create_task(asyncio.Event().wait()))

    fails(leave)


@pytest.fixture
def opened() -> Iterator[list[int]]:
    """Give a list of descriptors that are closed afterwards."""
    numbers: list[int] = []
    yield numbers
    for number in numbers:
        os.close(number)


def test_a_descriptor_that_is_left_is_found(opened: list[int]) -> None:
    """So is a file that stays open."""

    async def leave() -> None:
        opened.append(os.open("/dev/null", os.O_RDONLY))

    fails(leave)


def test_an_error_that_only_the_loop_hears_is_found() -> None:
    """An error in a callback is the loop's exception handler's."""

    async def fail() -> None:
        asyncio.get_running_loop().call_soon([].pop)
        await asyncio.sleep(0)

    fails(fail, "pop from empty list")


@pytest.mark.parametrize("logger", ["bindpost.smtp", "uvicorn.error"])
def test_a_traceback_in_the_log_is_found(logger: str) -> None:
    """Whoever logs it."""

    async def fail() -> None:
        with suppress(ZeroDivisionError):
            try:
                _ = 1 / 0
            except ZeroDivisionError:
                logging.getLogger(logger).exception("failed")
                raise

    fails(fail, "ZeroDivisionError")


class Kept(asyncio.Event):
    """Something that is left."""


def test_objects_that_are_left_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted by an audit."""
    monkeypatch.setattr(Kept, "__module__", "bindpost.test")
    kept: list[Kept] = []

    async def keep() -> None:
        kept.append(Kept())

    with Arena(Faulty(keep)) as arena:
        arena.audit()
        for _ in range(GROWTH + 1):
            arena.play(b"")
        with pytest.raises(AssertionError, match="Kept"):
            arena.audit()


def test_mutations_are_the_same_for_the_same_chance() -> None:
    """So a seed says which inputs there were; and each mutation is another input."""
    grammar = Grammar([b"a", b"b"], [b"\n"], seeds=[b"a\nb\n"])

    once = [grammar.mutate(b"a\nb\n", Random(number)) for number in range(50)]

    assert once == [grammar.mutate(b"a\nb\n", Random(number)) for number in range(50)]
    assert len(set(once)) > 20
