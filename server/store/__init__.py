"""Stores: where acknowledged messages live."""

from __future__ import annotations

from pathlib import Path

from .memory import MemoryStore
from .sqlite import SqliteStore
from .store import KEEP_ALL, MessageStore, Retention

__all__ = ["open_store"]


async def open_store(
    location: str | Path,
    retention: Retention = KEEP_ALL,
) -> MessageStore:
    """
    Open the store at a location: `:memory:`, or a folder, which is made if it is missing.

    Raises `StoreInUseError` when another process holds the folder, `StoreError` when it cannot be
    used.
    """
    if str(location) == ":memory:":
        return MemoryStore(retention)
    return await SqliteStore.open(Path(location), retention)
