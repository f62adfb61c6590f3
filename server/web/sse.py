"""What all streams of server-sent events do: where they begin, that they breathe, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse

from .event_query import read_last_event_id
from .requests import read_optional_number

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a stream says something, so that dead connections are seen."""

_T = TypeVar("_T")


def respond(lines: AsyncIterator[str] | AsyncIterator[bytes]) -> StreamingResponse:
    """Give the answer that a stream is."""
    return StreamingResponse(
        lines,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would gather events
    )


def read_start(request: Request) -> int | None:
    """
    Read the number behind which a stream is to begin, None for now.

    A browser that connects again names the last event that it has seen; that counts more than
    `after`, which is what its page began with.
    """
    seen = read_last_event_id(request)
    after = read_optional_number(request, "after")
    return after if seen is None else seen


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
