"""Blocking work in a thread of its own, which ends when it is not wanted any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

_AGAIN: Final = 0.05
"""Seconds between two tries to stop work that was just about to block."""

_T = TypeVar("_T")


async def run(work: Callable[[], _T], *, stop: Callable[[], None]) -> _T:
    """
    Run `work` in a thread and give its result; there is no thread left afterwards.

    When this is cancelled, `stop` is called until the work has ended, and its result is lost.
    Not the loop's own executor: it has few threads, and a silent proxy would hold them.
    """
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="socks")
    future = loop.run_in_executor(executor, work)
    try:
        await asyncio.wait((future,))
    except asyncio.CancelledError:
        while not future.done():
            stop()
            with suppress(asyncio.CancelledError):
                await asyncio.wait((future,), timeout=_AGAIN)
        future.exception()  # of no interest any more, and asyncio would log that nobody saw it
        raise
    finally:
        executor.shutdown()  # the work is done: this waits for the thread's last steps only
    return future.result()
