"""The event store that lives in memory and ends with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import final

import msgspec

from .event_feed import EventFeed
from .events import ANY_EVENT, KEEP, EventQuery, KeptEvent, NewEvent


@final
class MemoryEventStore:
    """An `EventStore` in memory."""

    def __init__(self, *, keep: int = KEEP) -> None:
        self._kept: deque[KeptEvent] = deque(maxlen=keep)
        self._feed = EventFeed(self._oldest, latest=0)

    def append(self, event: NewEvent) -> None:
        """Keep an event; see `EventStore`."""
        cursor = self._feed.latest + 1
        self._kept.append(KeptEvent(**msgspec.structs.asdict(event), cursor=cursor))
        self._feed.publish(cursor)

    async def find(
        self, query: EventQuery = ANY_EVENT, *, limit: int = 50, oldest_first: bool = False
    ) -> Sequence[KeptEvent]:
        """Give matching events; see `EventStore`."""
        kept = list(self._kept)  # one step, so that a thread that appends does not disturb it
        order: Iterable[KeptEvent] = kept if oldest_first else reversed(kept)
        return list(islice(filter(query.matches, order), limit or None))

    def follow(self, query: EventQuery = ANY_EVENT) -> AsyncIterator[KeptEvent]:
        """Yield events; see `EventStore`."""
        return self._feed.follow(query)

    async def close(self) -> None:
        """End what follows; see `EventStore`."""
        self._feed.close()

    async def _oldest(self, query: EventQuery, limit: int) -> Sequence[KeptEvent]:
        return await self.find(query, limit=limit, oldest_first=True)
