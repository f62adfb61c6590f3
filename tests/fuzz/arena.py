"""Plays inputs to a target and holds what must hold after each, whatever the protocol."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from bindpost.log import OURS, Ear

from .target import Target, all_done

HONESTLY: Final = 500
"""Inputs between two honest clients."""
GROWTH: Final = 500
"""Objects of one type that may have come between two audits; caches and logs of ours are full."""
WATCHED: Final = (
    "bindpost.",
    "asyncio.",
    "uvicorn.",
    "starlette.",
    "aiosmtpd.",
    "h11.",
    "_asyncio",
)


class Arena:
    """
    One event loop with a target in it; `with` opens and closes it.

    After each input nothing has failed unheard (the loop's exception handler, a traceback in the
    log, an error in a destructor), and no task and no file descriptor is left. Every now and then
    an honest client is served. `audit` counts objects.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.inputs = 0
        self._loop = target.new_loop()
        self._problems: list[object] = []
        self._servants: set[asyncio.Task[Any]] = set()
        self._descriptors = 0
        self._census: Counter[str] = Counter()
        self._listening = _listening(self._problems)

    def __enter__(self) -> Self:
        self._listening.__enter__()
        self._loop.set_exception_handler(lambda _loop, context: self._problems.append(context))
        self._loop.run_until_complete(self._open())
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.run_until_complete(self.target.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._listening.__exit__(None, None, None)

    def play(self, data: bytes) -> None:
        """Play an input; raises `AssertionError` when something that must hold doesn't."""
        self._loop.run_until_complete(self._hold(self.target.play(data)))
        self.inputs += 1

    def play_every_way(self, data: bytes) -> None:
        """Play an input in all ways that its target knows; raises `AssertionError` likewise."""
        self._loop.run_until_complete(self._hold(self.target.play_every_way(data)))

    def audit(self) -> None:
        """Hold that no type has many more objects than at the audit before."""
        census = _census()
        grown = {name: count for name, count in (census - self._census).items() if count > GROWTH}
        assert not (self._census and grown), grown
        self._census = census

    async def _open(self) -> None:
        await self.target.open()
        await self.target.serve_honestly()
        await asyncio.sleep(0)
        self._servants = asyncio.all_tasks() - {asyncio.current_task()}
        self._descriptors = descriptors()

    async def _hold(self, playing: Awaitable[None]) -> None:
        async with asyncio.timeout(self.target.patience):
            await playing
            if self.inputs % HONESTLY == 0:
                await self.target.serve_honestly()
            await all_done(self._servants)
            while descriptors() > self._descriptors:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)  # a transport closes its socket in the loop's next round
        assert not self._problems, self._problems


def descriptors() -> int:
    """Tell how many file descriptors are open."""
    return len(os.listdir("/dev/fd"))


def _census() -> Counter[str]:
    gc.collect()
    kinds = Counter(type(one) for one in gc.get_objects())
    return Counter(
        {
            name: count
            for kind, count in kinds.items()
            if (name := f"{kind.__module__}.{kind.__qualname__}").startswith(WATCHED)
        }
    )


@contextmanager
def _listening(problems: list[object]) -> Iterator[None]:
    """Note each traceback that is logged, and each error that Python could raise nowhere."""
    ears, hook = _Tracebacks(problems), sys.unraisablehook
    loggers = (logging.getLogger(), logging.getLogger(OURS))  # ours tells an ear everything
    for logger in loggers:
        logger.addHandler(ears)
    sys.unraisablehook = problems.append
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for logger in loggers:
            logger.removeHandler(ears)


class _Tracebacks(Ear):
    """Hears all that bindpost says; what comes with a traceback is a problem."""

    def __init__(self, problems: list[object]) -> None:
        super().__init__()
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record, and look whether it has a traceback."""
        text = self.format(record)
        if record.exc_info is not None:
            self._problems.append(text)
