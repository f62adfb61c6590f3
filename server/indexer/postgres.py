"""
Makes the search index of an inbox in PostgreSQL, as one of several nodes' indexers.

One of them works at a time: it has the row of `content_frontier` locked while it reads the next
messages and puts them in. If it dies, PostgreSQL undoes its step, and any other goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, final

from ..store import postgres_queries
from ..store.grams import numbers_of
from ..store.postgres_connection import Server, Session, array
from ..store.sql_rows import message_row
from ..store.store import MessageRow
from ..store.terms import fold, searched_header
from .building import BATCH_SECONDS
from .reading import SECONDS, Read, read_header, read_whole
from .talk import Orders, Report, say

BATCH: Final = 200
"""Messages of one step, at most."""
BATCH_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one step, at most; of a message that is larger, its own."""
LOOK: Final = 10.0
"""Seconds after which it is looked whether another node's indexer has left something undone."""
PATIENCE: Final = 1.5 * SECONDS
"""The server takes us for dead after twice as many, and one message may take `SECONDS`."""


def run(orders: Orders) -> None:
    """Keep the index of the database that the first order names up to date. Raises `StoreError`."""
    first = orders.next(seconds=None)
    if first is None:
        return
    server = Server(first.database, patience=PATIENCE)
    with server.translated(), closing(Session(server, "normal")) as session:
        building = PostgresBuilding(
            session, ending=lambda: orders.has_ended, suspect=first.suspect, reading=_say_reading
        )
        while not orders.has_ended:
            done = building.step()
            say(Report(upto=building.upto))
            if orders.next(seconds=0 if done else LOOK) is None and not done:
                building.tidy()


def _say_reading(upto: int, cursor: int) -> None:
    say(Report(upto=upto, reading=cursor))


@final
class PostgresBuilding:
    """
    Puts messages into the index, in order, in steps that are a transaction each.

    `upto` is the cursor up to which all are in it, as it was seen last. `ending` says whether the
    indexer shall end. `reading` is told `upto` and the cursor of each of the first messages before
    it is read: one that ended the last indexer is among them. Of the `suspect` only the header is
    read. Raises what psycopg raises.
    """

    def __init__(
        self,
        session: Session,
        *,
        ending: Callable[[], bool] = lambda: False,
        suspect: int = 0,
        reading: Callable[[int, int], None] = lambda _upto, _cursor: None,
    ) -> None:
        self.upto = 0
        self._is_tidy = True
        self._session = session
        self._ending = ending
        self._suspect = suspect
        self._reading = reading
        self._watched = BATCH

    def step(self) -> int:
        """Put the next messages in; give how many: 0 = no more, or another node is at it."""
        try:
            return self._step()
        finally:
            self._session.rollback()  # what is committed stays

    def tidy(self) -> None:
        """
        Put the new grams in order, if there are any; for a quiet moment.

        PostgreSQL gathers them, because many at once are quicker put in order, and each search goes
        through those that it has gathered.
        """
        if not self._is_tidy:
            self._session.begin("SELECT gin_clean_pending_list('content_grams')")
            self._session.execute("COMMIT")
            self._is_tidy = True

    def _step(self) -> int:
        frontier = self._session.begin("SELECT upto FROM content_frontier FOR UPDATE SKIP LOCKED")
        found = frontier.fetchall()
        if not found:
            return 0
        ((self.upto,),) = found
        entries = self._read_next()
        if entries:
            self._write(entries)
        return len(entries)

    def _read_next(self) -> list[tuple[MessageRow, Read]]:
        question = postgres_queries.next_ones(self.upto, limit=BATCH, size=BATCH_BYTES)
        found = self._session.execute(*question[:2]).fetchall()
        until = time.monotonic() + BATCH_SECONDS
        entries = []
        for columns in found:
            entries.append(self._read(columns))
            if time.monotonic() >= until or self._ending():
                break
        return entries

    def _read(self, columns: tuple[Any, ...]) -> tuple[MessageRow, Read]:
        *about, raw = columns
        row = message_row(tuple(about))
        if self._watched:
            self._watched -= 1
            self._reading(self.upto, row.cursor)
        is_suspect = row.cursor == self._suspect
        return row, read_header(row) if is_suspect else read_whole(row, raw)

    def _write(self, entries: list[tuple[MessageRow, Read]]) -> None:
        upto = entries[-1][0].cursor
        with self._session.together():
            for row, read in entries:
                self._session.execute(
                    "INSERT INTO content (cursor, attachments, inline, digest, text, grams)"
                    " VALUES (?, ?, ?, ?, ?, ?::smallint[])",
                    (row.cursor, *read, array(numbers_of([read.text, *_other_texts(row)]))),
                )
            # A message may have been deleted since it was read. Nobody deletes another one while
            # we have the inbox, for the moment of two statements.
            self._session.execute("SELECT 1 FROM inbox FOR UPDATE")
            self._session.execute(
                "DELETE FROM content WHERE cursor > ? AND cursor <= ? AND NOT EXISTS"
                " (SELECT 1 FROM message WHERE message.cursor = content.cursor)",
                (self.upto, upto),
            )
            self._session.execute("UPDATE content_frontier SET upto = ?", (upto,))
            self._session.execute("COMMIT")
        self.upto = upto
        self._is_tidy = False


def _other_texts(row: MessageRow) -> set[str]:
    """Give the texts of a message, its content aside, that terms look into, as they do."""
    addresses = [fold(recipient.address) for recipient in row.envelope.recipients]
    header = searched_header(row.fields)
    return {fold(row.envelope.reverse_path), fold(row.fields.subject), *header, *addresses}
