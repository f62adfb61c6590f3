"""Queue: the jobs of the relay, durable in a file of their own, and where the relay has got to."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar, final

from bindpost.errors import StoreError

from ..message.job import Addressee, Job, Kind
from ..message.model import Recipient, utc_now
from ..store.sqlite_connection import open_writer, translated
from . import tables

DATABASE_FILE: Final = "relay.db"
KEPT: Final = 1000
"""Jobs that are remembered when they are done."""
_MEMORY: Final = ":memory:"
_WAL_PAGES: Final = 200
"""Length of the write-ahead log at which it is copied into the database: its work is small."""

_T = TypeVar("_T")
_Work = Callable[[sqlite3.Connection], _T]


@final
class Queue:
    """
    The jobs of the relay. What a method has changed is durable when it returns.

    One thread does the work, so the event loop never waits for the disk. Jobs that were being sent
    when a process ended are queued again by the next one: a message may be sent twice, but none is
    lost. Every method raises `StoreError` when the file fails; nothing has changed then.
    """

    def __init__(
        self, database: sqlite3.Connection, path: Path, *, waiting: int, kept: int = KEPT
    ) -> None:
        self.waiting_at_start = waiting
        self._kept = kept
        self._database = database
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bindpost-relay-queue")

    @classmethod
    async def open(cls, data: str | Path, *, kept: int = KEPT) -> Queue:
        """
        Open the queue in a data folder that is ours already, or one for `:memory:`.

        Of the jobs that are done it remembers the latest, `kept` of them. Raises `StoreError`, also
        when a newer bindpost has made the file.
        """
        path = Path(_MEMORY) if str(data) == _MEMORY else Path(data) / DATABASE_FILE
        database, waiting = await asyncio.to_thread(_open, path)
        return cls(database, path, waiting=waiting, kept=kept)

    async def cursor(self) -> int | None:
        """Give the cursor of the last message that was looked at for automatic relay."""
        return await self._do(tables.cursor)

    async def set_cursor(self, cursor: int | None) -> None:
        """Note that cursor; None = nothing is relayed by itself."""
        await self._do(lambda database: tables.set_cursor(database, cursor))

    async def advance(self, cursor: int) -> None:
        """Note that cursor, unless a job with a later one was added."""
        await self._do(lambda database: tables.advance(database, cursor))

    async def add(
        self,
        message_id: str,
        kind: Kind,
        recipients: Sequence[Recipient],
        *,
        cursor: int | None = None,
    ) -> Job:
        """Queue a message, due at once; with `cursor`, note that too, in the same transaction."""

        def work(database: sqlite3.Connection) -> Job:
            if cursor is not None:
                tables.set_cursor(database, cursor)
            return tables.add(database, message_id, kind, recipients=recipients, now=utc_now())

        return await self._do(work)

    async def take(self, *, horizon: float) -> Job | float | None:
        """
        Give the job that is due first, its attempts counted; it is ours until `settle`.

        If none is due, give the seconds until one is, None if none waits. No job waits longer than
        `horizon` seconds.
        """
        return await self._do(lambda database: tables.take(database, utc_now(), horizon))

    async def settle(
        self, job: Job, changed: Mapping[int, Addressee], *, error: str, due: datetime | None
    ) -> Job:
        """Note what came of an attempt; with `due` the job waits, without it is done."""
        return await self._do(
            lambda database: tables.settle(
                database, job, changed, error=error, due=due, kept=self._kept
            )
        )

    async def of_message(self, message_id: str, *, limit: int) -> list[Job]:
        """Give the jobs of a message, newest first."""
        return await self._do(lambda database: tables.of_message(database, message_id, limit))

    async def close(self) -> None:
        """Finish what is under way, and let go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._database.close)

    async def _do(self, work: _Work[_T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: _Work[_T]) -> _T:
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


def _open(path: Path) -> tuple[sqlite3.Connection, int]:
    """Open the database, its tables made, what was being sent queued again."""
    if str(path) == _MEMORY:
        database = sqlite3.connect(_MEMORY, isolation_level=None, check_same_thread=False)
    else:
        database = open_writer(path)
    try:
        with translated(path):
            database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > tables.VERSION:
                raise StoreError(
                    f"{path} has version {version}, this bindpost knows {tables.VERSION}; use the "
                    "newer bindpost that made it, or remove the file, and what is queued in it"
                )
            if version == 0:
                database.executescript(
                    f"BEGIN IMMEDIATE; {tables.SCHEMA} PRAGMA user_version = {tables.VERSION};"
                    " COMMIT;"
                )
            database.execute("BEGIN IMMEDIATE")
            waiting = tables.resume(database, utc_now())
            database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database, waiting
