"""Following an event store: what is behind a cursor, then what comes, with no gap between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, final

import msgspec

from .events import EventQuery, KeptEvent

_PAGE: Final = 100


@final
class EventFeed:
    """
    Wakes those who follow, from whatever thread events are appended in.

    `find` asks the store for the oldest events of a query; `latest` is the newest cursor.
    """

    def __init__(
        self, find: Callable[[EventQuery, int], Awaitable[Sequence[KeptEvent]]], *, latest: int
    ) -> None:
        self.latest = latest
        self._find = find
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._closed = False

    def publish(self, cursor: int) -> None:
        """Tell of a new event; safe in any thread."""
        self.latest = cursor
        self._wake_from_anywhere()

    def close(self) -> None:
        """Let those who follow come to the end; safe in any thread."""
        self._closed = True
        self._wake_from_anywhere()

    def follow(self, query: EventQuery) -> AsyncIterator[KeptEvent]:
        """Yield events; see `EventStore.follow`."""
        after = self.latest if query.after is None else query.after
        return self._follow(msgspec.structs.replace(query, after=after))

    async def _follow(self, query: EventQuery) -> AsyncIterator[KeptEvent]:
        while True:
            seen, closed, news = self.latest, self._closed, self._news
            while page := await self._find(query, _PAGE):
                for event in page:
                    query = msgspec.structs.replace(query, after=event.cursor)
                    yield event
            if closed:
                return
            # What matches none of them need not be looked at again.
            query = msgspec.structs.replace(query, after=max(query.after or 0, seen))
            await news.wait()

    def _wake_from_anywhere(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody follows any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
