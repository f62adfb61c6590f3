"""Queue: the deliveries of all webhooks, durable in a file of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, final

from ..durable.file import WEBHOOK_FILE, WorkFile
from ..message.model import new_id, utc_now
from ..web.webhook_objects import Delivery
from . import tables
from .job import Job

KEPT: Final = 100
"""Deliveries of a webhook that are remembered when they are done."""


@final
class Queue:
    """
    The deliveries. What a method has changed is durable when it returns.

    What was being sent when a process ended is queued again by the next one: a receiver may get a
    delivery twice, with the same id, but misses none. Every method raises `StoreError` when the
    file fails; nothing has changed then.
    """

    def __init__(self, file: WorkFile, *, kept: int = KEPT) -> None:
        self._file = file
        self._kept = kept

    @classmethod
    async def open(
        cls, data: str | Path, names: Sequence[str], *, cursor: int, kept: int = KEPT
    ) -> Queue:
        """
        Open the queue in a data folder that is ours already, or one for `:memory:`.

        It knows the webhooks of these names and forgets all others; a new one begins at `cursor`.
        """
        file = await WorkFile.open(data, WEBHOOK_FILE, schema=tables.SCHEMA, version=tables.VERSION)
        try:
            await file.do(lambda database: tables.begin(database, names, cursor, utc_now()))
        except BaseException:
            await file.close()
            raise
        return cls(file, kept=kept)

    async def cursor(self, hook: str) -> int:
        """Give the cursor of the last message that was looked at for a webhook."""
        return await self._file.do(lambda database: tables.cursor(database, hook))

    async def advance(self, hook: str, cursor: int) -> None:
        """Note a cursor, unless a later one is noted already."""
        await self._file.do(lambda database: tables.advance(database, hook, cursor))

    async def add(self, hook: str, kind: str, body: bytes, *, cursor: int | None = None) -> int:
        """
        Queue a delivery, due at once, and with `cursor` note that too; give how many wait now.
        """

        def work(database: sqlite3.Connection) -> int:
            if cursor is not None:
                tables.advance(database, hook, cursor)
            tables.add(database, hook, delivery=new_id(), kind=kind, body=body, now=utc_now())
            return tables.waiting(database, hook)

        return await self._file.do(work)

    async def waiting(self, hook: str) -> int:
        """Count what isn't done."""
        return await self._file.do(lambda database: tables.waiting(database, hook))

    async def take(self, hook: str, *, horizon: float) -> Job | float | None:
        """
        Give the delivery that is due first, its attempts counted; it is ours until it is noted.

        If none is due, give the seconds until one is, None if none waits. None waits longer than
        `horizon` seconds.
        """
        return await self._file.do(lambda database: tables.take(database, hook, utc_now(), horizon))

    async def postpone(self, job: Job, *, status: int | None, error: str, due: datetime) -> None:
        """Note a failed attempt; another follows."""
        await self._file.do(
            lambda database: tables.postpone(
                database, job.number, status=status, error=error, due=due
            )
        )

    async def finish(self, job: Job, *, state: str, status: int | None, error: str) -> None:
        """Note how a delivery ended."""
        await self._file.do(
            lambda database: tables.finish(
                database, job.number, state=state, status=status, error=error, kept=self._kept
            )
        )

    async def counts(self, hook: str) -> tuple[int, int]:
        """Give how many deliveries were taken, and how many were given up."""
        return await self._file.do(lambda database: tables.counts(database, hook))

    async def newest(self, hook: str, *, limit: int) -> tuple[Delivery, ...]:
        """Give the newest deliveries, newest first."""
        return await self._file.do(lambda database: tables.newest(database, hook, limit))

    async def close(self) -> None:
        """Finish what is under way, and let go of the file."""
        await self._file.close()
