"""
New messages on their way into `mail.db`: made into rows one by one, written many by a statement.

Each step of a statement gives the interpreter's lock away. A thread that is busy, as the event loop
is under load, hands it back only after a while; so few long statements are faster than many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar, final

from bindpost.errors import StoreError

from ..message.model import Envelope
from . import rules
from .codec import encode
from .sqlite_bodies import Extent
from .store import MessageRow
from .terms import fold, searched_header

_AT_ONCE: Final = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement: a few sizes, so that each is compiled once."""

Value = str | int | bytes
_T = TypeVar("_T")


@final
class Rows:
    """
    Rows for one table, collected and then written by as few statements as can be.

    `otherwise` is what to do about a row that is there already.
    """

    def __init__(self, table: str, *columns: str, otherwise: str = "") -> None:
        self._width = len(columns)
        row = f"({marks(columns)})"
        # A transaction that fails is rolled back whole. Without FAIL SQLite would write down beside
        # its log how to undo this statement alone, which is as much again.
        head = f"INSERT OR FAIL INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608 - constants only
        self._statements = {
            count: f"{head}{', '.join([row] * count)} {otherwise}" for count in _AT_ONCE
        }
        self._values: list[Value] = []

    def add(self, *row: Value) -> None:
        """Take a row."""
        self._values += row

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the rows. Raises what SQLite raises."""
        if not self._values:
            return
        values, self._values = self._values, []
        for part in pieces(values, self._width):
            connection.execute(self._statements[len(part) // self._width], part)

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
    """The messages that a transaction adds; used by the thread that writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: list[str] = []
        self._messages = Rows(
            "message",
            *("cursor", "id", "received", "size", "read", "sender", "subject", "session"),
            *("envelope", "facts", "fields"),
        )
        self._headers = Rows("header", "cursor", "from_", "to_", "cc", "reply_to", "message_id")
        self._bodies = Rows("body", "cursor", "raw")
        self._extents = Rows("extent", "cursor", *Extent._fields)
        self._recipients = Rows("recipient", "cursor", "address")
        self._all = (
            self._messages,
            self._headers,
            self._bodies,
            self._extents,
            self._recipients,
        )

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, row: MessageRow) -> None:
        """Take a message, but for its bytes."""
        cursor, envelope = row.cursor, row.envelope
        self._ids.append(row.id)
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

    def add_extent(self, cursor: int, extent: Extent) -> None:
        """Take the place of a message's bytes in a segment."""
        self._extents.add(cursor, *extent)

    def write(self) -> None:
        """Insert them. Raises `StoreError` if an id is there already, else what SQLite raises."""
        ids, self._ids = self._ids, []
        try:
            for rows in self._all:
                rows.write(self._connection)
        except sqlite3.IntegrityError as error:
            raise StoreError(
                f"message {', '.join(ids)}: not kept: there is one of this id"
            ) from error

    def clear(self) -> None:
        """Forget them."""
        self._ids = []
        for rows in self._all:
            rows.clear()


def _addresses(envelope: Envelope) -> set[str]:
    return {fold(recipient.address) for recipient in envelope.recipients}
