"""What happened since the start: counts, and the refusals of SMTP as they come."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final, NamedTuple, final

REMEMBERED: Final = 100
"""Refusals that wait for a slow follower; it misses the older ones."""


class Refusal(NamedTuple):
    """An SMTP reply of 4yz or 5yz: its code, to whom (host or None), its first line."""

    code: int
    peer: str | None
    line: str


@final
class Activity:
    """
    Counts what SMTP accepted and refused, and hands refusals to who follows them.

    Belongs to one event loop.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.accepted_size = 0
        self.accepted_at: Counter[str] = Counter()
        self.rejected = 0
        self.composed = 0
        self._kept = 0
        self._started = time.monotonic()
        self._refusals: deque[Refusal] = deque(maxlen=REMEMBERED)
        self._refused = 0
        self._news = asyncio.Event()

    def apart(self) -> Activity:
        """Give one that began at the same time and knows nothing: for who may not see this one."""
        other = Activity()
        other._started = self._started
        return other

    def begin(self, kept: int) -> None:
        """Take note of how many messages the store has at the start."""
        self._kept = kept

    @property
    def uptime(self) -> int:
        """Seconds since the start."""
        return int(time.monotonic() - self._started)

    def deleted(self, kept: int) -> int:
        """Give how many messages were deleted since the start, if so many are kept now."""
        return max(0, self._kept + self.accepted + self.composed - kept)

    def accept(self, size: int, listener: str = "") -> None:
        """Count a message of this size that came by SMTP, to a listener at this endpoint."""
        self.accepted += 1
        self.accepted_at[listener] += 1
        self.accepted_size += size

    def compose(self) -> None:
        """Count a message that came by the HTTP API."""
        self.composed += 1

    def reject(self) -> None:
        """Count a message that was not taken."""
        self.rejected += 1

    def refuse(self, refusal: Refusal) -> None:
        """Hand on a refusal."""
        self._refusals.append(refusal)
        self._refused += 1
        self._news.set()
        self._news = asyncio.Event()

    async def refusals(self) -> AsyncIterator[Refusal]:
        """Give the refusals from now on."""
        position = self._refused
        while True:
            while position < self._refused:
                oldest = self._refused - len(self._refusals)
                position = max(position, oldest) + 1
                yield self._refusals[position - 1 - oldest]
            await self._news.wait()
