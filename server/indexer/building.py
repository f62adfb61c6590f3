"""Building the index: what is new is put in, what is gone is taken out."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, final

from bindpost.errors import StoreError

from ..store import sqlite_bodies, sqlite_queries
from ..store.conditions import LAST_CURSOR
from ..store.grams import indexed_form
from ..store.store import MessageRow
from .file import IndexFile
from .reading import Read, read_header, read_whole

BATCH: Final = 500
"""Messages of one transaction, at most."""
BATCH_SECONDS: Final = 1.0
"""Seconds after which a transaction ends, so that what is done can be seen."""
ROOM: Final = 64 * 1024 * 1024
"""Bytes of the disk that must be free: the mail needs them more."""
TIDY_FROM: Final = 1000
"""New messages that are worth putting the grams in order."""
_PIECE: Final = 250
"""Pages of grams that are put in order at once, in some hundredths of a second."""


class NoRoomError(Exception):
    """The disk is nearly full."""


@final
class Building:
    """
    Keeps an index in step with an inbox, which it only reads.

    `mail` is a connection to `mail.db`; `ending` says whether the indexer shall end. After an
    indexer that ended without a word, the first messages are each marked before they are read: one
    that ends the next indexer too is found by that, and from then on only its header is read.
    """

    def __init__(
        self, index: IndexFile, mail: sqlite3.Connection, *, ending: Callable[[], bool]
    ) -> None:
        self._index = index
        self._mail = mail
        self._ending = ending
        self._is_tidying = False
        self._careful = BATCH if index.was_cut else 0

    def compare(self) -> None:
        """
        Compare the whole index with the inbox: take out what is gone.

        What is not of this inbox, or has holes, is thrown away.
        """
        database = self._index.connection
        (mail_file,) = (row[2] for row in self._mail.execute("PRAGMA database_list"))
        database.execute("ATTACH ? AS mail", (mail_file,))
        try:
            upto = self._index.state().upto
            (sequence,) = database.execute("SELECT sequence FROM mail.inbox").fetchone()
            hole = database.execute(
                "SELECT 1 FROM mail.message WHERE cursor <= ? AND NOT EXISTS ("
                " SELECT 1 FROM entry WHERE entry.id = message.id"
                " AND entry.cursor = message.cursor) LIMIT 1",
                (upto,),
            ).fetchone()
            gone = database.execute(
                "SELECT id FROM entry WHERE NOT EXISTS ("
                " SELECT 1 FROM mail.message WHERE message.id = entry.id)"
            ).fetchall()
        finally:
            database.execute("DETACH mail")
        if upto > sequence or hole:
            self._index.remake("it is of another inbox")
        else:
            self.remove(message_id for (message_id,) in gone)

    def remove(self, ids: Iterable[str]) -> None:
        """Take messages out that are gone from the inbox."""
        if self._mail.execute("SELECT 1 FROM message LIMIT 1").fetchone() is None:
            state = self._index.state()
            if state.indexed:
                self._index.remake("", upto=state.upto)
            return
        with self._index.transaction() as database:
            for message_id in ids:
                self._remove(database, message_id)

    def step(self) -> int:
        """Put the next messages in; give how many, 0 = there are no more. Raises `NoRoomError`."""
        if self._careful:
            return self._step_carefully()
        until = time.monotonic() + BATCH_SECONDS
        done = 0
        with self._index.transaction() as database:
            upto = self._index.state().upto
            for row in sqlite_queries.added(self._mail, upto, LAST_CURSOR, limit=BATCH):
                self._check_room(row)
                self._add(database, row, is_suspect=False)
                done += 1
                if time.monotonic() >= until or self._ending():
                    break
        return done

    def tidy(self) -> bool:
        """
        Put a piece of the grams in order, if it is time; say whether there is more of that.

        Each transaction leaves a segment of its own, and a search looks into every one. They are
        made one when a quarter is new, so that the work grows with the inbox and no faster.
        """
        state = self._index.state()
        if not self._is_tidying:
            if state.untidy < TIDY_FROM or 4 * state.untidy < state.indexed:
                return False
            self._merge(-_PIECE)  # negative: all segments, whatever their size
            self._is_tidying = True
        elif not self._merge(_PIECE):
            self._is_tidying = False
            self._index.connection.execute("UPDATE state SET untidy = 0")
        return self._is_tidying

    def _merge(self, pages: int) -> bool:
        """Write so many pages of a merged segment; say whether there was something to merge."""
        with self._index.transaction() as database:
            before = database.total_changes
            database.execute("INSERT INTO grams (grams, rank) VALUES ('merge', ?)", (pages,))
            return database.total_changes - before >= 2  # as FTS5's documentation has it

    def _step_carefully(self) -> int:
        """Put one message in, marked while it is read."""
        self._careful -= 1
        state = self._index.state()
        rows = sqlite_queries.added(self._mail, state.upto, LAST_CURSOR, limit=1)
        for row in rows:
            self._check_room(row)
            self._index.connection.execute("UPDATE state SET suspect = ?", (row.cursor,))
            with self._index.transaction() as database:
                self._add(database, row, is_suspect=row.cursor == state.suspect)
                database.execute("UPDATE state SET suspect = 0")
        return len(rows)

    def _check_room(self, row: MessageRow) -> None:
        if shutil.disk_usage(self._index.path.parent).free < ROOM + 2 * row.size:
            raise NoRoomError("the disk is nearly full; delete messages or free space")

    def _raw(self, row: MessageRow) -> bytes | None:
        """Give a message's bytes; of one that is damaged the header fields must do."""
        with suppress(StoreError):
            return sqlite_bodies.read(self._mail, self._index.path.parent, row.cursor)
        return None

    def _add(self, database: sqlite3.Connection, row: MessageRow, *, is_suspect: bool) -> None:
        raw = None if is_suspect else self._raw(row)
        read = read_header(row) if raw is None else read_whole(row, raw)
        self._insert(database, row, read)
        database.execute(
            "UPDATE state SET upto = ?, indexed = indexed + 1, untidy = untidy + 1", (row.cursor,)
        )

    def _insert(self, database: sqlite3.Connection, row: MessageRow, read: Read) -> None:
        searched = dict.fromkeys(sqlite_queries.searched(self._mail, row.cursor))
        other = "\n".join(text for text in searched if text not in read.text)
        database.execute(
            "INSERT INTO entry (cursor, id, attachments, inline, digest) VALUES (?, ?, ?, ?, ?)",
            (row.cursor, row.id, read.attachments, read.inline, read.digest),
        )
        database.execute(
            "INSERT INTO words (cursor, text, other) VALUES (?, ?, ?)",
            (row.cursor, read.text, other),
        )
        database.execute(
            "INSERT INTO grams (rowid, text, other) VALUES (?, ?, ?)",
            (row.cursor, indexed_form(read.text), indexed_form(other)),
        )

    def _remove(self, database: sqlite3.Connection, message_id: str) -> None:
        found = database.execute(
            "SELECT cursor, text, other FROM entry JOIN words USING (cursor) WHERE id = ?",
            (message_id,),
        ).fetchone()
        if found is None:
            return
        cursor, text, other = found
        database.execute(  # FTS5 must be told what it was given
            "INSERT INTO grams (grams, rowid, text, other) VALUES ('delete', ?, ?, ?)",
            (cursor, indexed_form(text), indexed_form(other)),
        )
        database.execute("DELETE FROM words WHERE cursor = ?", (cursor,))
        database.execute("DELETE FROM entry WHERE cursor = ?", (cursor,))
        database.execute("UPDATE state SET indexed = indexed - 1")
