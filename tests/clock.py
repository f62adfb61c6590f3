"""A loop's clock, which a test moves on, so that no limit is met or missed by a machine's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any, Final

ROUNDS: Final = 10
"""Rounds of a loop after which what had come has been read and answered."""


class Timer(asyncio.TimerHandle):
    """A call to come, which the clock may bring forward."""

    def __init__(
        self,
        clock: Clock,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
    ) -> None:
        super().__init__(when, callback, args, clock.loop, context)
        self._clock = clock
        self._real: asyncio.TimerHandle | None = None

    def wind(self, seconds: float) -> None:
        """Have the call come after so many seconds of the loop's own time."""
        self._unwind()
        self._real = self._clock.call_later_really(seconds, self.ring)

    def ring(self) -> None:
        """Make the call."""
        self._unwind()
        self._clock.forget(self)
        if not self.cancelled():
            self._run()

    def cancel(self) -> None:
        """Have no call."""
        self._unwind()
        self._clock.forget(self)
        asyncio.Handle.cancel(self)

    def _unwind(self) -> None:
        if self._real is not None:
            self._real.cancel()
            self._real = None


class Clock:
    """The time of a loop, asyncio's or uvloop's: all timers go by it that are set meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._real_time = loop.time
        self._real_call_at, self._real_call_later = loop.call_at, loop.call_later
        self._ahead = 0.0
        self._timers: dict[int, Timer] = {}

    def call_later_really(
        self, seconds: float, callback: Callable[[], object]
    ) -> asyncio.TimerHandle:
        """Have a call come by the loop itself: asyncio's asks for `time`, uvloop's does not."""
        if isinstance(self.loop, asyncio.BaseEventLoop):
            return self._real_call_at(self.time() + seconds, callback)
        return self._real_call_later(seconds, callback)

    def time(self) -> float:
        """Give the time."""
        return self._real_time() + self._ahead

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have a call come."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have a call come."""
        timer = Timer(self, when, callback, args, context or copy_context())
        self._timers[id(timer)] = timer
        timer.wind(when - self.time())
        return timer

    def forget(self, timer: Timer) -> None:
        """A timer is over."""
        self._timers.pop(id(timer), None)

    async def move_on(self, seconds: float) -> None:
        """Let so many seconds go by: what has come is taken before, and all due calls are made."""
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        self._ahead += seconds
        now = self.time()
        for timer in sorted(self._timers.values(), key=Timer.when):
            if timer.when() <= now:
                self.loop.call_soon(timer.ring)
            else:
                timer.wind(timer.when() - now)
        for _ in range(ROUNDS):
            await asyncio.sleep(0)


@contextmanager
def moved_by_hand() -> Iterator[Clock]:
    """Give the clock of the running loop."""
    loop: Any = asyncio.get_running_loop()
    clock = Clock(loop)
    loop.time, loop.call_later, loop.call_at = clock.time, clock.call_later, clock.call_at
    try:
        yield clock
    finally:
        del loop.time, loop.call_later, loop.call_at  # the class's own are there again
