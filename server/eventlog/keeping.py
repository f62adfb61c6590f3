"""Keeps the events of an app while it lives, from its first to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..store import open_events
from ..store.events import EventStore
from .kept import StoreSink
from .setup import attach


@asynccontextmanager
async def keeping(
    location: str | Path, *, keep: int, scope: str
) -> AsyncIterator[EventStore | None]:
    """
    Keep what happens in a scope from now on in the event store of a location; give that.

    None if nothing is to be kept (`keep` 0). At the end of the block everything that happened in it
    is kept, as far as the store takes it. Raises `StoreError`.
    """
    if not keep:
        yield None
        return
    store = await open_events(location, keep=keep)
    try:
        detach = attach(StoreSink(store), scope=scope)
        try:
            yield store
        finally:
            await asyncio.to_thread(detach)
    finally:
        await store.close()
