"""The tables of `relay.db`, and what is done to them; all of it inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from ..message.job import Addressee, Job, Kind
from ..message.model import Recipient
from ..store.codec import decode, encode
from ..store.rules import from_microseconds, to_microseconds

VERSION: Final = 1
SCHEMA: Final = """
-- `message` is the message's id. Moments are in microseconds since 1970, UTC. `due` is NULL when
-- the job is done.
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created INTEGER NOT NULL,
    due INTEGER,
    error TEXT NOT NULL
);
CREATE INDEX job_state ON job (state, due);
CREATE INDEX job_message ON job (message);
CREATE INDEX job_done ON job (id) WHERE due IS NULL;

-- `parameters` is JSON. `code` and `reply` are what the server said last.
CREATE TABLE recipient (
    job INTEGER NOT NULL,
    place INTEGER NOT NULL,
    address TEXT NOT NULL,
    parameters TEXT NOT NULL,
    state TEXT NOT NULL,
    code INTEGER,
    reply TEXT NOT NULL,
    PRIMARY KEY (job, place)
) WITHOUT ROWID;

-- One row. `cursor` is the message up to which was looked for what is relayed by itself, NULL as
-- long as nothing is.
CREATE TABLE progress (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cursor INTEGER
);
INSERT INTO progress (only, cursor) VALUES (1, NULL);
"""

_JOBS: Final = "SELECT id, message, kind, state, attempts, created, due, error FROM job "


def cursor(database: sqlite3.Connection) -> int | None:
    """Give the cursor of the last message that was looked at."""
    found: int | None = database.execute("SELECT cursor FROM progress").fetchone()[0]
    return found


def set_cursor(database: sqlite3.Connection, value: int | None) -> None:
    """Note the cursor of the last message that was looked at."""
    database.execute("UPDATE progress SET cursor = ?", (value,))


def advance(database: sqlite3.Connection, value: int) -> None:
    """Note a cursor, unless a later one is noted already."""
    database.execute("UPDATE progress SET cursor = ?1 WHERE cursor < ?1", (value,))


def add(
    database: sqlite3.Connection,
    message_id: str,
    kind: Kind,
    *,
    recipients: Sequence[Recipient],
    now: datetime,
) -> Job:
    """Queue a message for these recipients, due at once."""
    moment = to_microseconds(now)
    added = database.execute(
        "INSERT INTO job (message, kind, state, attempts, created, due, error)"
        " VALUES (?, ?, 'queued', 0, ?, ?, '')",
        (message_id, kind, moment, moment),
    )
    database.executemany(
        "INSERT INTO recipient (job, place, address, parameters, state, code, reply)"
        " VALUES (?, ?, ?, ?, 'queued', NULL, '')",
        [
            (added.lastrowid, place, recipient.address, encode(recipient.parameters))
            for place, recipient in enumerate(recipients)
        ],
    )
    return _job(database, _row(database, added.lastrowid or 0))


def take(database: sqlite3.Connection, now: datetime, horizon: float) -> Job | float | None:
    """
    Give the job that is due first, as being sent, its attempts counted.

    If none is due yet, give the seconds until one is, None if none waits. One that is further away
    than `horizon` seconds is due: the clock was set back.
    """
    row = database.execute(f"{_JOBS} WHERE state = 'queued' ORDER BY due LIMIT 1").fetchone()
    if row is None:
        return None
    left: float = (row[6] - to_microseconds(now)) / 1_000_000
    if 0 < left <= horizon:
        return left
    database.execute(
        "UPDATE job SET state = 'sending', attempts = attempts + 1 WHERE id = ?", (row[0],)
    )
    return _job(database, _row(database, row[0]))


def settle(
    database: sqlite3.Connection,
    job: Job,
    changed: Mapping[int, Addressee],
    *,
    error: str,
    due: datetime | None,
    kept: int,
) -> Job:
    """
    Note what came of an attempt: the recipients that it changed, by their places.

    With `due` the job waits for its next attempt, without it is done; of the jobs that are done
    only so many are remembered, the latest.
    """
    database.executemany(
        "UPDATE recipient SET state = ?, code = ?, reply = ? WHERE job = ? AND place = ?",
        [(one.state, one.code, one.reply, job.id, place) for place, one in changed.items()],
    )
    done = [changed.get(place, one).state for place, one in enumerate(job.recipients)]
    final = "failed" if "failed" in done else "sent"
    database.execute(
        "UPDATE job SET state = ?, due = ?, error = ? WHERE id = ?",
        (
            "queued" if due is not None else final,
            None if due is None else to_microseconds(due),
            error,
            job.id,
        ),
    )
    if due is None:
        _forget_old(database, kept)
    return _job(database, _row(database, job.id))


def resume(database: sqlite3.Connection, now: datetime) -> int:
    """
    Make all that isn't done due at once, what was being sent included; give how many jobs it is.

    A restart is what follows a change of the settings, so nobody wants to wait for the old pauses.
    """
    return database.execute(
        "UPDATE job SET state = 'queued', due = ? WHERE due IS NOT NULL", (to_microseconds(now),)
    ).rowcount


def of_message(database: sqlite3.Connection, message_id: str, limit: int) -> list[Job]:
    """Give the jobs of a message, newest first."""
    rows = database.execute(
        f"{_JOBS} WHERE message = ? ORDER BY id DESC LIMIT ?", (message_id, limit)
    ).fetchall()
    return [_job(database, row) for row in rows]


_Row = tuple[int, str, str, str, int, int, int | None, str]


def _row(database: sqlite3.Connection, job_id: int) -> _Row:
    row: _Row = database.execute(f"{_JOBS} WHERE id = ?", (job_id,)).fetchone()
    return row


def _job(database: sqlite3.Connection, row: _Row) -> Job:
    recipients = database.execute(
        "SELECT address, parameters, state, code, reply FROM recipient WHERE job = ?"
        " ORDER BY place",
        (row[0],),
    ).fetchall()
    return msgspec.convert(
        {
            "id": row[0],
            "message_id": row[1],
            "kind": row[2],
            "state": row[3],
            "attempts": row[4],
            "created": from_microseconds(row[5]),
            "due": None if row[6] is None else from_microseconds(row[6]),
            "error": row[7],
            "recipients": [
                {
                    "address": address,
                    "parameters": decode(parameters, dict[str, str | None]),
                    "state": state,
                    "code": code,
                    "reply": reply,
                }
                for address, parameters, state, code, reply in recipients
            ],
        },
        Job,
    )


def _forget_old(database: sqlite3.Connection, kept: int) -> None:
    """Forget all jobs that are done but the latest."""
    old = database.execute(
        "SELECT id FROM job WHERE due IS NULL ORDER BY id DESC LIMIT -1 OFFSET ?", (kept,)
    ).fetchall()
    database.executemany("DELETE FROM recipient WHERE job = ?", old)
    database.executemany("DELETE FROM job WHERE id = ?", old)
