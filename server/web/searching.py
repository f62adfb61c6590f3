"""Search as one types, in steps: what is found soon comes soon, with the place to go on from."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from bindpost.errors import SearchTimeoutError

from ..store.store import MessageRow, MessageStore, Query
from .mailpit_search import parse_search

PATIENCE: Final = 0.5
"""Seconds after which a search tells what it has, and where to go on."""
_WINDOW: Final = 256
"""Cursors of the first step; while steps are quick each is twice the one before."""
_QUICK: Final = 0.05


class Found(msgspec.Struct, frozen=True):
    """
    A page of what was found, newest first.

    `next` is where to go on, None at the end. `problem` is why nothing more can be told.
    """

    rows: list[MessageRow]
    next: int | None = None
    problem: str = ""


async def find(
    store: MessageStore, text: str, *, limit: int, before: int | None, after: int | None = None
) -> Found:
    """
    Give the newest messages that a search finds, in front of one cursor and behind another.

    The text is one of Mailpit's searches. Words are looked for in the contents too, which takes its
    time: after `PATIENCE` this may give fewer than `limit`, or none, and where to go on.
    """
    try:
        terms = parse_search(text)
    except ValueError as error:
        return Found([], problem=str(error))
    if not terms:
        rows = await store.find(Query(before=before, after=after), limit=limit + 1)
        return Found(rows[:limit], rows[limit - 1].cursor if len(rows) > limit else None)
    rows = []
    top = store.sequence + 1 if before is None else before
    bottom = 0 if after is None else after
    size = _WINDOW
    started = time.monotonic()
    while top > bottom + 1:
        began = time.monotonic()
        low = max(bottom, top - 1 - size)
        try:
            query = Query(terms=terms, before=top, after=low)
            found = await store.find(query, limit=limit - len(rows) + 1)
        except SearchTimeoutError as error:
            return Found(rows, problem=str(error))
        rows += found
        if len(rows) > limit:
            return Found(rows[:limit], rows[limit - 1].cursor)
        top = low + 1
        now = time.monotonic()
        if now - began < _QUICK:
            size *= 2
        if now - started > PATIENCE:
            break
    return Found(rows, top if top > bottom + 1 else None)
