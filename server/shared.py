"""Something slow that runs once at a time, whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar, final

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")


@final
class Shared(Generic[_K, _T]):
    """
    Runs `work`, one run at a time for each key: who asks meanwhile gets the same outcome.

    A run goes on when those who asked have gone; `close()` cancels what is left.
    """

    def __init__(self, work: Callable[[_K], Coroutine[None, None, _T]]) -> None:
        self._work = work
        self._running: dict[_K, asyncio.Task[_T]] = {}

    async def __call__(self, key: _K) -> _T:
        """Give the outcome of the run under way, or of a new one."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._work(key))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel every run, and return when they have ended."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
