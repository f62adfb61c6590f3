"""Events to keep, and what makes a store for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bindpost.server.store.events import EventStore, KeptEvent, NewEvent
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.sqlite_events import SqliteEventStore

OpenEvents = Callable[..., Awaitable[EventStore]]
"""Opens an empty event store; it takes `keep`."""

MOMENT = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
PATIENCE = 20.0


async def make_store(kind: str, folder: Path, *, keep: int = 1000) -> EventStore:
    """Open a store of a kind."""
    if kind == "memory":
        return MemoryEventStore(keep=keep)
    return await SqliteEventStore.open(folder, keep=keep)


def event(message: str = "it happened", **facts: object) -> NewEvent:
    """Make an event."""
    made = NewEvent(
        time=MOMENT,
        source="MSExchangeIMC",
        id=4007,
        type=1,
        category=1,
        category_name="Initialization/Termination",
        identifier=0xC0000FA7,
        computer="EXCH55",
        logger="bindpost.test",
        process_id=4321,
        thread_id=2**63 - 1,
        message=message,
    )
    return msgspec.structs.replace(made, **facts)


def messages(found: Sequence[KeptEvent]) -> list[str]:
    """Give their sentences."""
    return [kept.message for kept in found]


async def take(followed: AsyncIterator[KeptEvent], count: int) -> list[KeptEvent]:
    """Give the next events."""
    async with asyncio.timeout(PATIENCE):
        return [await anext(followed) for _ in range(count)]
