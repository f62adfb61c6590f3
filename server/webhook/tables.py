"""The tables of `webhook.db`, and what is done to them; all of it inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from ..store.rules import from_microseconds, to_microseconds
from ..web.webhook_objects import Delivery
from .job import Job

VERSION: Final = 1
SCHEMA: Final = """
-- A webhook by its name. `cursor` is the message up to which was looked for what it is told.
CREATE TABLE hook (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    given_up INTEGER NOT NULL
) WITHOUT ROWID;

-- Moments are in microseconds since 1970, UTC. `due` is NULL, and `body` empty, when it is done.
CREATE TABLE delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    due INTEGER,
    status INTEGER,
    error TEXT NOT NULL
);
CREATE INDEX delivery_state ON delivery (hook, state, due);
CREATE INDEX delivery_hook ON delivery (hook, number);
"""

_DELIVERIES: Final = "SELECT id, type, state, attempts, created, due, status, error FROM delivery "


def begin(database: sqlite3.Connection, names: Sequence[str], cursor: int, now: datetime) -> None:
    """
    Know these webhooks, a new one behind this cursor, and forget all others and what they wait for.

    All that isn't done is due at once, what was being sent included: a restart is what follows a
    change of the settings.
    """
    database.executemany(
        "INSERT OR IGNORE INTO hook VALUES (?, ?, 0, 0)", [(name, cursor) for name in names]
    )
    known = [name for (name,) in database.execute("SELECT name FROM hook")]
    gone = [(name,) for name in known if name not in names]
    database.executemany("DELETE FROM hook WHERE name = ?", gone)
    database.executemany("DELETE FROM delivery WHERE hook = ?", gone)
    database.execute("UPDATE hook SET cursor = ?1 WHERE cursor > ?1", (cursor,))
    database.execute(
        "UPDATE delivery SET state = 'queued', due = ? WHERE due IS NOT NULL",
        (to_microseconds(now),),
    )


def cursor(database: sqlite3.Connection, hook: str) -> int:
    """Give the cursor of the last message that was looked at for a webhook."""
    found: int = database.execute("SELECT cursor FROM hook WHERE name = ?", (hook,)).fetchone()[0]
    return found


def advance(database: sqlite3.Connection, hook: str, value: int) -> None:
    """Note a cursor, unless a later one is noted already."""
    database.execute("UPDATE hook SET cursor = ?1 WHERE name = ?2 AND cursor < ?1", (value, hook))


def add(
    database: sqlite3.Connection, hook: str, *, delivery: str, kind: str, body: bytes, now: datetime
) -> None:
    """Queue a delivery, due at once."""
    moment = to_microseconds(now)
    database.execute(
        "INSERT INTO delivery (hook, id, type, body, state, attempts, created, due, error)"
        " VALUES (?, ?, ?, ?, 'queued', 0, ?, ?, '')",
        (hook, delivery, kind, body, moment, moment),
    )


def waiting(database: sqlite3.Connection, hook: str) -> int:
    """Count what isn't done."""
    found: int = database.execute(
        "SELECT count(*) FROM delivery WHERE hook = ? AND state IN ('queued', 'sending')", (hook,)
    ).fetchone()[0]
    return found


def take(
    database: sqlite3.Connection, hook: str, now: datetime, horizon: float
) -> Job | float | None:
    """
    Give the delivery that is due first, as being sent, its attempts counted.

    If none is due yet, give the seconds until one is, None if none waits. One that is further away
    than `horizon` seconds is due: the clock was set back.
    """
    row = database.execute(
        "SELECT number, body, due FROM delivery WHERE hook = ? AND state = 'queued'"
        " ORDER BY due, number LIMIT 1",
        (hook,),
    ).fetchone()
    if row is None:
        return None
    number, body, due = row
    left: float = (due - to_microseconds(now)) / 1_000_000
    if 0 < left <= horizon:
        return left
    database.execute(
        "UPDATE delivery SET state = 'sending', attempts = attempts + 1 WHERE number = ?", (number,)
    )
    found = database.execute(f"{_DELIVERIES} WHERE number = ?", (number,)).fetchone()
    return Job(number=number, delivery=_delivery(found), body=body)


def postpone(
    database: sqlite3.Connection, number: int, *, status: int | None, error: str, due: datetime
) -> None:
    """Note a failed attempt; another follows."""
    database.execute(
        "UPDATE delivery SET state = 'queued', due = ?, status = ?, error = ? WHERE number = ?",
        (to_microseconds(due), status, error, number),
    )


def finish(
    database: sqlite3.Connection,
    number: int,
    *,
    state: str,
    status: int | None,
    error: str,
    kept: int,
) -> None:
    """Note how a delivery ended; of those that are done each webhook keeps the latest."""
    database.execute(
        "UPDATE delivery SET state = ?, due = NULL, body = x'', status = ?, error = ?"
        " WHERE number = ?",
        (state, status, error, number),
    )
    (hook,) = database.execute("SELECT hook FROM delivery WHERE number = ?", (number,)).fetchone()
    column = "delivered" if state == "delivered" else "given_up"
    database.execute(f"UPDATE hook SET {column} = {column} + 1 WHERE name = ?", (hook,))  # noqa: S608 - one of two words
    database.execute(
        "DELETE FROM delivery WHERE number IN (SELECT number FROM delivery"
        " WHERE hook = ? AND due IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (hook, kept),
    )


def counts(database: sqlite3.Connection, hook: str) -> tuple[int, int]:
    """Give how many deliveries were taken, and how many were given up."""
    found: tuple[int, int] = database.execute(
        "SELECT delivered, given_up FROM hook WHERE name = ?", (hook,)
    ).fetchone()
    return found


def newest(database: sqlite3.Connection, hook: str, limit: int) -> tuple[Delivery, ...]:
    """Give the newest deliveries, newest first."""
    rows = database.execute(
        f"{_DELIVERIES} WHERE hook = ? ORDER BY number DESC LIMIT ?", (hook, limit)
    ).fetchall()
    return tuple(map(_delivery, rows))


def _delivery(row: tuple[object, ...]) -> Delivery:
    fields = dict(zip(Delivery.__struct_fields__, row, strict=True))
    for name in ("created", "due"):
        moment = fields[name]
        fields[name] = from_microseconds(moment) if isinstance(moment, int) else None
    return msgspec.convert(fields, Delivery)
