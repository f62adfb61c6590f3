"""Stores: where acknowledged messages live."""

from __future__ import annotations

from pathlib import Path

from .events import EventStore
from .memory import MemoryStore
from .memory_events import MemoryEventStore
from .sqlite import SqliteStore
from .sqlite_connection import DURABLE, Durability
from .sqlite_events import SqliteEventStore
from .store import KEEP_ALL, Retention, SharedStore, Sort, unsorted

__all__ = ["open_events", "open_store"]


async def open_store(
    location: str | Path,
    retention: Retention = KEEP_ALL,
    *,
    sort: Sort = unsorted,
    durability: Durability = DURABLE,
) -> SharedStore:
    """
    Open the store at a location: `:memory:`, or a folder, which is made if it is missing.

    `sort` gives the mailboxes of each message that comes. `durability` is that of a folder; see
    `sqlite_connection`. Raises `StoreInUseError` when another process holds the folder,
    `StoreError` when it cannot be used.
    """
    if str(location) == ":memory:":
        return MemoryStore(retention, sort=sort)
    return await SqliteStore.open(Path(location), retention, sort=sort, durability=durability)


async def open_events(location: str | Path, *, keep: int) -> EventStore:
    """
    Open the event store at a location, `:memory:` or a folder that is there.

    It keeps the newest `keep` events. Raises `StoreError` when the file can't be used.
    """
    if str(location) == ":memory:":
        return MemoryEventStore(keep=keep)
    return await SqliteEventStore.open(Path(location), keep=keep)
