"""
Which messages a body means that marks or deletes: some by their ids, all, or those that a search
finds.

A page that shows a hundred thousand messages need not name them. Of all, or of those found,
`before` leaves out what came later, so that nobody deletes what he has never seen, and `except`
what is listed.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ..store.store import MessageStore, Query
from .mailpit_search import parse_search
from .requests import LARGEST_NUMBER

_AT_ONCE: Final = 5_000
"""Rows that are in memory at once."""


class Choice(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The part of a body that says which messages are meant; exactly one of the first three."""

    ids: list[str] | None = None
    all: bool = False
    search: str | None = None
    before: Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)] | None = None
    besides: list[str] = msgspec.field(name="except", default_factory=list)


async def ids_of(store: MessageStore, choice: Choice) -> list[str] | None:
    """
    Give the ids that are meant, None for all that there are.

    Raises `ValueError` with what is wrong; a search that says nothing is.
    """
    given = (choice.ids is not None, choice.all, choice.search is not None)
    if sum(given) != 1:
        raise ValueError('give either {"ids": ["..."]}, {"all": true} or {"search": "..."}')
    is_narrowed = choice.before is not None or bool(choice.besides)
    if choice.ids is not None:
        if is_narrowed:
            raise ValueError("before and except go with all and search, not with ids")
        return list(dict.fromkeys(choice.ids))
    if choice.all and not is_narrowed:
        return None
    terms = parse_search(choice.search or "")
    if not (terms or choice.all):
        raise ValueError(f"the search {(choice.search or '')[:80]!r} says nothing")
    besides = frozenset(choice.besides)
    found = await found_ids(store, Query(terms=terms, before=choice.before))
    return [one for one in found if one not in besides]


async def found_ids(store: MessageStore, query: Query) -> list[str]:
    """Give the ids of all that a query finds, newest first; the rows are read some at a time."""
    ids: list[str] = []
    while rows := await store.find(query, limit=_AT_ONCE):
        ids += [row.id for row in rows]
        query = msgspec.structs.replace(query, before=rows[-1].cursor)
    return ids
