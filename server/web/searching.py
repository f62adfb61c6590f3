"""Search as one types: words and `from:` `to:` `subject:` `is:` over what a list row knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from ..store.rules import fold
from ..store.store import MessageRow, MessageStore, Query

LOOKED_AT: Final = 5_000
"""Messages that one search looks at before it says where to go on."""
_SLICE: Final = 500
_TERM_LIMIT: Final = 20
_TERM: Final = re.compile(r'([-!]?)(?:(from|to|subject|is):)?(?:"([^"]*+)"?+|(\S++))', re.I)


class Term(msgspec.Struct, frozen=True):
    """One word of a search: where it is looked for, and whether it must be there or must not."""

    field: str
    word: str
    wanted: bool


class Found(msgspec.Struct, frozen=True):
    """A page of what was found, newest first; `next` is where to go on, None at the end."""

    rows: list[MessageRow]
    next: int | None


def parse_terms(text: str) -> tuple[Term, ...]:
    """Read what was typed; every text is a search, the empty one finds everything."""
    terms = []
    for match in _TERM.finditer(text):
        word = match[3] if match[3] is not None else match[4]
        if word:
            terms.append(Term((match[2] or "").lower(), fold(word), not match[1]))
    return tuple(terms[:_TERM_LIMIT])


def meets(terms: tuple[Term, ...], row: MessageRow) -> bool:
    """Say whether a message has what is wanted and nothing of the rest."""
    return all(_has(term, row) == term.wanted for term in terms)


async def find(
    store: MessageStore, text: str, *, limit: int, before: int | None, after: int | None = None
) -> Found:
    """
    Give the newest messages that a text finds, in front of one cursor and behind another.

    Looks at `LOOKED_AT` messages at most. So it ends soon however many there are, and may give
    fewer than `limit`, or none, while there is more to look at.
    """
    terms = parse_terms(text)
    if not terms:
        rows = await store.find(Query(before=before, after=after), limit=limit + 1)
        return Found(rows[:limit], rows[limit - 1].cursor if len(rows) > limit else None)
    rows = []
    position = before
    for _ in range(LOOKED_AT // _SLICE):
        slice_ = await store.find(Query(before=position, after=after), limit=_SLICE)
        for row in slice_:
            position = row.cursor
            if meets(terms, row):
                rows.append(row)
                if len(rows) == limit:
                    return Found(rows, position)
        if len(slice_) < _SLICE:
            return Found(rows, None)
    return Found(rows, position)


def _has(term: Term, row: MessageRow) -> bool:
    if term.field == "is":
        return (row.read and term.word == "read") or (not row.read and term.word == "unread")
    return any(term.word in fold(text) for text in _texts(term.field, row))


def _texts(field: str, row: MessageRow) -> Iterator[str]:
    if field in ("", "from"):
        yield row.fields.from_
        yield row.envelope.reverse_path
    if field in ("", "to"):
        yield row.fields.to
        yield row.fields.cc
        for recipient in row.envelope.recipients:
            yield recipient.address
    if field in ("", "subject"):
        yield row.fields.subject
