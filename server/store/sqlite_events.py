"""
The event store in an SQLite database of its own, `events.db`.

Apart from `mail.db`, so that an event never costs a message an fsync: what is committed here
outlives the process, but the last moments before a power failure may be missing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError

from . import sqlite_event_file as file
from . import sqlite_event_queries as queries
from .event_feed import EventFeed
from .events import ANY_EVENT, EventQuery, KeptEvent, NewEvent
from .sqlite_connection import translated
from .sqlite_reader import Reader

TRIM_AT: Final = 1000
"""Events above the limit that are let go of at once; one by one would cost as much each time."""


@final
class SqliteEventStore:
    """An `EventStore` in a file of the data folder."""

    def __init__(self, path: Path, database: file.Database, *, keep: int) -> None:
        self.id = database.id
        self._path = path
        self._keep = keep
        self._connection = database.connection
        self._count = database.count
        self._writing = threading.Lock()
        self._reader = Reader(path)
        self._feed = EventFeed(self._oldest, latest=database.latest)

    @classmethod
    async def open(cls, folder: Path, *, keep: int) -> SqliteEventStore:
        """Open the store in a folder, making the file if it is missing. Raises `StoreError`."""
        path = folder / file.EVENTS_FILE
        return cls(path, await asyncio.to_thread(file.open_database, path), keep=keep)

    @property
    def latest(self) -> int:
        """The newest cursor; see `EventStore`."""
        return self._feed.latest

    def append(self, event: NewEvent) -> None:
        """Keep an event; see `EventStore`."""
        with self._writing, translated(self._path):
            self._make_ready()
            cursor = queries.insert(self._connection, event)
            self._count += 1
            self._feed.publish(cursor)

    def hear(self, events: Sequence[KeptEvent]) -> None:
        """Keep others' events; see `EventStore`."""
        with self._writing, translated(self._path):
            self._make_ready()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                cursors = self._insert_unheard(events)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise
            self._count += len(cursors)
            for cursor in cursors[-1:]:
                self._feed.publish(cursor)

    def _insert_unheard(self, events: Sequence[KeptEvent]) -> list[int]:
        positions, cursors = queries.heard(self._connection), []
        for event in events:
            if event.cursor > positions.get(event.log, 0):
                positions[event.log] = event.cursor
                cursors.append(queries.insert(self._connection, event))
        queries.note_heard(self._connection, positions)
        return cursors

    async def heard(self) -> Mapping[str, int]:
        """Give how far others were heard; see `EventStore`."""
        return await self._reader.ask(queries.heard)

    async def find(
        self, query: EventQuery = ANY_EVENT, *, limit: int = 50, oldest_first: bool = False
    ) -> Sequence[KeptEvent]:
        """Give matching events; see `EventStore`."""
        return await self._reader.ask(
            lambda database: queries.find(database, query, limit=limit, oldest_first=oldest_first)
        )

    def follow(self, query: EventQuery = ANY_EVENT) -> AsyncIterator[KeptEvent]:
        """Yield events; see `EventStore`."""
        return self._feed.follow(query)

    async def close(self) -> None:
        """End what follows and close the file; see `EventStore`."""
        if not self._feed.is_closed:
            self._feed.close()
            await self._reader.close()
            await asyncio.to_thread(self._close_file)

    def _make_ready(self) -> None:
        """Make room for an event, before it is added: if that fails, it can be tried again."""
        if self._feed.is_closed:
            raise StoreError(f"{self._path} is closed")
        if self._count >= self._keep + TRIM_AT:
            self._count -= queries.trim(self._connection, self._keep)

    def _close_file(self) -> None:
        with self._writing:
            self._connection.close()

    async def _oldest(self, query: EventQuery, limit: int) -> Sequence[KeptEvent]:
        if self._feed.is_closed:  # what was kept until then is still given to those who follow
            return await asyncio.to_thread(
                file.read_file, self._path, query, limit=limit, oldest_first=True
            )
        return await self.find(query, limit=limit, oldest_first=True)
