"""The event store that lives in memory and ends with the process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from typing import final

import msgspec

from bindpost.errors import StoreError

from ..message.model import new_id
from .event_feed import EventFeed
from .events import ANY_EVENT, EventQuery, KeptEvent, NewEvent


@final
class MemoryEventStore:
    """An `EventStore` in memory. A query looks at every event between its cursors."""

    def __init__(self, *, keep: int) -> None:
        self.id = new_id()
        self._heard: dict[str, int] = {}
        self._kept: deque[KeptEvent] = deque(maxlen=keep)
        self._appending = threading.Lock()
        self._feed = EventFeed(self._oldest, latest=0)

    @property
    def latest(self) -> int:
        """The newest cursor; see `EventStore`."""
        return self._feed.latest

    def append(self, event: NewEvent) -> None:
        """Keep an event; see `EventStore`."""
        with self._appending:
            self._check_open()
            self._append(event)

    def hear(self, events: Sequence[KeptEvent]) -> None:
        """Keep others' events; see `EventStore`."""
        with self._appending:
            self._check_open()
            for event in events:
                if event.cursor > self._heard.get(event.log, 0):
                    self._heard[event.log] = event.cursor
                    self._append(event)

    async def heard(self) -> Mapping[str, int]:
        """Give how far others were heard; see `EventStore`."""
        return dict(self._heard)

    async def find(
        self, query: EventQuery = ANY_EVENT, *, limit: int = 50, oldest_first: bool = False
    ) -> Sequence[KeptEvent]:
        """Give matching events; see `EventStore`."""
        self._check_open()
        kept = self._behind(query.after)
        order: Iterable[KeptEvent] = kept if oldest_first else reversed(kept)
        return list(islice(filter(query.matches, order), min(limit, len(kept)) or None))

    def follow(self, query: EventQuery = ANY_EVENT) -> AsyncIterator[KeptEvent]:
        """Yield events; see `EventStore`."""
        return self._feed.follow(query)

    async def close(self) -> None:
        """End what follows; see `EventStore`."""
        self._feed.close()

    def _append(self, event: NewEvent) -> None:
        cursor = self._feed.latest + 1
        facts = msgspec.structs.asdict(event) | {"cursor": cursor}
        self._kept.append(KeptEvent(**facts))
        self._feed.publish(cursor)

    def _check_open(self) -> None:
        if self._feed.is_closed:
            raise StoreError("the event store is closed")

    async def _oldest(self, query: EventQuery, limit: int) -> Sequence[KeptEvent]:
        return list(islice(filter(query.matches, self._behind(query.after)), limit))

    def _behind(self, cursor: int | None) -> list[KeptEvent]:
        """Give the events behind a cursor, or all, oldest first; cursors are consecutive here."""
        with self._appending:
            first = self._feed.latest - len(self._kept) + 1
            skipped = 0 if cursor is None else min(max(0, cursor - first + 1), len(self._kept))
            return list(islice(self._kept, skipped, None))
