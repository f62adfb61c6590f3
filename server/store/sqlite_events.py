"""
The event store in an SQLite database of its own, `events.db`.

Apart from `mail.db`, so that an event never costs a message an fsync: what is committed here
outlives the process, but the last moments before a power failure may be missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, final

from . import sqlite_event_queries as queries
from .event_feed import EventFeed
from .events import ANY_EVENT, KEEP, EventQuery, KeptEvent, NewEvent
from .sqlite_connection import translated
from .sqlite_reader import Reader

_TRIM_AT: Final = 1000
"""Events above the limit that are let go of at once; one by one would cost as much each time."""


@final
class SqliteEventStore:
    """An `EventStore` in a file of the data folder, which the message store's lock guards."""

    def __init__(self, folder: Path, *, keep: int = KEEP) -> None:
        """Open or make it. Raises `StoreError`."""
        self._path = folder / queries.EVENTS_FILE
        self._keep = keep
        self._connection = queries.open_database(self._path)
        self._count, latest = queries.bounds(self._connection)
        self._reader = Reader(self._path)
        self._feed = EventFeed(self._oldest, latest=latest)
        self._closed = False

    def append(self, event: NewEvent) -> None:
        """Keep an event; see `EventStore`."""
        with translated(self._path):
            cursor = queries.insert(self._connection, event)
            self._count += 1
            if self._count >= self._keep + _TRIM_AT:
                self._count -= queries.trim(self._connection, self._keep)
        self._feed.publish(cursor)

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
        if not self._closed:
            self._closed = True
            self._feed.close()
            await self._reader.close()
            self._connection.close()

    async def _oldest(self, query: EventQuery, limit: int) -> Sequence[KeptEvent]:
        return [] if self._closed else await self.find(query, limit=limit, oldest_first=True)
