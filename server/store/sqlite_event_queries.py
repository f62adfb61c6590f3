"""What `events.db` holds and how it is asked, on whatever connection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from bindpost.errors import StoreError

from .codec import decode, encode
from .events import ANY_EVENT, EventQuery, KeptEvent, NewEvent
from .rules import fold, to_microseconds
from .sqlite_connection import open_reader, translated

EVENTS_FILE: Final = "events.db"
VERSION: Final = 1
_SCHEMA: Final = f"""
CREATE TABLE event (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,      -- microseconds since 1970, UTC
    source TEXT NOT NULL,
    id INTEGER NOT NULL,
    type INTEGER NOT NULL,
    folded TEXT NOT NULL,       -- the sentence, case-folded, to be searched
    record TEXT NOT NULL        -- all of it, as JSON
);
CREATE INDEX event_id ON event (id, cursor);
CREATE INDEX event_type ON event (type, cursor);
PRAGMA user_version = {VERSION};
"""
_LARGEST: Final = 2**63 - 1


def open_database(path: Path) -> sqlite3.Connection:
    """
    Open the connection that writes, making the file if it is missing.

    What is committed outlives the process, not a power failure. Raises `StoreError`.
    """
    with translated(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE;\n{_SCHEMA}\nCOMMIT;")
            _check_version(path, version or VERSION)
        except BaseException:
            connection.close()
            raise
        return connection


def read_file(path: Path, query: EventQuery = ANY_EVENT, *, limit: int = 0) -> list[KeptEvent]:
    """Give matching events of a file, newest first, whether a server writes to it or not."""
    with closing(open_reader(path)) as connection, translated(path):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check_version(path, version)
        return find(connection, query, limit=limit, oldest_first=False)


def bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """Give how many events there are, and the highest cursor that was ever given."""
    (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
    latest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return count, latest[0] if latest else 0


def insert(connection: sqlite3.Connection, event: NewEvent) -> int:
    """Add an event, and give its cursor."""
    row = (
        to_microseconds(event.time),
        event.source,
        event.id,
        event.type,
        fold(event.message),
        encode(event),
    )
    added = connection.execute(
        "INSERT INTO event (time, source, id, type, folded, record) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    assert added.lastrowid is not None
    return added.lastrowid


def trim(connection: sqlite3.Connection, keep: int) -> int:
    """Delete all but the newest `keep` events; give how many that were."""
    edge = "SELECT cursor FROM event ORDER BY cursor DESC LIMIT 1 OFFSET ?"
    return connection.execute(f"DELETE FROM event WHERE cursor <= ({edge})", (keep,)).rowcount  # noqa: S608 - constants only


def find(
    connection: sqlite3.Connection, query: EventQuery, *, limit: int, oldest_first: bool
) -> list[KeptEvent]:
    """Give matching events; `limit` 0 means all."""
    conditions, parameters = _select(query)
    order = "ASC" if oldest_first else "DESC"
    found = connection.execute(
        f"SELECT cursor, record FROM event WHERE {conditions} ORDER BY cursor {order} LIMIT ?",  # noqa: S608 - as above
        [*parameters, _fitting(limit) or -1],
    )
    return [
        KeptEvent(**msgspec.structs.asdict(decode(record, NewEvent)), cursor=cursor)
        for cursor, record in found
    ]


def _select(query: EventQuery) -> tuple[str, list[str | int]]:
    conditions = ["TRUE"]
    parameters: list[str | int] = []

    def hold(condition: str, *values: str | int) -> None:
        conditions.append(condition)
        parameters.extend(values)

    def among(column: str, values: Sequence[str | int]) -> None:
        if values:
            hold(f"{column} IN ({', '.join('?' * len(values))})", *values)

    among("id", query.ids)
    among("source", query.sources)
    among("type", query.types)
    if query.since is not None:
        hold("time >= ?", to_microseconds(query.since))
    if query.until is not None:
        hold("time <= ?", to_microseconds(query.until))
    if query.text:
        hold("instr(folded, ?) > 0", fold(query.text))
    if query.after is not None:
        hold("cursor > ?", _fitting(query.after))
    if query.before is not None:
        hold("cursor < ?", _fitting(query.before))
    return " AND ".join(conditions), parameters


def _fitting(number: int) -> int:
    """Give the nearest number that SQLite can hold; cursors come from outside."""
    return max(-_LARGEST, min(number, _LARGEST))


def _check_version(path: Path, version: int) -> None:
    if version != VERSION:
        raise StoreError(
            f"{path} has schema version {version}, this bindpost knows {VERSION}; use the bindpost "
            "that made it, or move the file away: a new one is made"
        )
