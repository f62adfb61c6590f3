"""The log of the database is copied beside its writer, who helps only at the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bindpost.server.store.sqlite_checkpoints import EVERY, Checkpointer
from bindpost.server.store.sqlite_connection import open_writer

PAGES = 50


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock."""
    return Clock()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that has written pages to its log, and to nothing else."""
    with closing(open_writer(tmp_path / "mail.db")) as connection:
        connection.execute("CREATE TABLE thing (value BLOB)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        add_pages(connection)
        yield connection


def add_pages(connection: sqlite3.Connection) -> None:
    """Write pages to the log."""
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO thing VALUES (?)", [(bytes(8000),)] * PAGES)
    connection.execute("COMMIT")


def copied(path: Path) -> int:
    """Give how many things are in the database itself, whatever its log has."""
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM thing").fetchone()
    return int(count)


def test_the_log_is_copied_now_and_then(
    tmp_path: Path, writer: sqlite3.Connection, clock: Clock
) -> None:
    """Nothing happens before it is time; then all is copied, and the writer need not help."""
    path = tmp_path / "mail.db"
    checkpointer = Checkpointer(path, clock=clock)

    assert not checkpointer.is_help_needed()
    assert copied(path) == 0
    clock.now = EVERY
    assert not checkpointer.is_help_needed()
    checkpointer.close()

    assert copied(path) == PAGES
    assert not checkpointer.is_help_needed()


def test_the_writer_helps_when_the_log_is_long(
    tmp_path: Path, writer: sqlite3.Connection, clock: Clock
) -> None:
    """Once, right behind a copy: what it then copies is little, and the log begins anew."""
    path = tmp_path / "mail.db"
    checkpointer = Checkpointer(path, limit=PAGES, clock=clock)
    clock.now = EVERY
    checkpointer.is_help_needed()
    checkpointer.close()

    assert checkpointer.is_help_needed()
    writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    size = (tmp_path / "mail.db-wal").stat().st_size
    add_pages(writer)

    assert (tmp_path / "mail.db-wal").stat().st_size == size


def test_a_database_that_is_gone_is_the_writers_trouble(
    tmp_path: Path, writer: sqlite3.Connection, clock: Clock
) -> None:
    """The copy is left out, and no new file takes the old one's place."""
    path = tmp_path / "mail.db"
    path.rename(tmp_path / "elsewhere.db")
    checkpointer = Checkpointer(path, limit=1, clock=clock)
    clock.now = EVERY
    checkpointer.is_help_needed()
    checkpointer.close()

    assert not checkpointer.is_help_needed()
    assert not path.exists()
