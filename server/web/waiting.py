"""Waits for a message: one that is there, or the first that comes, with no gap between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from ..store.rules import matches
from ..store.store import MessageRow, MessageStore, Query

_PAGE: Final = 100
Holds = Callable[[MessageRow], Awaitable[bool]]
"""Says whether a message meets what a query can't ask for."""


async def first_match(
    store: MessageStore, query: Query, *, seconds: float, holds: Holds | None = None
) -> MessageRow | None:
    """
    Give the first message behind the cursor `query.after`, or the newest if there is no cursor.

    If there is none, wait for one to come, so many seconds; None when none has come. One that is
    there is found however short the wait. Going on from the cursor of the message before, a caller
    misses none. `holds` is asked of each message that the query lets through.
    """
    changes = store.changes()  # from here on, before the look at what is there
    found = await _already_there(store, query, holds or _always)
    if found is not None:
        return found
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for change in changes:
                row = change.row
                if row is not None and matches(query, row) and (not holds or await holds(row)):
                    return row
    return None


async def _already_there(store: MessageStore, query: Query, holds: Holds) -> MessageRow | None:
    async for row in (
        _newest_first(store, query) if query.after is None else _oldest_first(store, query)
    ):
        if await holds(row):
            return row
    return None


async def _newest_first(store: MessageStore, query: Query) -> AsyncIterator[MessageRow]:
    limit = 1  # nearly always the newest will do
    while rows := await store.find(query, limit=limit):
        for row in rows:
            yield row
        limit, query = _PAGE, msgspec.structs.replace(query, before=rows[-1].cursor)


async def _oldest_first(store: MessageStore, query: Query) -> AsyncIterator[MessageRow]:
    # The oldest are the last; deletions meanwhile shift them, so look until there is none.
    while total := (await store.count(query)).total:
        rows = await store.find(query, limit=0, offset=max(0, total - _PAGE))
        for row in reversed(rows):
            yield row
            query = msgspec.structs.replace(query, after=row.cursor)


async def _always(_: MessageRow) -> bool:
    return True
