"""Keeps the events of an app while it lives, from its first to its last."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

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
    store: EventStore, *, node: str, scope: str, counts: Counter[int]
) -> AsyncIterator[None]:
    """
    Keep what happens in a scope while the block runs in a node's event store.

    What is kept is counted in `counts`, by number. At the end of the block everything that happened
    in it is kept, as far as the store takes it.
    """
    detach = attach(StoreSink(store, counts, node=node), scope=scope, farewell=FAREWELL)
    try:
        yield
    finally:
        await asyncio.to_thread(detach)
