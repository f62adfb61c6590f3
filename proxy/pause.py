"""The pauses between attempts to bind: how much of one is left, and how to cut it short."""

from __future__ import annotations

import asyncio
from typing import Protocol, final, runtime_checkable

from .provider import Listener


@final
class Pause:
    """
    The pauses before one listener's attempts to bind again.

    `await pause(seconds)` before each attempt, `over()` when there is none to come: it is bound,
    closed, or has been given up.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._cut: asyncio.Future[None] | None = None
        self._until = 0.0
        self._attempts = 0
        self._is_over = True
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def attempts(self) -> int:
        """How many attempts were begun since it was bound last."""
        return self._attempts

    @property
    def left(self) -> float | None:
        """Seconds until the next attempt, None while there is no pause."""
        return None if self._cut is None else max(0.0, self._until - self._loop.time())

    async def __call__(self, seconds: float) -> None:
        """Wait so long, or until the pause is cut short."""
        if self._is_over:
            self._is_over, self._attempts = False, 0
        self._release()
        self._cut = self._loop.create_future()
        self._until = self._loop.time() + seconds
        try:
            await asyncio.wait([self._cut], timeout=seconds)
        finally:
            self._cut = None
        self._attempts += 1

    async def cut_short(self) -> None:
        """Have the next attempt made at once; return when it, or the one under way, has ended."""
        if self._is_over:
            return
        ended: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(ended)
        if self._cut is not None and not self._cut.done():
            self._cut.set_result(None)
        await ended

    def over(self) -> None:
        """Take note that no attempt will follow."""
        self._is_over = True
        self._release()

    def _release(self) -> None:
        """Tell those who wait that an attempt has ended."""
        for ended in self._waiting:
            if not ended.done():
                ended.set_result(None)
        self._waiting.clear()


@runtime_checkable
class Retrying(Protocol):
    """What a `Listener` has beside if it binds again by itself when its path was lost."""

    @property
    def pause(self) -> Pause | None:
        """The pauses before its attempts; None if it makes none after all."""
        ...


def pause_of(listener: Listener) -> Pause | None:
    """Give the pauses of a listener that binds again by itself and tells of them, else None."""
    return listener.pause if isinstance(listener, Retrying) else None
