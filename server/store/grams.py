"""Grams: the runs of three characters by which the index finds the messages that may match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .store import Query
from .terms import Term, fold

LENGTH: Final = 3
"""Characters of a gram; what is shorter can't be looked up by them."""
GRAM_LIMIT: Final = 48
"""Grams of one search; more make it slower and hardly narrower."""
SEARCHED: Final = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "addressed", "sender", "recipient"),
        *("subject", "message-id", "text"),
    }
)
"""The terms whose texts are in the index."""


def indexed_form(text: str) -> str:
    """Give a text as FTS5 shall cut it into grams: it would stop at a NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def match_of(query: Query) -> str:
    """
    Give what FTS5 is asked for: the grams that every match of a query has; empty for none.

    What it finds has all of them somewhere, so it may match and has to be looked at.
    """
    grams = dict.fromkeys(gram for needle in needles_of(query) for gram in _grams(needle))
    quoted = ('"{}"'.format(gram.replace('"', '""')) for gram in list(grams)[:GRAM_LIMIT])
    return " AND ".join(quoted)


def needles_of(query: Query) -> list[str]:
    """Give the texts that whatever matches a query contains."""
    positive: list[Term] = [t for t in query.terms if t.field in SEARCHED and not t.negated]
    return [*([fold(query.subject)] if query.subject else []), *(term.needle for term in positive)]


def _grams(needle: str) -> Iterator[str]:
    form = indexed_form(needle)
    for start in range(len(form) - LENGTH + 1):
        yield form[start : start + LENGTH]
