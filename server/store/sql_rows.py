"""
Messages on their way into a database and back: new ones are made into rows one by one, and written
many by a statement.

In SQLite each step of a statement gives the interpreter's lock away. A thread that is busy, as the
event loop is under load, hands it back only after a while; so few long statements are faster than
many. To a database elsewhere each statement may be a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar, final

from ..message.headers import HeaderFields
from ..message.model import Envelope, SessionFacts
from . import rules
from .codec import decode, encode
from .store import MessageRow
from .terms import fold, searched_header

_AT_ONCE: Final = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: a few sizes, so that each is compiled once."""

Value = str | int | bytes
_T = TypeVar("_T")


class Found(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:
        """Give the next row, None if there is none."""
        ...

    def fetchall(self) -> list[Any]:
        """Give all rows that are left."""
        ...


class Database(Protocol):
    """A connection to a database, or what looks like one; statements have `?` for parameters."""

    def execute(self, sql: str, parameters: Sequence[Value] = ..., /) -> Found:
        """Execute a statement. Raises what the database raises."""
        ...


@final
class Rows:
    """
    Rows for one table, collected and then written by as few statements as can be.

    `otherwise` is what to do about a row that is there already. `insert` is the verb; SQLite has
    one of its own.
    """

    def __init__(
        self, table: str, *columns: str, otherwise: str = "", insert: str = "INSERT OR FAIL"
    ) -> None:
        self._width = len(columns)
        row = f"({marks(columns)})"
        # A transaction that fails is rolled back whole. Without FAIL SQLite would write down beside
        # its log how to undo this statement alone, which is as much again.
        head = f"{insert} INTO {table} ({', '.join(columns)}) VALUES "
        self._statements = {
            count: f"{head}{', '.join([row] * count)} {otherwise}" for count in _AT_ONCE
        }
        self._values: list[Value] = []

    def add(self, *row: Value) -> None:
        """Take a row."""
        self._values += row

    def write(self, database: Database) -> None:
        """Insert the rows. Raises what the database raises."""
        if not self._values:
            return
        values, self._values = self._values, []
        for part in pieces(values, self._width):
            database.execute(self._statements[len(part) // self._width], part)

    def clear(self) -> None:
        """Forget the rows."""
        self._values = []


def marks(values: Sequence[object]) -> str:
    """Give the parameters of a statement that names these values."""
    return ", ".join("?" * len(values))


def pieces(values: Sequence[_T], width: int = 1) -> Iterator[Sequence[_T]]:
    """Cut values into pieces of so many rows as there are statements for."""
    if len(values) == width:  # a lone message waits for this
        yield values
        return
    start = 0
    for count in _AT_ONCE:
        size = count * width
        while len(values) - start >= size:
            yield values[start : start + size]
            start += size


@final
class NewMessages:
    """
    The messages that a transaction adds, with their `ids`; used by the thread that writes.

    `new_rows` makes rows for a table of the database.
    """

    def __init__(self, database: Database, new_rows: Callable[..., Rows] = Rows) -> None:
        self._database = database
        self.ids: list[str] = []
        self._messages = new_rows(
            "message",
            *("cursor", "id", "received", "size", "read", "sender", "subject", "session"),
            *("envelope", "facts", "fields"),
        )
        self._headers = new_rows("header", "cursor", "from_", "to_", "cc", "reply_to", "message_id")
        self._bodies = new_rows("body", "cursor", "raw")
        self._recipients = new_rows("recipient", "cursor", "address")
        self._all = (self._messages, self._headers, self._bodies, self._recipients)

    def add(self, row: MessageRow) -> None:
        """Take a message, but for its bytes."""
        cursor, envelope = row.cursor, row.envelope
        self.ids.append(row.id)
        self._messages.add(
            cursor,
            row.id,
            rules.to_microseconds(row.received),
            row.size,
            row.read,
            fold(envelope.reverse_path),
            fold(row.fields.subject),
            row.session.session_id,
            encode(envelope),
            encode(row.session),
            encode(row.fields),
        )
        self._headers.add(cursor, *searched_header(row.fields))
        for address in _addresses(envelope):
            self._recipients.add(cursor, address)

    def add_body(self, cursor: int, raw: bytes) -> None:
        """Take a message's bytes, to be kept in the database."""
        self._bodies.add(cursor, raw)

    def write(self) -> None:
        """Insert them. Raises what the database raises; it is told that an id is there already."""
        for rows in self._all:
            rows.write(self._database)
        self.ids = []

    def clear(self) -> None:
        """Forget them."""
        self.ids = []
        for rows in self._all:
            rows.clear()


def _addresses(envelope: Envelope) -> set[str]:
    return {fold(recipient.address) for recipient in envelope.recipients}


def message_row(
    columns: tuple[int, str, int, int, int, str, str, str, str, str], mailbox: str | None = None
) -> MessageRow:
    """
    Give a row that was read, as it is told in a mailbox: of no other one.

    The columns are those of `message` that are shown, and the names of tags and mailboxes as JSON.
    """
    cursor, message_id, received, size, read, envelope, facts, fields, tags, names = columns
    return MessageRow(
        cursor=cursor,
        id=message_id,
        received=rules.from_microseconds(received),
        size=size,
        read=bool(read),
        envelope=decode(envelope, Envelope),
        session=decode(facts, SessionFacts),
        fields=decode(fields, HeaderFields),
        tags=decode(tags, tuple[str, ...]),
        mailboxes=decode(names, tuple[str, ...]) if mailbox is None else (mailbox,),
    )
