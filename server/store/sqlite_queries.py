"""The questions that `mail.db` is asked, and its rows as values."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from bindpost.errors import StoreError

from ..message.headers import HeaderFields
from ..message.model import Envelope, SessionFacts, Transcript, TranscriptLine
from . import sqlite_bodies, sqlite_terms
from .codec import decode
from .content import ContentSearch
from .rules import from_microseconds
from .sqlite_mailboxes import Scope
from .store import Counts, MessageRow, Query
from .terms import fold

_COLUMNS: Final = (
    "cursor, id, received, size, read, envelope, facts, fields,"
    " (SELECT json_group_array(name) FROM (SELECT name FROM tag"
    " WHERE tag.cursor = message.cursor ORDER BY folded)),"
    " (SELECT json_group_array(name) FROM (SELECT mailbox.name FROM mailbox"
    " WHERE mailbox.cursor = message.cursor ORDER BY mailbox.name))"
)
_LARGEST: Final = 2**63 - 1
_PAGE: Final = 100
"""Rows that a search takes at once."""

_Columns = tuple[int, str, int, int, int, str, str, str, str, str]
_Lines = tuple[TranscriptLine, ...]
_Parameters = list[str | int]


def get(
    connection: sqlite3.Connection, message_id: str, mailbox: str | None = None
) -> MessageRow | None:
    """Give a message's row."""
    scope = Scope.of(mailbox)
    found = connection.execute(
        f"{scope.sql}SELECT {_COLUMNS} FROM message WHERE id = ?",  # noqa: S608 - constants only
        (*scope.parameters, message_id),
    )
    columns = found.fetchone()
    return _row(columns, mailbox) if columns else None


def raw(
    connection: sqlite3.Connection, folder: Path, message_id: str, mailbox: str | None = None
) -> bytes | None:
    """Give a message's bytes; see `sqlite_bodies.read`."""
    scope = Scope.of(mailbox)
    found = connection.execute(
        f"{scope.sql}SELECT cursor FROM message WHERE id = ?",  # noqa: S608 - constants only
        (*scope.parameters, message_id),
    ).fetchone()
    return sqlite_bodies.read(connection, folder, found[0]) if found else None


def transcript(
    connection: sqlite3.Connection, message_id: str, mailbox: str | None = None
) -> Transcript | None:
    """Give the transcript of the session that brought a message."""
    scope = Scope.of(mailbox)
    pieces = connection.execute(
        f"{scope.sql}SELECT lines FROM message JOIN transcript USING (session)"  # noqa: S608
        " WHERE id = ? ORDER BY line",
        (*scope.parameters, message_id),
    ).fetchall()
    if not pieces:
        return None
    return tuple(chain.from_iterable(decode(lines, _Lines) for (lines,) in pieces))


def tags(connection: sqlite3.Connection, mailbox: str | None = None) -> Mapping[str, int]:
    """Give the tags in use, in order, each with the number of its messages."""
    scope = Scope.of(mailbox)
    counted = connection.execute(
        f"{scope.sql}SELECT name, count(*) FROM tag GROUP BY folded ORDER BY folded",  # noqa: S608
        scope.parameters,
    )
    return dict(counted.fetchall())


def search(
    connection: sqlite3.Connection,
    folder: Path,
    query: Query,
    content: ContentSearch,
    *,
    deadline: float,
) -> list[MessageRow]:
    """
    Give all that matches a query with terms about content, newest first.

    A message whose bytes can't be read counts as empty. Rows are taken a page at a time: a query
    that is half read would hide from `sqlite_bodies.read` where bytes have been moved to.
    """

    def holds(row: MessageRow) -> bool:
        def raw_bytes() -> bytes | None:
            with suppress(StoreError):
                return sqlite_bodies.read(connection, folder, row.cursor)
            return None

        return content.holds(query.terms, row, raw_bytes, deadline=deadline)

    found: list[MessageRow] = []
    while page := find(connection, query, limit=_PAGE, offset=0):
        found += [row for row in page if holds(row)]
        query = msgspec.structs.replace(query, before=page[-1].cursor)
    return found


def find(
    connection: sqlite3.Connection, query: Query, *, limit: int, offset: int
) -> list[MessageRow]:
    """Give matching rows, newest first; `limit` 0 means all."""
    scope = Scope.of(query.mailbox)
    tables, conditions, parameters = _select(query)
    found = connection.execute(
        f"{scope.sql}SELECT {_COLUMNS} FROM {tables}"  # noqa: S608 - constants only
        f" WHERE {conditions} ORDER BY cursor DESC LIMIT ? OFFSET ?",
        [*scope.parameters, *parameters, _fitting(limit) or -1, _fitting(offset)],
    )
    return [_row(columns, query.mailbox) for columns in found]


def count(connection: sqlite3.Connection, query: Query) -> Counts:
    """Count what matches."""
    scope = Scope.of(query.mailbox)
    tables, conditions, parameters = _select(query)
    total, unread, size = connection.execute(
        f"{scope.sql}SELECT count(*), coalesce(sum(read = 0), 0),"  # noqa: S608 - as above
        f" coalesce(sum(size), 0) FROM {tables} WHERE {conditions}",
        [*scope.parameters, *parameters],
    ).fetchone()
    return Counts(total=total, unread=unread, size=size)


def added(
    connection: sqlite3.Connection, after: int, upto: int, *, limit: int
) -> Sequence[MessageRow]:
    """Give the oldest messages between two cursors, oldest first."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM message WHERE cursor > ? AND cursor <= ?"  # noqa: S608 - as above
        " ORDER BY cursor LIMIT ?",
        (_fitting(after), _fitting(upto), limit),
    )
    return [_row(columns) for columns in found]


def _select(query: Query) -> tuple[str, str, _Parameters]:
    """Give the tables, the conditions and their parameters of a query."""
    tables = "message"
    conditions = ["TRUE"]
    parameters: _Parameters = []

    def hold(condition: str, *values: str | int) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if query.recipient is not None:
        # CROSS JOIN: recipients first. Their index yields one address's messages in order, so a
        # page of them ends the search, however many there are.
        tables = "recipient CROSS JOIN message USING (cursor)"
        hold("address = ?", fold(query.recipient))
    if query.sender is not None:
        hold("sender = ?", fold(query.sender))
    if query.subject:
        hold("instr(subject, ?) > 0", fold(query.subject))
    if query.after is not None:
        hold("cursor > ?", _fitting(query.after))
    if query.before is not None:
        hold("cursor < ?", _fitting(query.before))
    if query.unread is not None:
        hold(
            "read = 0" if query.unread else "read = 1"
        )  # literal: the index of unread ones is partial
    if query.terms:
        tables += " CROSS JOIN header USING (cursor)"
        for condition, values in sqlite_terms.conditions(query.terms):
            hold(condition, *[_fitting(v) if isinstance(v, int) else v for v in values])
    return tables, " AND ".join(conditions), parameters


def _fitting(number: int) -> int:
    """Give the nearest number that SQLite can hold; cursors come from outside."""
    return max(-_LARGEST, min(number, _LARGEST))


def _row(columns: _Columns, mailbox: str | None = None) -> MessageRow:
    """Give a row, as it is told in a mailbox: of no other one."""
    cursor, message_id, received, size, read, envelope, facts, fields, tags, names = columns
    return MessageRow(
        cursor=cursor,
        id=message_id,
        received=from_microseconds(received),
        size=size,
        read=bool(read),
        envelope=decode(envelope, Envelope),
        session=decode(facts, SessionFacts),
        fields=decode(fields, HeaderFields),
        tags=decode(tags, tuple[str, ...]),
        mailboxes=decode(names, tuple[str, ...]) if mailbox is None else (mailbox,),
    )
