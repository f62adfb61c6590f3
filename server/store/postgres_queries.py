"""The questions that an inbox in PostgreSQL is asked: each is SQL and its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from . import sql_terms
from .conditions import Conditions, fitting
from .grams import grams_of, number_of
from .postgres_connection import array
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
_HAS_GRAMS: Final = (  # by itself, behind OFFSET 0: it shall be nothing but looked up
    "message.cursor IN (SELECT cursor FROM content WHERE grams @> ?::smallint[] OFFSET 0)"
)


class Question(NamedTuple):
    """
    SQL with `?` for its parameters.

    It is `planned` anew each time where what is quick for one value is slow for another; reading a
    table from end to end is then the last resort: what that costs PostgreSQL doesn't know of large
    texts, which it keeps elsewhere.
    """

    sql: str
    parameters: Sequence[object] = ()
    planned: bool = False


def get(message_id: str, mailbox: str | None) -> Question:
    """Ask for the columns of a message that `sql_rows.message_row` takes."""
    return _scoped(mailbox, f"SELECT {_COLUMNS} FROM message WHERE id = ?", message_id)  # noqa: S608 - constants only


def raw(message_id: str, mailbox: str | None) -> Question:
    """Ask for a message's bytes."""
    return _scoped(
        mailbox, "SELECT raw FROM message JOIN body USING (cursor) WHERE id = ?", message_id
    )


def transcript(message_id: str, mailbox: str | None) -> Question:
    """Ask for the pieces of the transcript of the session that brought a message."""
    return _scoped(
        mailbox,
        "SELECT lines FROM message JOIN transcript USING (session) WHERE id = ? ORDER BY line",
        message_id,
    )


def raws(cursors: Sequence[int]) -> Question:
    """Ask for the cursors and the bytes of the messages at these cursors."""
    return Question("SELECT cursor, raw FROM body WHERE cursor = ANY(?)", (list(cursors),))


def transcripts(sessions: Sequence[str]) -> Question:
    """Ask for the sessions and the pieces of their transcripts, in order."""
    return Question(
        "SELECT session, lines FROM transcript WHERE session = ANY(?) ORDER BY session, line",
        (list(sessions),),
    )


def places(cursors: Sequence[int]) -> Question:
    """Ask for cursor, mailbox, read flag and tags, as JSON, in each mailbox of these messages."""
    return Question(
        "SELECT cursor, name, read,"
        " (SELECT coalesce(json_agg(tag.name ORDER BY folded), '[]')::text FROM mailbox_tag AS tag"
        " WHERE tag.mailbox = mailbox.name AND tag.cursor = mailbox.cursor)"
        " FROM mailbox WHERE cursor = ANY(?)",
        (list(cursors),),
    )


def tags(mailbox: str | None) -> Question:
    """Ask for the tags in use, in order, each with the number of its messages."""
    return _scoped(mailbox, "SELECT min(name), count(*) FROM tag GROUP BY folded ORDER BY folded")


def find(query: Query, *, limit: int, offset: int) -> Question:
    """
    Ask for the columns of matching messages, newest first; `limit` 0 means all.

    Terms about content are passed over.
    """
    return _find(query, *_select(query), limit=limit, offset=offset)


def count(query: Query) -> Question:
    """Ask how many messages match, how many of them are unread, and for their bytes."""
    return _count(query, *_select(query))


def find_indexed(query: Query, *, limit: int, by_grams: bool) -> Question:
    """
    Ask for the same as `find`, of messages that are in the index; terms about bytes aside.

    Not `by_grams` each message is looked at: that is quicker for a few.
    """
    selected = _select_indexed(query, by_grams=by_grams)
    return _find(query, *selected, limit=limit)._replace(planned=True)


def count_indexed(query: Query) -> Question:
    """Ask for the same as `count`, of messages that are in the index; terms about bytes aside."""
    return _count(query, *_select_indexed(query, by_grams=True))._replace(planned=True)


def digests(cursors: Sequence[int]) -> Question:
    """Ask for the digests of the messages at these cursors, as far as the index has them."""
    return Question(
        "SELECT cursor, digest FROM content WHERE cursor = ANY(?) AND digest IS NOT NULL",
        (list(cursors),),
    )


def frontier() -> Question:
    """Ask for the cursor to which the index has all, and for that of the newest message."""
    return Question(
        "SELECT upto, (SELECT coalesce(max(cursor), 0) FROM message) FROM content_frontier"
    )


def progress() -> Question:
    """Ask how many messages are kept, how many are not in the index, since when the oldest."""
    return Question(
        "SELECT (SELECT total FROM inbox), count(*), min(received) FROM message"
        " WHERE cursor > (SELECT upto FROM content_frontier)"
    )


def next_ones(after: int, *, limit: int, size: int) -> Question:
    """
    Ask for the columns and the bytes of the first messages behind a cursor, in order.

    No more than `limit`, and no more than come first in `size` bytes, but for the first.
    """
    return Question(
        f"SELECT {_COLUMNS}, raw FROM (SELECT cursor, sum(size) OVER (ORDER BY cursor) - size"  # noqa: S608 - constants only
        " AS ahead FROM message WHERE cursor > ? ORDER BY cursor LIMIT ?) AS one"
        " JOIN message USING (cursor) JOIN body USING (cursor) WHERE ahead < ?"
        " ORDER BY message.cursor",
        (after, limit, size),
    )


def totals() -> Question:
    """Ask how many messages are kept, how many of them are unread, and for their bytes."""
    return Question("SELECT total, unread, size FROM inbox")


def sequence() -> Question:
    """Ask for the number of the latest change."""
    return Question("SELECT sequence FROM inbox")


def mailbox_totals(mailbox: str | None = None) -> Question:
    """Ask for the name of each mailbox, or of one, and for the `totals` of what is in it."""
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


def _find(
    query: Query, tables: str, conditions: Conditions, *, limit: int, offset: int = 0
) -> Question:
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


def _count(query: Query, tables: str, conditions: Conditions) -> Question:
    return _scoped(
        query.mailbox,
        "SELECT count(*), count(*) FILTER (WHERE message.read = 0),"  # noqa: S608 - constants only
        f" coalesce(sum(message.size), 0)::bigint FROM {tables} WHERE {conditions}",
        *conditions.parameters,
    )


def _select_indexed(query: Query, *, by_grams: bool) -> tuple[str, Conditions]:
    """Say where the messages of a query are found among those that are in the index."""
    tables, conditions = _select(query)
    conditions.extend(sql_terms.content_conditions(query.terms, words="content", entry="content"))
    conditions.between("content.cursor", after=query.after, before=query.before)
    grams = grams_of(query)
    if by_grams and grams:
        conditions.hold(_HAS_GRAMS, array(map(number_of, grams)))
    return f"{tables} JOIN content USING (cursor)", conditions


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
