"""What the suites of message stores share: what was said, and what is asked of all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bindpost.server.message.model import Message, Transcript, TranscriptLine
from bindpost.server.store.store import Change, Counts, MessageStore, Query

MakeMessage = Callable[..., Message]

SAID: Transcript = (TranscriptLine(0, "S", "220 ready"), TranscriptLine(2, "C", "HELO x"))
NOTHING = Counts(total=0, unread=0, size=0)
UNKNOWN_IDS = ["0000000000000000000000", "", "\x00", "\ud800", "x' OR 1=1"]


async def take(changes: AsyncIterator[Change], count: int) -> list[Change]:
    """Give the next changes."""
    return [await anext(changes) for _ in range(count)]


async def ids_found(store: MessageStore, query: Query) -> list[str]:
    """Give the ids of all that match."""
    return [row.id for row in await store.find(query, limit=0)]
