"""The feed of changes: the recent ones from memory, older ones from the store, then live ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, final

from bindpost.errors import StoreError

from .store import Change

REMEMBERED: Final = 10_000
"""How many recent changes a store keeps in memory."""
_PAGE: Final = 100

Recall = Callable[[int, int], Awaitable[Sequence[Change]]]
"""
Gives the first changes of those after the first number up to the second, as far as they are known.

What it leaves out counts as forgotten.
"""


async def _recall_nothing(after: int, upto: int) -> Sequence[Change]:
    return ()


@final
class ChangeFeed:
    """
    Hands every change to every follower, in order, once.

    The sequence numbers of the changes are consecutive and go on from `sequence`. A follower is no
    more than a position in this one memory, so a slow one costs nothing; when more than
    `remembered` changes go by before it takes its next, and `recall` cannot tell them either, it
    gets a `StoreError`. Belongs to one event loop.
    """

    def __init__(
        self, *, sequence: int = 0, remembered: int = REMEMBERED, recall: Recall = _recall_nothing
    ) -> None:
        self.sequence = sequence
        self._recent: deque[Change] = deque(maxlen=remembered)
        self._recall = recall
        self._news = asyncio.Event()
        self._closed = False
        self._waiting = 0

    @property
    def is_followed(self) -> bool:
        """Say whether somebody waits for a change."""
        return self._waiting > 0

    def publish(self, changes: Sequence[Change]) -> None:
        """Hand on these changes, the next ones; what is missing in front of them is forgotten."""
        if not changes:
            return
        if changes[0].sequence != self.sequence + 1:
            self._recent.clear()
        self._recent.extend(changes)
        self.sequence = changes[-1].sequence
        self._wake()

    def skip(self, sequence: int) -> None:
        """Go on from a later number; who wants the changes up to it has them recalled."""
        self._recent.clear()
        self.sequence = sequence
        self._wake()

    def close(self) -> None:
        """Let followers take what is there; after that they get a `StoreError`."""
        self._closed = True
        self._wake()

    def follow(self, since: int | None = None) -> AsyncIterator[Change]:
        """
        Give the changes after `since`, None = after this moment; then live ones.

        The iterator's next step may be cancelled without losing a change. It raises `StoreError`
        when changes after `since` are forgotten, when `since` has never been, and when the feed is
        closed.
        """
        if since is not None and since > self.sequence:
            raise StoreError(
                f"change {since} has not happened here: the latest is {self.sequence}; "
                "read the inbox anew"
            )
        return _Follower(self, self.sequence if since is None else since)

    async def after(self, position: int) -> Sequence[Change]:
        """Give some of the changes after `position`, at least one; wait until there is one."""
        while position >= self.sequence:
            if self._closed:
                raise StoreError("the message store is closed")
            self._waiting += 1
            try:
                await self._news.wait()
            finally:
                self._waiting -= 1
        first = self.sequence - len(self._recent) + 1
        if position + 1 >= first:
            start = position + 1 - first
            return tuple(islice(self._recent, start, start + _PAGE))
        changes = await self._recall(position, first - 1)
        numbers = [change.sequence for change in changes]
        if not numbers or numbers != list(range(position + 1, position + 1 + len(numbers))):
            raise StoreError(
                f"the changes after {position} are no longer remembered; read the inbox anew"
            )
        return changes

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@final
class _Follower:
    """One reader of the feed."""

    def __init__(self, feed: ChangeFeed, position: int) -> None:
        self._feed = feed
        self._position = position
        self._waiting: deque[Change] = deque()

    def __aiter__(self) -> _Follower:
        return self

    async def __anext__(self) -> Change:
        if not self._waiting:
            self._waiting.extend(await self._feed.after(self._position))
        change = self._waiting.popleft()
        self._position = change.sequence
        return change
