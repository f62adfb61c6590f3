"""What `events.db` holds and how it is asked, on whatever connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

import msgspec

from ..message.model import new_id
from .codec import decode, encode
from .conditions import Conditions, fitting
from .events import EventQuery, KeptEvent, NewEvent
from .rules import is_unicode, to_microseconds
from .terms import fold

VERSION: Final = 1
APPLICATION: Final = 0x62707665
"""`bpve` in ASCII, in SQLite's header: a database without it is another program's."""
SCHEMA: Final = f"""
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
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""
_COMPUTER: Final = "json_extract(record, '$.computer')"
LATER: Final = f"""
CREATE INDEX IF NOT EXISTS event_computer ON event ({_COMPUTER}, cursor);
CREATE TABLE IF NOT EXISTS log (        -- one row
    id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS heard (      -- how far the logs of other nodes are in here
    log TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL
);
"""
"""What came later to the schema; who only reads can do without."""


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


def name_of(connection: sqlite3.Connection) -> str:
    """Give the id of the log; it gets one if it has none."""
    connection.execute(
        "INSERT INTO log (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM log)", (new_id(),)
    )
    name: str = connection.execute("SELECT id FROM log").fetchone()[0]
    return name


def heard(connection: sqlite3.Connection) -> dict[str, int]:
    """Give how far the logs of other nodes were heard, by their ids."""
    return dict(connection.execute("SELECT log, cursor FROM heard").fetchall())


def note_heard(connection: sqlite3.Connection, positions: Mapping[str, int]) -> None:
    """Take note of how far logs of other nodes were heard."""
    connection.executemany(
        "INSERT OR REPLACE INTO heard (log, cursor) VALUES (?, ?)", list(positions.items())
    )


def trim(connection: sqlite3.Connection, keep: int) -> int:
    """Delete all but the newest `keep` events; give how many that were."""
    edge = "SELECT cursor FROM event ORDER BY cursor DESC LIMIT 1 OFFSET ?"
    return connection.execute(f"DELETE FROM event WHERE cursor <= ({edge})", (keep,)).rowcount  # noqa: S608 - constants only


def find(
    connection: sqlite3.Connection, query: EventQuery, *, limit: int, oldest_first: bool
) -> list[KeptEvent]:
    """Give matching events; `limit` 0 means all."""
    conditions = _select(query)
    order = "ASC" if oldest_first else "DESC"
    found = connection.execute(
        f"SELECT cursor, record FROM event WHERE {conditions} ORDER BY cursor {order} LIMIT ?",  # noqa: S608 - as above
        [*conditions.parameters, fitting(limit) or -1],
    )
    return [
        KeptEvent(**msgspec.structs.asdict(decode(record, NewEvent)), cursor=cursor)
        for cursor, record in found
    ]


def _select(query: EventQuery) -> Conditions:
    conditions = Conditions()
    conditions.among("id", query.ids)
    # What is no Unicode no source has, but the condition must hold all the same.
    conditions.among("source", [source if is_unicode(source) else "" for source in query.sources])
    conditions.among("type", query.types)
    conditions.among(_COMPUTER, [node if is_unicode(node) else "" for node in query.nodes])
    if query.since is not None:
        conditions.hold("time >= ?", to_microseconds(query.since))
    if query.until is not None:
        conditions.hold("time <= ?", to_microseconds(query.until))
    if query.own:
        conditions.hold("coalesce(json_extract(record, '$.log'), '') = ''")
    if query.text:
        conditions.hold("instr(folded, ?) > 0", fold(query.text))
    conditions.between("cursor", after=query.after, before=query.before)
    return conditions
