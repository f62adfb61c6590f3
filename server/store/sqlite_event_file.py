"""The file `events.db`: made, recognized, and read, whether a server has it open or not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bindpost.errors import StoreError

from .events import ANY_EVENT, EventQuery, KeptEvent
from .sqlite_connection import open_reader, translated
from .sqlite_event_queries import APPLICATION, LATER, SCHEMA, VERSION, find, name_of

EVENTS_FILE: Final = "events.db"
_PAGE: Final = 500
_MOVE: Final = "move the file away: a new one is made"


@dataclass(frozen=True, slots=True)
class Database:
    """
    The connection that writes, in whatever thread.

    `id` is the log's. `count` is how many events there were when it was opened, `latest` the
    highest cursor that was ever given.
    """

    connection: sqlite3.Connection
    id: str
    count: int
    latest: int


def open_database(path: Path) -> Database:
    """
    Open the database to write to it, making the file if it is missing.

    What is committed outlives the process, not a power failure. Raises `StoreError`.
    """
    with _understood(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            if not _is_made(connection, path):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN IMMEDIATE;\n{SCHEMA}\nCOMMIT;")
            connection.executescript(f"BEGIN IMMEDIATE;\n{LATER}\nCOMMIT;")
            connection.execute("PRAGMA synchronous = NORMAL")
            name = name_of(connection)
            (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
            # SQLite's own memory of AUTOINCREMENT; it has no row before the first event.
            latest = connection.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0] or 0
        except BaseException:
            connection.close()
            raise
        return Database(connection, name, count, latest)


def read_file(
    path: Path, query: EventQuery = ANY_EVENT, *, limit: int = 0, oldest_first: bool = False
) -> list[KeptEvent]:
    """
    Give matching events of a file, whether a server writes to it or not; `limit` 0 means all.

    Raises `StoreError`.
    """
    with _opened(path) as connection:
        if connection is None:
            return []
        return find(connection, query, limit=limit, oldest_first=oldest_first)


def iterate_file(path: Path, query: EventQuery = ANY_EVENT) -> Iterator[KeptEvent]:
    """Give matching events of a file one by one, oldest first. Raises `StoreError`."""
    with _opened(path) as connection:
        while connection and (page := find(connection, query, limit=_PAGE, oldest_first=True)):
            yield from page
            query = msgspec.structs.replace(query, after=page[-1].cursor)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Give a connection that reads; None for a file in which nothing was made yet."""
    if not path.exists():
        raise StoreError(f"{path} is not there: no server has kept events in this folder")
    with _understood(path), closing(_open_reader(path)) as connection:
        yield connection if _is_made(connection, path) else None


def _open_reader(path: Path) -> sqlite3.Connection:
    """
    Open a connection that reads, also where nothing may be written: a copy, another's folder.

    Reading beside a writer needs a file that both share. Where it can't be made, and no writer has
    left one, nobody is writing.
    """
    connection = open_reader(path)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        is_barred = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
        if not is_barred or path.with_name(f"{path.name}-wal").exists():
            raise
        return open_reader(path, is_unchanging=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_made(connection: sqlite3.Connection, path: Path) -> bool:
    """Say whether the tables are there; raises `StoreError` if others are."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return False
    if application != APPLICATION:
        raise StoreError(f"{path} is another program's database; {_MOVE}")
    if version != VERSION:
        raise StoreError(
            f"{path} has schema version {version}, this bindpost knows {VERSION}; use the bindpost "
            f"that made it, or {_MOVE}"
        )
    return True


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn what fails inside into `StoreError`, with what to do about a file that can't be read."""
    with translated(path):
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            raise StoreError(f"{path} is damaged, or no event store: {error}; {_MOVE}") from error
