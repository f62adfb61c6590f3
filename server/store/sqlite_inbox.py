"""The write side of `mail.db`: how its transactions are made, and where bytes go."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError, StoreFullError

from ..message.model import Message
from .sql_inbox import TOTALS, SqlInbox, Totals
from .sql_places import Entry
from .sql_rows import Rows
from .sqlite_bodies import Extent
from .sqlite_connection import SqliteSession, translate
from .sqlite_segments import Segments
from .sqlite_space import Space
from .sqlite_transcripts import SqliteTranscripts
from .store import DURABLE, Change, Durability, Sort, unsorted

LARGE: Final = 64 * 1024
"""Bytes from which on a body may go to a segment file: measured, see docs/performance.md."""
_WORTH: Final = 4
"""
Times `LARGE` that the large bodies of a transaction must have together to go to a segment.

Its file needs a sync of its own, which costs about as much as writing so many bytes twice.
"""
SEGMENT: Final = 32 * 1024 * 1024
"""Bytes from which on a segment file takes no more."""
_OVERHEAD: Final = 8 * 1024
"""Bytes that a message takes on the disk beside its own."""


@final
class SqliteInbox(SqlInbox):
    """
    The inbox in `mail.db`.

    Bodies of `large` bytes or more go to a segment file if there is enough of them. Its methods
    raise what SQLite and the system raise, `StoreError` beside.
    """

    _parts = ("body", "recipient", "header", "tag", "message")

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        keep_free: int,
        sort: Sort = unsorted,
        large: int = LARGE,
        segment: int = SEGMENT,
        durability: Durability = DURABLE,
    ) -> None:
        session = SqliteSession(connection)
        totals = Totals(*session.execute(TOTALS).fetchone())
        super().__init__(session, SqliteTranscripts(connection), totals, sort=sort)
        self.path = path
        self.commits = 0
        self._connection = connection
        self._space = Space(connection, path, keep_free=keep_free)
        self._room = 0
        self._large = max(1, large)
        self._new_large: list[tuple[int, bytes]] = []
        self._extents = Rows("extent", "cursor", *Extent._fields)
        log = None if durability == DURABLE else self._space.log
        self._segments = Segments(connection, path.parent, length=segment, log=log)

    def begin(self) -> None:
        """Begin a transaction."""
        self._space.check_place()
        self._connection.execute("BEGIN IMMEDIATE")
        self._room = self._space.room()

    def commit(self) -> list[Change]:
        """Make the transaction durable; give what it changed."""
        self._write_new()
        self._segments.prepare()
        if self._changes:
            self._totals.write(self._sql)
        self._connection.execute("COMMIT")
        self._segments.settle()
        self.commits += 1
        return self._settle()

    def rollback(self) -> None:
        """Undo the transaction, which SQLite may have undone already."""
        with suppress(sqlite3.Error):
            self._connection.rollback()
        self._undo()
        self._extents.clear()
        self._new_large.clear()
        self._segments.undo()

    def close(self) -> None:
        """Close the connection and the segments."""
        self._segments.close()
        self._space.close()
        self._connection.close()

    def translate(self, error: Exception) -> StoreError:
        """Say what an error of SQLite or the system means."""
        return translate(error, self.path)

    def written_size(self, size: int) -> int:
        """Give the bytes that keeping a message of this size writes, as long as they are needed."""
        if size >= self._large:
            return size + 2 * _OVERHEAD
        return 2 * (size + _OVERHEAD)  # to the log, then to its place

    def make_room(self, sizes: Sequence[int]) -> None:
        """
        Give the disk back what can be, outside a transaction, until there is room.

        That is room to keep messages of these sizes.
        """
        needed = sum(map(self.written_size, sizes))
        self._space.make_room(needed)
        with suppress(OSError):
            while self._space.room() < needed and self._compact(hard=True):
                self._space.make_room(needed)

    def shorten_log(self) -> None:
        """Have the log copied into the database when it is time; called between transactions."""
        self._space.shorten_log()

    def tidy(self) -> bool:
        """Do a piece of the work that can wait for a quiet moment; say whether more is left."""
        return self._space.tidy() or self._compact(hard=False)

    def _keep_body(self, cursor: int, message: Message) -> None:
        size = len(message.raw)
        self._room -= self.written_size(size)
        if self._room < 0:
            raise StoreFullError(
                f"message {message.id}: not kept: the disk of {self.path} is nearly full; "
                "delete messages or free space"
            )
        if size >= self._large:
            self._new_large.append((cursor, message.raw))
        else:
            self._new.add_body(cursor, message.raw)

    def _write_new(self) -> None:
        self._write_large()
        ids = self._new.ids
        try:
            self._write_collected()
        except sqlite3.IntegrityError as error:
            raise StoreError(
                f"message {', '.join(ids)}: not kept: there is one of this id"
            ) from error

    def _write_large(self) -> None:
        """Write the bytes of large messages, to a segment if there is enough of them."""
        large, self._new_large = self._new_large, []
        if sum(len(raw) for _, raw in large) < _WORTH * self._large:
            for cursor, raw in large:
                self._new.add_body(cursor, raw)
        else:
            extents = self._segments.append([raw for _, raw in large])
            for (cursor, _), extent in zip(large, extents, strict=True):
                self._extents.add(cursor, *extent)
            self._extents.write(self._connection)

    def _drop(self, entries: Sequence[Entry]) -> None:
        self._segments.free([entry.cursor for entry in entries])
        super()._drop(entries)

    def _compact(self, *, hard: bool) -> bool:
        """Move some messages out of a sparse segment, if there is one; say so."""
        try:
            number = self._segments.sparse(hard=hard)
            if number is None:
                return False
            self.begin()
            self._segments.compact(number)
            self.commit()
        except (sqlite3.Error, OSError, StoreError):
            self.rollback()
            return False
        return True
