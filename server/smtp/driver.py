"""
Driver: runs a session's coroutine without a task, for as long as it waits for nothing but input.

A coroutine is a generator: `send(None)` runs it to its next wait, and what it waits for comes back
as the value. A task does the same, but by way of the event loop, and it is made of a future, a
context and a handle at each wait. Here the protocol itself calls `send` when bytes have come.

* Waits for input are a `Need`. The coroutine is then parked, and the protocol goes on with it when
  the need is met.
* Any other wait is for a future (the store, a TLS handshake). The driver has itself called when it
  is done and goes on from there, which is what a task does, too.
* Some code needs to be inside a task: `asyncio.timeout`, for instance, and so whatever is foreign
  (a handler's hook). `await inside_a_task()` before it hands the half-run coroutine to a task,
  which gives it back when it parks.
"""

from __future__ import annotations

import asyncio
import enum
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final


class Need(enum.Enum):
    """What a parked coroutine waits for."""

    COMMAND = enum.auto()
    """A whole line, or more of one than a line may have."""
    INPUT = enum.auto()
    """Bytes that have not been there yet."""
    BODY = enum.auto()
    """A message to its end."""


_TASK: Final = object()
"""Yielded by a coroutine that wants to go on inside a task."""
_AT_REST: Final = object()
"""What a run comes to that was parked, or is over."""


@types.coroutine
def parked(need: Need) -> Generator[Need, None, None]:
    """Wait until a need is met. Only where `Driver.is_stepping`."""
    yield need


@types.coroutine
def inside_a_task() -> Generator[object, None, None]:
    """Go on inside a task. Only where `Driver.is_stepping`."""
    yield _TASK


class Driver:
    """
    One coroutine and who runs it.

    `need` is what it is parked for; None while it runs, waits for something else, is in a task, or
    has ended. `on_park` is called when it comes to rest otherwise than within `step`. It is in
    aiosmtpd's place for the task of a session, and so has a task's `cancel`.
    """

    __slots__ = (
        *("_cancelled", "_coroutine", "_end", "_loop", "_on_park", "_task", "_waits_for"),
        *("is_stepping", "need"),
    )

    def __init__(
        self,
        coroutine: Coroutine[Any, None, None],
        loop: asyncio.AbstractEventLoop,
        on_park: Callable[[], None],
    ) -> None:
        self._coroutine: Coroutine[Any, None, None] | None = coroutine
        self._loop = loop
        self._on_park = on_park
        self._task: asyncio.Task[None] | None = None
        self._waits_for: asyncio.Future[Any] | None = None
        self._end: asyncio.Future[None] | None = None
        self._cancelled = False
        self.is_stepping = False
        self.need: Need | None = None

    def __await__(self) -> Generator[Any, None, None]:
        """Wait for its end, as one can wait for a task's."""
        if self._coroutine is not None:
            if self._end is None:
                self._end = self._loop.create_future()
            yield from self._end

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing left to run."""
        return self._coroutine is None

    @property
    def is_in_task(self) -> bool:
        """Whether a task has it now."""
        return self._task is not None

    def step(self) -> None:
        """Go on until it parks, ends, or has to wait for something else."""
        waits_for = self._run(None)
        if waits_for is not _AT_REST:
            self._wait_for(waits_for)

    def cancel(self) -> None:
        """Throw `CancelledError` into it where it waits, or at its next wait if it runs now."""
        if self.is_stepping:
            self._cancelled = True
        elif self._task is not None:
            self._task.cancel()
        elif self._waits_for is not None:
            self._cancelled = not self._waits_for.cancel()
        elif self._coroutine is not None:
            self._cancelled = True
            self.step()

    def _run(self, error: BaseException | None) -> Any:
        """Run to the next wait; gives what it waits for, unless it is at rest."""
        assert self._coroutine is not None
        self.need, self.is_stepping = None, True
        try:
            if self._cancelled:
                self._cancelled, error = False, asyncio.CancelledError()
            waits_for = (
                self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            )
            if self._cancelled:
                return self._run(None)
        except (StopIteration, asyncio.CancelledError):
            self._has_come_to_its_end()
            return _AT_REST
        except BaseException:
            self._has_come_to_its_end()
            raise
        finally:
            self.is_stepping = False
        if isinstance(waits_for, Need):
            self.need = waits_for
            return _AT_REST
        return waits_for

    # Waiting for a future

    def _wait_for(self, waits_for: Any) -> None:
        if waits_for is _TASK:
            self._task = self._loop.create_task(self._in_task())
            self._task.add_done_callback(self._given_up)
            return
        if waits_for is None:  # `asyncio.sleep(0)`
            waits_for = self._loop.create_future()
            waits_for.set_result(None)
        # By this a future tells a wait by `await` from one by `yield`.
        waits_for._asyncio_future_blocking = False
        self._waits_for = waits_for
        waits_for.add_done_callback(self._woken)

    def _woken(self, _future: object) -> None:
        self._waits_for = None
        self.step()
        if self._waits_for is None and self._task is None:
            self._on_park()

    # Inside a task

    async def _in_task(self) -> None:
        """Be the task that has it, until it parks or ends."""
        try:
            await self._hosted()
        finally:
            self._task = None
        self._on_park()

    @types.coroutine
    def _hosted(self) -> Generator[Any, None, None]:
        waits_for: Any = _TASK
        while waits_for is not _AT_REST:
            error = None
            try:
                if waits_for is not _TASK:
                    yield waits_for
            except BaseException as thrown:  # the task was cancelled
                error = thrown
            waits_for = self._run(error)

    def _given_up(self, task: asyncio.Task[None]) -> None:
        """Cancel what a task had that was itself cancelled before its first step."""
        if self._task is task:
            self._task = None
            self.cancel()

    def _has_come_to_its_end(self) -> None:
        self._coroutine = None
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
