"""Follow: every message that the store accepts, in order, each once, with no gap."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from bindpost.errors import StoreError

from ..store.store import MessageRow, MessageStore, Query

_WINDOW: Final = 1_000
"""Cursors that are looked through at once."""


async def accepted(store: MessageStore, after: int) -> AsyncGenerator[MessageRow, None]:
    """
    Yield the messages behind a cursor that are kept, oldest first, then each one that comes.

    One who is so slow that the store forgets changes loses none: the inbox is looked through again.
    Raises `StoreError` when the store fails or is closed.
    """
    while True:
        changes = store.changes()  # from here on, before the look at what is there
        while rows := await _oldest(store, after):
            for row in rows:
                after = row.cursor
                yield row
        try:
            async for change in changes:
                if change.row is not None and change.row.cursor > after:
                    after = change.row.cursor
                    yield change.row
        except StoreError:
            continue  # forgotten; of a closed store the next call says so


async def _oldest(store: MessageStore, after: int) -> list[MessageRow]:
    """
    Give the first messages behind a cursor, oldest first; none when there is none.

    They are asked for by ranges of cursors: each is found at once, however many are behind it.
    """
    while after < store.sequence:
        upto = after + _WINDOW
        if rows := await store.find(Query(after=after, before=upto + 1), limit=0):
            return rows[::-1]
        after = upto
    return []
