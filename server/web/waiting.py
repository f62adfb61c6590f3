"""Waits for a message: one that is there, or the first that comes, with no gap between."""

from __future__ import annotations

import asyncio
import contextlib

from ..store.rules import matches
from ..store.store import MessageRow, MessageStore, Query


async def first_match(store: MessageStore, query: Query, *, seconds: float) -> MessageRow | None:
    """
    Give the first message behind the cursor `query.after`, or the newest if there is no cursor.

    If there is none, wait for one to come, so many seconds; None when none has come. One that is
    there is found however short the wait. Going on from the cursor of the message before, a caller
    misses none.
    """
    changes = store.changes()  # from here on, before the look at what is there
    found = await _already_there(store, query)
    if found is not None:
        return found
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for change in changes:
                if change.row is not None and matches(query, change.row):
                    return change.row
    return None


async def _already_there(store: MessageStore, query: Query) -> MessageRow | None:
    if query.after is None:
        return next(iter(await store.find(query, limit=1)), None)
    # The oldest is the last; deletions meanwhile shift it, so look until there is one or none.
    while total := (await store.count(query)).total:
        if rows := await store.find(query, limit=0, offset=total - 1):
            return rows[-1]
    return None
