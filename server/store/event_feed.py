"""Following an event store: what is behind a cursor, then what comes, with no gap between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, final

import msgspec

from .events import EventQuery, KeptEvent

_PAGE: Final = 100

Find = Callable[[EventQuery, int], Awaitable[Sequence[KeptEvent]]]
"""Gives the oldest events of a query, so many; works after the store was closed too."""


@final
class EventFeed:
    """
    Wakes those who follow, from whatever thread events are appended in.

    `latest` is the newest cursor. Belongs to the event loop that it was made in.
    """

    def __init__(self, find: Find, *, latest: int) -> None:
        self.latest = latest
        self.is_closed = False
        self.find: Final = find
        self.news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def publish(self, cursor: int) -> None:
        """Tell of a new event, which can be found already; safe in any thread."""
        self.latest = cursor
        with suppress(RuntimeError):  # the loop is closed: nobody follows any more
            self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Let those who follow come to the end."""
        self.is_closed = True
        self._wake()

    def follow(self, query: EventQuery) -> AsyncIterator[KeptEvent]:
        """Yield events; see `EventStore.follow`."""
        return _Follower(self, query)

    def _wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


@final
class _Follower:
    """One who follows: a position in the store, and the events that were fetched behind it."""

    def __init__(self, feed: EventFeed, query: EventQuery) -> None:
        self._feed = feed
        self._query = query
        self._position = feed.latest if query.after is None else query.after
        self._fetched: deque[KeptEvent] = deque()

    def __aiter__(self) -> _Follower:
        return self

    async def __anext__(self) -> KeptEvent:
        while not self._fetched:
            # In this order: what is published after the look at `latest` sets this very `news`.
            news, latest = self._feed.news, self._feed.latest
            if self._position < latest:
                await self._fetch(latest)
            elif self._feed.is_closed:
                raise StopAsyncIteration
            else:
                await news.wait()
        return self._fetched.popleft()

    async def _fetch(self, latest: int) -> None:
        """Fetch what is behind the position, up to `latest`."""
        before = latest + 1 if self._query.before is None else min(self._query.before, latest + 1)
        query = msgspec.structs.replace(self._query, after=self._position, before=before)
        page = await self._feed.find(query, _PAGE)
        self._fetched.extend(page)
        # What matches none of the conditions need not be looked at again.
        self._position = page[-1].cursor if len(page) == _PAGE else latest
