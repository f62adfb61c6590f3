"""The questions that `mail.db` is asked, and its rows as values."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from . import sql_terms, sqlite_bodies, sqlite_transcripts
from .conditions import Conditions, fitting
from .copying import copies_of, untold
from .rules import from_microseconds
from .sql_places import Scope
from .sql_rows import message_row
from .store import EVERYTHING, Copy, Counts, MessageRow, Place, Query
from .terms import fold

_COLUMNS: Final = (
    "message.cursor, message.id, message.received, message.size, message.read, message.envelope,"
    " message.facts, message.fields,"
    " (SELECT json_group_array(name) FROM (SELECT name FROM tag"
    " WHERE tag.cursor = message.cursor ORDER BY folded)),"
    " (SELECT json_group_array(name) FROM (SELECT mailbox.name FROM mailbox"
    " WHERE mailbox.cursor = message.cursor ORDER BY mailbox.name))"
)


class Selection(NamedTuple):
    """
    Where messages are looked for: tables, the column of their order, and conditions.

    With `mailbox` only what is in it is seen.
    """

    tables: str
    cursor: str
    conditions: Conditions
    mailbox: str | None = None


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
    return message_row(columns, mailbox) if columns else None


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


def copies(
    connection: sqlite3.Connection,
    folder: Path,
    rows: Sequence[MessageRow],
    told: Container[str],
) -> list[Copy]:
    """Give copies of messages; see `SharedStore.copies`."""
    raws, transcripts, places = {}, {}, {}
    sessions = set(untold(rows, told))
    for row in rows:
        if (body := sqlite_bodies.read(connection, folder, row.cursor)) is not None:
            raws[row.cursor] = body
        session = row.session.session_id
        said = sqlite_transcripts.read(connection, row.id) if session in sessions else None
        if said is not None:
            transcripts[session] = said
            sessions.remove(session)
        here = {name: get(connection, row.id, name) for name in row.mailboxes}
        places[row.cursor] = {name: Place(one.read, one.tags) for name, one in here.items() if one}
    return copies_of(rows, told, raws=raws, transcripts=transcripts, places=places)


def tag_names(connection: sqlite3.Connection, mailbox: str | None = None) -> list[str]:
    """Give the tags in use, in order: from one to the next by the index, however many have them."""
    if mailbox is not None:
        return list(tags(connection, mailbox))
    found = connection.execute(
        "WITH RECURSIVE known (folded) AS ("
        " SELECT min(folded) FROM tag"
        " UNION ALL"
        " SELECT (SELECT min(folded) FROM tag WHERE tag.folded > known.folded)"
        " FROM known WHERE known.folded IS NOT NULL"
        ") SELECT (SELECT name FROM tag WHERE tag.folded = known.folded LIMIT 1)"
        " FROM known WHERE known.folded IS NOT NULL"
    )
    return [name for (name,) in found]


def tags(connection: sqlite3.Connection, mailbox: str | None = None) -> Mapping[str, int]:
    """Give the tags in use, in order, each with the number of its messages."""
    scope = Scope.of(mailbox)
    counted = connection.execute(
        f"{scope.sql}SELECT name, count(*) FROM tag GROUP BY folded ORDER BY folded",  # noqa: S608
        scope.parameters,
    )
    return dict(counted.fetchall())


def find(
    connection: sqlite3.Connection, query: Query, *, limit: int, offset: int
) -> list[MessageRow]:
    """Give matching rows, newest first; `limit` 0 means all."""
    if query == EVERYTHING and offset:
        query, offset = _behind_offset(connection, offset), 0
    return list(rows(connection, select(query), limit=limit, offset=offset))


def rows(
    connection: sqlite3.Connection, selection: Selection, *, limit: int = 0, offset: int = 0
) -> Iterator[MessageRow]:
    """Give selected rows one by one, newest first; `limit` 0 means all."""
    scope = Scope.of(selection.mailbox)
    conditions = selection.conditions
    found = connection.execute(
        f"{scope.sql}SELECT {_COLUMNS} FROM {selection.tables} WHERE {conditions}"  # noqa: S608 - constants only
        f" ORDER BY {selection.cursor} DESC LIMIT ? OFFSET ?",
        [*scope.parameters, *conditions.parameters, fitting(limit) or -1, fitting(offset)],
    )
    return (message_row(columns, selection.mailbox) for columns in found)


def count(connection: sqlite3.Connection, selection: Selection) -> Counts:
    """Count what is selected."""
    scope = Scope.of(selection.mailbox)
    total, unread, size = connection.execute(
        f"{scope.sql}SELECT count(*), coalesce(sum(message.read = 0), 0),"  # noqa: S608 - as above
        f" coalesce(sum(message.size), 0) FROM {selection.tables} WHERE {selection.conditions}",
        [*scope.parameters, *selection.conditions.parameters],
    ).fetchone()
    return Counts(total=total, unread=unread, size=size)


def added(
    connection: sqlite3.Connection, after: int, upto: int, *, limit: int
) -> Sequence[MessageRow]:
    """Give the oldest messages between two cursors, oldest first."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM message WHERE cursor > ? AND cursor <= ?"  # noqa: S608 - as above
        " ORDER BY cursor LIMIT ?",
        (fitting(after), fitting(upto), limit),
    )
    return [message_row(columns) for columns in found]


def searched(connection: sqlite3.Connection, cursor: int) -> list[str]:
    """
    Give the texts of a message, its content aside, that terms look into, as they do.

    Read, not made from its row: those of messages that an older bindpost has kept are others.
    """
    texts: list[str] = []
    for question in (
        "SELECT sender, subject FROM message WHERE cursor = ?",
        "SELECT from_, to_, cc, reply_to, message_id FROM header WHERE cursor = ?",
    ):
        texts.extend(connection.execute(question, (cursor,)).fetchone() or ())
    recipients = connection.execute("SELECT address FROM recipient WHERE cursor = ?", (cursor,))
    return [*texts, *(address for (address,) in recipients)]


def mailbox_counts(connection: sqlite3.Connection) -> Mapping[str, Counts]:
    """Count what is in each mailbox."""
    found = connection.execute("SELECT name, total, unread, size FROM mailbox_total ORDER BY name")
    return {
        name: Counts(total=total, unread=unread, size=size) for name, total, unread, size in found
    }


def counts_of_mailbox(connection: sqlite3.Connection, mailbox: str) -> Counts:
    """Count what is in a mailbox."""
    found = connection.execute(
        "SELECT total, unread, size FROM mailbox_total WHERE name = ?", (mailbox,)
    ).fetchone()
    total, unread, size = found or (0, 0, 0)
    return Counts(total=total, unread=unread, size=size)


def oldest_behind(connection: sqlite3.Connection, cursor: int) -> datetime | None:
    """Give when the oldest message behind a cursor was received, None if there is none."""
    found = connection.execute(
        "SELECT received FROM message WHERE cursor > ? ORDER BY cursor LIMIT 1", (cursor,)
    ).fetchone()
    return from_microseconds(found[0]) if found else None


def select(query: Query) -> Selection:
    """Say where the messages of a query are found; terms about content are passed over."""
    conditions = sql_terms.row_conditions(query)
    tables, cursor = "message", "message.cursor"
    tag = next((term for term in query.terms if term.field == "tag" and not term.negated), None)
    if query.recipient is not None:
        # CROSS JOIN: recipients first. Their index yields one address's messages in order, so a
        # page of them ends the search, however many there are.
        tables = "recipient CROSS JOIN message USING (cursor)"
        cursor = "recipient.cursor"
        conditions.hold("recipient.address = ?", fold(query.recipient))
    elif tag is not None:
        # A tag has the same name everywhere, so that its index too yields messages in order.
        tables = "tag CROSS JOIN message USING (cursor)"
        cursor = "tag.cursor"
        conditions.hold("tag.folded = ?", tag.needle)
        conditions.hold("tag.name = (SELECT name FROM tag WHERE folded = ? LIMIT 1)", tag.needle)
    conditions.between(cursor, after=query.after, before=query.before)
    if sql_terms.need_header(query.terms):
        tables += " CROSS JOIN header USING (cursor)"
    return Selection(tables, cursor, conditions, query.mailbox)


def _behind_offset(connection: sqlite3.Connection, offset: int) -> Query:
    """
    Give the query for what follows so many of the newest messages.

    They are counted in `header`, which has a short row for each message: eight times as fast.
    """
    found = connection.execute(
        "SELECT cursor FROM header ORDER BY cursor DESC LIMIT 1 OFFSET ?", (fitting(offset) - 1,)
    ).fetchone()
    return Query(before=found[0] if found else 0)
