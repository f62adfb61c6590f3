"""Queue: the jobs of the relay, durable in a file of their own, and where the relay has got to."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, final

from ..durable.file import RELAY_FILE, WorkFile
from ..message.job import Addressee, Job, Kind
from ..message.model import Recipient, utc_now
from . import tables

KEPT: Final = 1000
"""Jobs that are remembered when they are done."""


@final
class Queue:
    """
    The jobs of the relay. What a method has changed is durable when it returns.

    One thread does the work, so the event loop never waits for the disk. Jobs that were being sent
    when a process ended are queued again by the next one: a message may be sent twice, but none is
    lost. Every method raises `StoreError` when the file fails; nothing has changed then.
    """

    def __init__(self, file: WorkFile, *, waiting: int, kept: int = KEPT) -> None:
        self.waiting_at_start = waiting
        self._kept = kept
        self._file = file

    @classmethod
    async def open(cls, data: str | Path, *, kept: int = KEPT) -> Queue:
        """
        Open the queue in a data folder that is ours already, or one for `:memory:`.

        Of the jobs that are done it remembers the latest, `kept` of them. What was being sent is
        queued again. Raises `StoreError`, also when a newer bindpost has made the file.
        """
        file = await WorkFile.open(data, RELAY_FILE, schema=tables.SCHEMA, version=tables.VERSION)
        try:
            waiting = await file.do(lambda database: tables.resume(database, utc_now()))
        except BaseException:
            await file.close()
            raise
        return cls(file, waiting=waiting, kept=kept)

    async def cursor(self) -> int | None:
        """Give the cursor of the last message that was looked at for automatic relay."""
        return await self._file.do(tables.cursor)

    async def set_cursor(self, cursor: int | None) -> None:
        """Note that cursor; None = nothing is relayed by itself."""
        await self._file.do(lambda database: tables.set_cursor(database, cursor))

    async def advance(self, cursor: int) -> None:
        """Note that cursor, unless a job with a later one was added."""
        await self._file.do(lambda database: tables.advance(database, cursor))

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

        return await self._file.do(work)

    async def take(self, *, horizon: float) -> Job | float | None:
        """
        Give the job that is due first, its attempts counted; it is ours until `settle`.

        If none is due, give the seconds until one is, None if none waits. No job waits longer than
        `horizon` seconds.
        """
        return await self._file.do(lambda database: tables.take(database, utc_now(), horizon))

    async def settle(
        self, job: Job, changed: Mapping[int, Addressee], *, error: str, due: datetime | None
    ) -> Job:
        """Note what came of an attempt; with `due` the job waits, without it is done."""
        return await self._file.do(
            lambda database: tables.settle(
                database, job, changed, error=error, due=due, kept=self._kept
            )
        )

    async def of_message(self, message_id: str, *, limit: int) -> list[Job]:
        """Give the jobs of a message, newest first."""
        return await self._file.do(lambda database: tables.of_message(database, message_id, limit))

    async def close(self) -> None:
        """Finish what is under way, and let go of the file."""
        await self._file.close()
