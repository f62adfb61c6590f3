"""Connections to SQLite databases, how they are set up, and what their errors mean."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError, StoreFullError

from .sql_rows import Found, Rows
from .store import DURABLE, Durability

DATABASE_FILE: Final = "mail.db"
PAGE_SIZE: Final = 8192
WAL_PAGES: Final = 16_000
"""Length of the write-ahead log at which it is begun anew (see `sqlite_checkpoints`)."""
_WAL_BYTES: Final = WAL_PAGES * (PAGE_SIZE + 24) + 32

# In this order: page size and vacuum mode can be chosen only before the first page is written.
_WRITER_PRAGMAS: Final = (
    f"page_size = {PAGE_SIZE}",
    "auto_vacuum = INCREMENTAL",  # space goes back to the disk in slices, see sqlite_space
    "cache_size = -16384",  # KiB
    f"wal_autocheckpoint = {2 * WAL_PAGES}",  # if nobody has done it before
    # The log file is overwritten, not truncated: an fsync without a new length is 3 times cheaper.
    f"journal_size_limit = {2 * _WAL_BYTES}",
    "secure_delete = OFF",  # some systems zero freed pages, which writes deleted mail once more
)
_NO_ROOM: Final = 64 * 1024
"""Free bytes below which a failed write is blamed on the full disk."""


def open_writer(path: Path, durability: Durability = DURABLE) -> sqlite3.Connection:
    """
    Open the connection that writes, making the database if it is missing.

    It commits nothing by itself, may be used by one thread after another, and is durable: WAL with
    `synchronous=FULL`, unless a lesser durability is asked for. Raises `StoreError`.
    """
    with translated(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files take its mode
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            for pragma in (*_WRITER_PRAGMAS, f"synchronous = {durability}"):
                connection.execute(f"PRAGMA {pragma}")
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(
                    f"{path}: its file system has no shared memory, which a write-ahead log needs; "
                    "give a folder on a local disk with --data"
                )
        except BaseException:
            connection.close()
            raise
        return connection


@final
class SqliteSession:
    """The connection that writes, as statements see it that other databases take, too."""

    among: Final = "IN (SELECT value FROM json_each(?))"
    message: Final = "main.message"
    every_message: Final = "main.message"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[object] = (), /) -> Found:
        """Execute a statement. Raises what SQLite raises."""
        return self._connection.execute(sql, parameters)

    def several(self, values: Sequence[int] | Sequence[str]) -> object:
        """Make one parameter of several values; a text ends at its NUL."""
        return json.dumps(values)

    def together(self) -> AbstractContextManager[None]:
        """Do nothing: there is nothing between here and the database."""
        return nullcontext()

    def new_rows(self, table: str, *columns: str, otherwise: str = "") -> Rows:
        """Give rows for a table, to be collected and then written."""
        return Rows(table, *columns, otherwise=otherwise)


def open_reader(path: Path, *, is_unchanging: bool = False) -> sqlite3.Connection:
    """
    Open a connection that only reads, for one thread after another. Raises `StoreError`.

    A file that is unchanging can be read in a place where nothing can be written.
    """
    with translated(path):
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_unchanging else ''}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what fails inside into `StoreError` and its kin."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise translate(error, path) from error


def translate(error: Exception, path: Path) -> StoreError:
    """Say what an error of SQLite or the system means for the database at `path`."""
    if isinstance(error, StoreError):
        return error
    if _is_full(error, path):
        return StoreFullError(f"{path}: the disk is full ({error}); delete messages or free space")
    if _code_of(error) == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path}: {error}; move it away, and a new one is made")
    return StoreError(f"{path}: {str(error) or type(error).__name__}")


def _is_full(error: Exception, path: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not isinstance(error, sqlite3.Error):
        return False
    code = _code_of(error)
    # A full disk that is met by an fsync, or while shared memory grows, is a mere I/O error.
    return code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _NO_ROOM
    )


def _code_of(error: Exception) -> int:
    """Give SQLite's code of an error without its extension; 0 for misuse and other errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
