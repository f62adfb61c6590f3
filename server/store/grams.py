"""Grams: the runs of three characters by which an index finds the messages that may match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from zlib import crc32

from .store import Query
from .terms import CONTENT_TERMS, Term, fold

LENGTH: Final = 3
"""Characters of a gram; what is shorter can't be looked up by them."""
GRAM_LIMIT: Final = 24
"""Grams of one search that are considered; more make it slower and hardly narrower."""
SEARCHED: Final = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "addressed", "sender", "recipient"),
        *("subject", "message-id", "text"),
    }
)
"""The terms whose texts are in the index."""


def is_about_content(query: Query) -> bool:
    """Say whether a query needs the contents of messages."""
    return any(term.field in CONTENT_TERMS for term in query.terms)


def gains_by_index(query: Query) -> bool:
    """Say whether an index answers a query, or narrows it; bytes are not in it."""
    if any(term.field == "raw" for term in query.terms):
        return False
    return is_about_content(query) or any(needles_of(query))


def indexed_form(text: str) -> str:
    """Give a text as it is cut into grams: FTS5 would stop at a NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def grams_of(query: Query) -> list[str]:
    """
    Give grams that every match of a query has, each once; none if there are none to be had.

    What has all of them somewhere may match and has to be looked at.
    """
    grams = dict.fromkeys(gram for needle in needles_of(query) for gram in _grams(needle))
    return list(grams)[:GRAM_LIMIT]


def match_of(grams: Iterable[str]) -> str:
    """Give what FTS5 is asked for, to find what has all of these grams."""
    return " AND ".join('"{}"'.format(gram.replace('"', '""')) for gram in grams)


def numbers_of(texts: Iterable[str]) -> list[int]:
    """
    Give the numbers of all grams of these texts, in order, each of 16 bits with a sign.

    Some grams share a number, so that a few more messages than need be are looked at.
    """
    grams = {gram for text in texts for gram in _grams(text)}
    return sorted({number_of(gram) for gram in grams})


def number_of(gram: str) -> int:
    """Give the number of a gram; see `numbers_of`."""
    return (crc32(gram.encode()) & 0xFFFF) - 0x8000


def needles_of(query: Query) -> list[str]:
    """Give the texts that whatever matches a query contains."""
    positive: list[Term] = [t for t in query.terms if t.field in SEARCHED and not t.negated]
    return [*([fold(query.subject)] if query.subject else []), *(term.needle for term in positive)]


def _grams(needle: str) -> Iterator[str]:
    form = indexed_form(needle)
    for start in range(len(form) - LENGTH + 1):
        yield form[start : start + LENGTH]
