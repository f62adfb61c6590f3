"""Retry: how long to wait before something is tried again, and trying it until it works."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

LONGEST_PAUSE: Final = 3600.0
"""Seconds between two attempts; the pauses double up to it, with jitter."""
JITTER: Final = 0.25
"""Part of a pause by which it may be longer or shorter."""
_FIRST_RETRY: Final = 0.5
_LONGEST_RETRY: Final = 30.0
"""Seconds between two tries to use a queue or a store that fails."""

_T = TypeVar("_T")


def pause_after(attempt: int, first: float) -> float:
    """Give the seconds to wait after an attempt, counted from 1: doubling, with jitter."""
    pause = min(first * 2.0 ** (attempt - 1), LONGEST_PAUSE)
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter, not a secret


async def insist(action: Callable[[], Awaitable[_T]], failed: Callable[[Exception], None]) -> _T:
    """
    Do something until it works: a disk that is full may have room again.

    `failed` is told each failure, and called while it is being handled.
    """
    pause = _FIRST_RETRY
    while True:
        try:
            return await action()
        except Exception as error:
            failed(error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_RETRY)
