"""What all streams of server-sent events do: wait for news, breathe, and end with the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, TypeVar

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a stream says something, so that dead connections are seen."""

_T = TypeVar("_T")


async def live(news: AsyncIterator[_T], stopping: asyncio.Event) -> AsyncGenerator[_T | None, None]:
    """
    Yield what comes, and None when nothing has come for `HEARTBEAT` seconds.

    Ends when `stopping` is set and when `news` ends; raises what it raises. Close it (`aclosing`)
    when you leave it early. A step of `news` must be one that can be cancelled.
    """
    stopped: asyncio.Future[object] = asyncio.ensure_future(stopping.wait())
    step: asyncio.Future[_T] | None = None
    try:
        while not stopping.is_set():
            step = step or asyncio.ensure_future(anext(news))
            waiting: set[asyncio.Future[Any]] = {step, stopped}  # Any: two kinds of result
            await asyncio.wait(waiting, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if step.done():
                done, step = step, None
                try:
                    yield done.result()
                except StopAsyncIteration:
                    return
            elif not stopped.done():
                yield None
    finally:
        tasks = [task for task in (stopped, step) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
