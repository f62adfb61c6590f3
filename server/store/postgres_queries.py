"""The questions that an inbox in PostgreSQL is asked: each is SQL and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from . import sql_terms
from .conditions import Conditions, fitting
from .sql_places import Scope
from .store import Query
from .terms import fold

_COLUMNS: Final = (
    "message.cursor, message.id, message.received, message.size, message.read, message.envelope,"
    " message.facts, message.fields,"
    " (SELECT coalesce(json_agg(name ORDER BY folded), '[]')::text FROM tag"
    " WHERE tag.cursor = message.cursor),"
    " (SELECT coalesce(json_agg(mailbox.name ORDER BY mailbox.name), '[]')::text FROM mailbox"
    " WHERE mailbox.cursor = message.cursor)"
)
_IS_SENDER: Final = "left(message.sender, 200) = left(?, 200)"  # beside the whole: it is indexed
_IS_RECIPIENT: Final = (
    "EXISTS (SELECT 1 FROM recipient WHERE recipient.cursor = message.cursor"
    " AND left(recipient.address, 200) = left(?, 200) AND recipient.address = ?)"
)


class Question(NamedTuple):
    """SQL with `?` for its parameters."""

    sql: str
    parameters: Sequence[object] = ()


def get(message_id: str, mailbox: str | None) -> Question:
    """Ask for the columns of a message that `sql_rows.message_row` takes."""
    return _scoped(mailbox, f"SELECT {_COLUMNS} FROM message WHERE id = ?", message_id)  # noqa: S608 - constants only


def raw(message_id: str, mailbox: str | None) -> Question:
    """Ask for a message's bytes."""
    return _scoped(
        mailbox, "SELECT raw FROM message JOIN body USING (cursor) WHERE id = ?", message_id
    )


def raw_at(cursor: int) -> Question:
    """Ask for a message's bytes, by its cursor."""
    return Question("SELECT raw FROM body WHERE cursor = ?", (cursor,))


def transcript(message_id: str, mailbox: str | None) -> Question:
    """Ask for the pieces of the transcript of the session that brought a message."""
    return _scoped(
        mailbox,
        "SELECT lines FROM message JOIN transcript USING (session) WHERE id = ? ORDER BY line",
        message_id,
    )


def tags(mailbox: str | None) -> Question:
    """Ask for the tags in use, in order, each with the number of its messages."""
    return _scoped(mailbox, "SELECT min(name), count(*) FROM tag GROUP BY folded ORDER BY folded")


def find(query: Query, *, limit: int, offset: int) -> Question:
    """
    Ask for the columns of matching messages, newest first; `limit` 0 means all.

    Terms about content are passed over.
    """
    tables, conditions = _select(query)
    return _scoped(
        query.mailbox,
        # Those that the offset skips are not worth their columns.
        f"SELECT {_COLUMNS} FROM (SELECT message.cursor FROM {tables} WHERE {conditions}"  # noqa: S608 - constants only
        " ORDER BY message.cursor DESC LIMIT ? OFFSET ?) AS page JOIN message USING (cursor)"
        " ORDER BY message.cursor DESC",
        *conditions.parameters,
        fitting(limit) or None,
        fitting(offset),
    )


def count(query: Query) -> Question:
    """Ask how many messages match, how many of them are unread, and for their bytes."""
    tables, conditions = _select(query)
    return _scoped(
        query.mailbox,
        "SELECT count(*), count(*) FILTER (WHERE message.read = 0),"  # noqa: S608 - constants only
        f" coalesce(sum(message.size), 0)::bigint FROM {tables} WHERE {conditions}",
        *conditions.parameters,
    )


def totals() -> Question:
    """Ask for the same of all that is kept."""
    return Question("SELECT total, unread, size FROM inbox")


def sequence() -> Question:
    """Ask for the number of the latest change."""
    return Question("SELECT sequence FROM inbox")


def mailbox_totals(mailbox: str | None = None) -> Question:
    """Ask for the name of each mailbox, or of one, and for the same of what is in it."""
    sql = "SELECT name, total, unread, size FROM mailbox_total"
    if mailbox is None:
        return Question(f"{sql} ORDER BY name")
    return Question(f"{sql} WHERE name = ?", (mailbox,))


def changes(after: int, *, upto: int | None = None, limit: int) -> Question:
    """Ask for the first changes behind a number that are remembered, up to another, in order."""
    conditions = Conditions()
    conditions.between("sequence", after=after, before=None if upto is None else upto + 1)
    return Question(
        f"SELECT told FROM change WHERE {conditions} ORDER BY sequence LIMIT ?",  # noqa: S608 - constants only
        (*conditions.parameters, limit),
    )


def _select(query: Query) -> tuple[str, Conditions]:
    """Say where the messages of a query are found; terms about content are passed over."""
    conditions = sql_terms.row_conditions(query)
    if query.sender is not None:
        conditions.hold(_IS_SENDER, fold(query.sender))
    if query.recipient is not None:
        conditions.hold(_IS_RECIPIENT, fold(query.recipient), fold(query.recipient))
    conditions.between("message.cursor", after=query.after, before=query.before)
    has_header = sql_terms.need_header(query.terms)
    return "message JOIN header USING (cursor)" if has_header else "message", conditions


def _scoped(mailbox: str | None, sql: str, *parameters: object) -> Question:
    scope = Scope.of(mailbox, message="message")
    return Question(scope.sql + sql, (*scope.parameters, *parameters))
