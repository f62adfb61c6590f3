"""Stores: where acknowledged messages live."""

from __future__ import annotations

from pathlib import Path

from bindpost.errors import ConfigError, StoreAwayError, StoreError

from .events import EventStore
from .memory import MemoryStore
from .memory_events import MemoryEventStore
from .sqlite import SqliteStore
from .sqlite_events import SqliteEventStore
from .store import DURABLE, KEEP_ALL, Durability, Retention, SharedStore, Sort, unsorted

__all__ = ["open_events", "open_store"]


async def open_store(
    location: str | Path,
    retention: Retention = KEEP_ALL,
    *,
    sort: Sort = unsorted,
    node: str | None = None,
    durability: Durability = DURABLE,
) -> SharedStore:
    """
    Open the store at a location: `:memory:`, a URL of PostgreSQL, or a folder.

    A folder is made if it is missing. `sort` gives the mailboxes of each message that comes; `node`
    is the name of this node, which a database with several can tell from others. `durability` is
    that of a folder or a database; see `store`. Raises `StoreInUseError` when another
    process holds the folder, `StoreError` when it cannot be used, and `ConfigError` when the
    database can't be.
    """
    if str(location) == ":memory:":
        return MemoryStore(retention, sort=sort)
    if isinstance(location, str) and "://" in location:
        return await _open_postgres(
            location, retention, sort=sort, node=node, durability=durability
        )
    return await SqliteStore.open(Path(location), retention, sort=sort, durability=durability)


async def _open_postgres(
    url: str, retention: Retention, *, sort: Sort, node: str | None, durability: Durability
) -> SharedStore:
    try:
        from .postgres import PostgresStore
    except ImportError:
        raise ConfigError(
            "store",
            "an inbox in PostgreSQL needs psycopg, which is not installed",
            hint='install bindpost with its extra: pip install "bindpost[postgres]"',
        ) from None
    try:
        return await PostgresStore.open(url, retention, sort=sort, node=node, durability=durability)
    except StoreAwayError as error:
        hint = "see that it runs there and lets this user in, or name another with --store"
        raise ConfigError("store", str(error), hint=hint) from error
    except StoreError as error:
        raise ConfigError("store", str(error)) from error


async def open_events(location: str | Path, *, keep: int) -> EventStore:
    """
    Open the event store at a location, `:memory:` or a folder that is there.

    It keeps the newest `keep` events. Raises `StoreError` when the file can't be used.
    """
    if str(location) == ":memory:":
        return MemoryEventStore(keep=keep)
    return await SqliteEventStore.open(Path(location), keep=keep)
