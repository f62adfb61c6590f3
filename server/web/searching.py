"""Searches in steps: what is found soon comes soon, with the place to go on from."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from bindpost.errors import SearchTimeoutError

from ..store.store import MessageRow, MessageStore, Query
from .mailpit_search import parse_search
from .waiting import Holds

PATIENCE: Final = 0.5
"""Seconds after which a search tells what it has, and where to go on."""
_WINDOW: Final = 256
"""Cursors of the first step; while steps are quick each is `_GROWTH` times the one before."""
_GROWTH: Final = 8
_QUICK: Final = 0.05
_AT_ONCE: Final = 0.25
"""Seconds in which a search may find a whole page, before it goes step by step."""
_TESTED: Final = 100
"""Messages that are taken at once to be tested one by one."""


class Found(msgspec.Struct, frozen=True):
    """
    A page of what was found, newest first.

    `next` is where to go on, None at the end. `problem` is why nothing more can be told now.
    """

    rows: list[MessageRow]
    next: int | None = None
    problem: str = ""


async def find_text(
    store: MessageStore, text: str, *, limit: int, before: int | None, after: int | None = None
) -> Found:
    """Give the newest messages that a search in Mailpit's syntax finds; see `find`."""
    try:
        terms = parse_search(text)
    except ValueError as error:
        return Found([], problem=str(error))
    return await find(store, Query(terms=terms, before=before, after=after), limit=limit)


async def find(
    store: MessageStore, query: Query, *, limit: int, holds: Holds | None = None
) -> Found:
    """
    Give the newest messages of a query that hold, if `holds` is there to say so of each.

    Looking into messages takes its time: after `PATIENCE` this may give fewer than `limit`, or
    none, and where to go on.
    """
    if holds is None:
        try:
            rows = await store.find(query, limit=limit + 1, seconds=_AT_ONCE)
        except SearchTimeoutError:
            pass  # step by step, then
        else:
            return Found(rows[:limit], rows[limit - 1].cursor if len(rows) > limit else None)
    return await _step_by_step(store, query, limit=limit, holds=holds)


async def _step_by_step(
    store: MessageStore, query: Query, *, limit: int, holds: Holds | None
) -> Found:
    rows: list[MessageRow] = []
    newest = await store.find(Query(before=query.before), limit=1)
    top = newest[0].cursor + 1 if newest else 0
    bottom = 0 if query.after is None else query.after
    size = _WINDOW
    started = time.monotonic()
    while top > bottom + 1:
        began = time.monotonic()
        low = max(bottom, top - 1 - size)
        window = msgspec.structs.replace(query, before=top, after=low)
        most = _TESTED if holds is not None else limit - len(rows) + 1
        try:
            found = await store.find(window, limit=most)
        except SearchTimeoutError as error:
            return Found(rows, top, problem=str(error))
        top = found[-1].cursor if len(found) == most else low + 1
        for row in found:
            if holds is None or await holds(row):
                rows.append(row)
            if len(rows) > limit:
                return Found(rows[:limit], rows[limit - 1].cursor)
            if holds is not None and time.monotonic() - started > PATIENCE:
                return Found(rows, row.cursor if row.cursor > bottom + 1 else None)
        now = time.monotonic()
        if now - began < _QUICK:
            size *= _GROWTH
        if now - started > PATIENCE:
            break
    return Found(rows, top if top > bottom + 1 else None)
