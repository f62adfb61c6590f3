"""Keeps the events of an app while it lives, from its first to its last."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ..store import open_events
from ..store.events import EventStore
from .kept import StoreSink
from .setup import attach

FAREWELL: Final = 10.0
"""
Seconds that the last events are given: our own disk may be busy, but it comes back, and why a start
failed must not be lost.
"""


@asynccontextmanager
async def keeping(
    location: str | Path, *, keep: int, scope: str, counts: Counter[int]
) -> AsyncIterator[EventStore | None]:
    """
    Keep what happens in a scope from now on in the event store of a location; give that.

    What is kept is counted in `counts`, by number. None if nothing is to be kept (`keep` 0). At the
    end of the block everything that happened in it is kept, as far as the store takes it. Raises
    `StoreError`.
    """
    if not keep:
        yield None
        return
    store = await open_events(location, keep=keep)
    try:
        detach = attach(StoreSink(store, counts), scope=scope, farewell=FAREWELL)
        try:
            yield store
        finally:
            await asyncio.to_thread(detach)
    finally:
        await store.close()
