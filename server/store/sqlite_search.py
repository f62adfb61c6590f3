"""
Searches: what the index knows comes from it, what it doesn't know yet is read message by message.

The index finds the messages that have all grams of a search, newest first; each is then looked at
with the very conditions that hold without an index. So a search finds the same with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bindpost.errors import SearchTimeoutError, StoreError

from ..message.digest import Digest
from . import rules, sql_terms, sqlite_bodies, sqlite_queries
from .codec import decode
from .content import ContentSearch, unindexed
from .counted import add
from .grams import grams_of, match_of
from .sql_rows import marks
from .sqlite_index import IndexUnusableError, SearchIndex
from .sqlite_queries import Selection
from .store import Counts, MessageRow, Query
from .terms import fold

_CHECK_STEPS: Final = 20_000
"""Steps of SQLite between two looks at the time."""
_T = TypeVar("_T")
_PAGE: Final = 100
"""Rows that are taken at once where messages are read."""
_GRAMS: Final = 4
"""Grams by which messages are looked up, the rarest of a search."""
_PROBED: Final = 64
"""Messages by which it is told how rare a gram is."""
_FEW: Final = 500
"""Messages of one recipient that are looked at one by one rather than by the index."""


def find_directly(
    connection: sqlite3.Connection,
    query: Query,
    content: ContentSearch,
    *,
    folder: Path,
    limit: int,
    offset: int,
    deadline: float,
) -> list[MessageRow]:
    """Give what matches, read message by message, newest first; `limit` 0 means all."""
    found = _directly(connection, folder, query, content, deadline=deadline)
    return list(islice(found, offset, offset + limit if limit else None))


def count_directly(
    connection: sqlite3.Connection,
    query: Query,
    content: ContentSearch,
    *,
    folder: Path,
    deadline: float,
) -> Counts:
    """Count what matches, read message by message."""
    return rules.counts_of(list(_directly(connection, folder, query, content, deadline=deadline)))


def find_indexed(
    connection: sqlite3.Connection,
    query: Query,
    content: ContentSearch,
    index: SearchIndex,
    *,
    folder: Path,
    limit: int,
    offset: int,
    deadline: float,
) -> list[MessageRow]:
    """Give what matches, newest first, by the index; `limit` 0 means all."""
    upto = _upto(connection, index)
    tail = _tail(connection, folder, query, content, upto, deadline=deadline)
    newest = list(islice(tail, offset + limit if limit else None))
    found = newest[offset:]
    if limit and len(found) == limit:
        return found
    with _indexed(connection, index, upto), _limited(connection, content, deadline):
        older = sqlite_queries.rows(
            connection,
            _select(connection, query, upto),
            limit=limit - len(found) if limit else 0,
            offset=max(0, offset - len(newest)),
        )
        return [*found, *older]


def count_indexed(
    connection: sqlite3.Connection,
    query: Query,
    content: ContentSearch,
    index: SearchIndex,
    *,
    folder: Path,
    deadline: float,
) -> Counts:
    """Count what matches, by the index."""
    upto = _upto(connection, index)
    tail = list(_tail(connection, folder, query, content, upto, deadline=deadline))
    with _indexed(connection, index, upto), _limited(connection, content, deadline):
        older = sqlite_queries.count(connection, _select(connection, query, upto))
    return add(rules.counts_of(tail), older)


def in_time(
    content: ContentSearch,
    deadline: float,
    question: Callable[[sqlite3.Connection], _T],
    connection: sqlite3.Connection,
) -> _T:
    """Ask a question that has to be answered by then, or raises a search's time-out."""
    with _limited(connection, content, deadline):
        return question(connection)


def digests(
    connection: sqlite3.Connection, index: SearchIndex, cursors: Sequence[int]
) -> dict[int, Digest]:
    """Give the digests of the messages at these cursors, as far as the index has them."""
    with index.open(connection):
        found = connection.execute(
            f"SELECT cursor, digest FROM search.entry WHERE cursor IN ({marks(cursors)})"  # noqa: S608 - question marks only
            " AND digest IS NOT NULL",
            list(cursors),
        )
        return {cursor: decode(digest, Digest) for cursor, digest in found}


def _upto(connection: sqlite3.Connection, index: SearchIndex) -> int:
    """Give the cursor to which the index has all; what lies behind it is read in the meantime."""
    with index.open(connection) as upto:
        return upto


@contextmanager
def _indexed(connection: sqlite3.Connection, index: SearchIndex, upto: int) -> Iterator[None]:
    """Have the index on the connection for the block, with all that it had to this cursor."""
    with index.open(connection) as now:
        if now < upto:
            raise IndexUnusableError("it was made anew meanwhile")
        yield


def _directly(
    connection: sqlite3.Connection,
    folder: Path,
    query: Query,
    content: ContentSearch,
    *,
    deadline: float,
) -> Iterator[MessageRow]:
    """
    Read what matches, message by message; one whose bytes can't be read counts as empty.

    Rows are taken a page at a time: a query that is half read, or a transaction, would hide from
    `sqlite_bodies.read` where bytes have been moved to.
    """

    def holds(row: MessageRow) -> bool:
        def raw_bytes() -> bytes | None:
            with suppress(StoreError):
                return sqlite_bodies.read(connection, folder, row.cursor)
            return None

        return content.holds(query.terms, row, raw_bytes, deadline=deadline)

    while page := sqlite_queries.find(connection, query, limit=_PAGE, offset=0):
        yield from filter(holds, page)
        query = msgspec.structs.replace(query, before=page[-1].cursor)


def _tail(
    connection: sqlite3.Connection,
    folder: Path,
    query: Query,
    content: ContentSearch,
    upto: int,
    *,
    deadline: float,
) -> Iterator[MessageRow]:
    """Give what matches of the messages that are not in the index yet."""
    tail = msgspec.structs.replace(query, after=max(query.after or 0, upto))
    try:
        yield from _directly(connection, folder, tail, content, deadline=deadline)
    except SearchTimeoutError as error:
        raise unindexed(error, upto) from None


def _select(connection: sqlite3.Connection, query: Query, upto: int) -> Selection:
    """Say where the messages of a query are found among those that are in the index."""
    conditions = sql_terms.row_conditions(query)
    conditions.extend(sql_terms.content_conditions(query.terms, words="words", entry="entry"))
    grams = grams_of(query)
    joined: list[str] = []
    if query.recipient is not None:
        conditions.hold("recipient.address = ?", fold(query.recipient))
        joined.append("recipient")
    if any(term.field == "text" for term in query.terms):
        joined.append("words")
    if any(term.field in ("attachment", "inline") for term in query.terms):
        joined.append("entry")
    if sql_terms.need_header(query.terms):
        joined.append("header")
    if grams and not _has_few(connection, query.recipient):
        first, cursor = "search.grams", "grams.rowid"
        conditions.hold("grams MATCH ?", match_of(_rarest(connection, grams)))
    else:
        first = _first(query)
        cursor = f"{first}.cursor"
        joined = [table for table in joined if table != first]
    before = upto + 1 if query.before is None else min(query.before, upto + 1)
    conditions.between(cursor, after=query.after, before=before)
    if first != "message":
        joined.append("message")
    joins = (f" CROSS JOIN {table} ON {table}.cursor = {cursor}" for table in joined)
    return Selection(first + "".join(joins), cursor, conditions, query.mailbox)


def _rarest(connection: sqlite3.Connection, grams: list[str]) -> list[str]:
    """Give the rarest of these grams: one that most messages have costs much and narrows little."""
    if len(grams) <= _GRAMS:
        return grams
    return sorted(grams, key=lambda gram: _reach(connection, gram))[:_GRAMS]


def _reach(connection: sqlite3.Connection, gram: str) -> int:
    """Give how far back the newest messages with a gram are; the farther, the rarer it is."""
    cursors = connection.execute(
        "SELECT rowid FROM search.grams WHERE grams MATCH ? ORDER BY rowid DESC LIMIT ?",
        (match_of([gram]), _PROBED),
    ).fetchall()
    return cursors[-1][0] if len(cursors) == _PROBED else 0


def _first(query: Query) -> str:
    """Give the table that is gone through when there are no grams to be looked up."""
    if query.recipient is not None:
        return "recipient"
    if any(term.field in ("attachment", "inline") and not term.negated for term in query.terms):
        return "entry"
    return "message"


def _has_few(connection: sqlite3.Connection, recipient: str | None) -> bool:
    """Say whether a recipient has so few messages that they are best looked at one by one."""
    if recipient is None:
        return False
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM recipient WHERE address = ? LIMIT ?)",
        (fold(recipient), _FEW + 1),
    ).fetchone()
    return int(count) <= _FEW


@contextmanager
def _limited(
    connection: sqlite3.Connection, content: ContentSearch, deadline: float
) -> Iterator[None]:
    """End what SQLite does in the block when the deadline has passed, as a search's time-out."""
    connection.set_progress_handler(lambda: time.monotonic() >= deadline, _CHECK_STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise content.timeout() from None
        raise
    finally:
        connection.set_progress_handler(None, _CHECK_STEPS)
