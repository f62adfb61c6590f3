"""File: a small SQLite database in the data folder, worked on by one thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar, final

from bindpost.errors import StoreError

from ..store.sqlite_connection import open_writer, translated

MEMORY: Final = ":memory:"
RELAY_FILE: Final = "relay.db"
WEBHOOK_FILE: Final = "webhook.db"
"""The files there are, named here so that they can be missed without importing their parts."""
_WAL_PAGES: Final = 200
"""Length of the write-ahead log at which it is copied into the database: its work is small."""

_T = TypeVar("_T")


@final
class WorkFile:
    """
    A database that is changed by transactions, one after the other, away from the event loop.

    What a transaction has changed is durable when it returns; one that raises has changed nothing.
    """

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"bindpost-{path.stem}")

    @classmethod
    async def open(cls, data: str | Path, name: str, *, schema: str, version: int) -> WorkFile:
        """
        Open a file in a data folder that is ours already, or a database for `:memory:`.

        `schema` makes its tables. Raises `StoreError`, also when a newer bindpost has made it.
        """
        path = Path(MEMORY) if str(data) == MEMORY else Path(data) / name
        return cls(await asyncio.to_thread(_open, path, schema, version), path)

    async def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do some work in a transaction. Raises `StoreError` when the file fails."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        """Finish what is under way, and let go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._database.close)

    def _transact(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with translated(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._database)
                self._database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._database.rollback()
                raise
            return result


def _open(path: Path, schema: str, known: int) -> sqlite3.Connection:
    """Open the database, its tables made."""
    if str(path) == MEMORY:
        database = sqlite3.connect(MEMORY, isolation_level=None, check_same_thread=False)
    else:
        database = open_writer(path)
    try:
        with translated(path):
            database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > known:
                raise StoreError(
                    f"{path} has version {version}, this bindpost knows {known}; use the "
                    "newer bindpost that made it, or remove the file, and what is queued in it"
                )
            if version == 0:
                database.executescript(
                    f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {known}; COMMIT;"
                )
    except BaseException:
        database.close()
        raise
    return database
