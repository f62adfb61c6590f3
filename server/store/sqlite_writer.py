"""
The writer thread: one transaction for all the work that has queued up (group commit).

While the fsync of one batch runs, the next batch forms by itself; nothing ever waits for a batch to
fill, so a lone message is as fast as the disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, final

from bindpost.errors import StoreError, StoreFullError

from .sqlite_connection import translate
from .sqlite_inbox import Inbox, written_size
from .store import Change, Counts

BATCH_JOBS: Final = 512
BATCH_BYTES: Final = 32 * 1024 * 1024
_QUIET: Final = 1.0
"""Seconds without work after which the database is tidied."""

_T = TypeVar("_T")
Work = Callable[[Inbox], _T]


@dataclass(frozen=True, slots=True)
class _Job(Generic[_T]):
    """A piece of work that is done inside a transaction, `size` bytes large, and who awaits it."""

    work: Work[_T]
    size: int
    future: asyncio.Future[_T]


_Jobs = Sequence[_Job[Any]]  # each of a type of its own, which its future shares
_Outcome = tuple[asyncio.Future[Any], Any, StoreError | None]


@final
class Writer:
    """
    Does work on an inbox in a thread of its own, and answers on the event loop that made it.

    `committed` is called there with what a batch changed, before the batch is answered.
    """

    def __init__(
        self, inbox: Inbox, *, committed: Callable[[Sequence[Change], Counts], None]
    ) -> None:
        self._inbox = inbox
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Job[Any]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="bindpost-store-writer", daemon=True)
        self._thread.start()

    async def do(self, work: Work[_T], *, size: int = 0) -> _T:
        """
        Do this work in a transaction; when it returns, the transaction is durable.

        Work that has been queued is done even if its caller is cancelled. It may be done more than
        once, each time after a rollback. Raises `StoreError`.
        """
        future: asyncio.Future[_T] = self._loop.create_future()
        with self._wake:
            if self._stopping:
                raise StoreError("the message store is closed")
            self._queue.append(_Job(work, size, future))
            self._wake.notify()
        return await future

    async def close(self) -> None:
        """Finish what is queued, close the inbox and end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _run(self) -> None:
        untidy = True
        try:
            while (jobs := self._take(timeout=_QUIET if untidy else None)) is not None:
                if jobs:
                    self._write(jobs)
                    untidy = True
                else:
                    untidy = self._inbox.space.tidy()
                jobs = ()  # lets go of their messages while waiting
        finally:
            try:
                self._inbox.close()
            finally:
                self._abandon()

    def _take(self, *, timeout: float | None) -> _Jobs | None:
        """Wait for a batch; none of it when `timeout` seconds have gone by, None at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._stopping, timeout)
            if not self._queue:
                return None if self._stopping else ()
            jobs = [self._queue.popleft()]
            size = jobs[0].size
            while self._queue and len(jobs) < BATCH_JOBS:
                size += self._queue[0].size
                if size > BATCH_BYTES:
                    break
                jobs.append(self._queue.popleft())
            return jobs

    def _write(self, jobs: _Jobs) -> None:
        """Do jobs in one transaction; if it fails, each in its own, so that one fails alone."""
        failure = self._attempt(jobs)
        if isinstance(failure, StoreFullError):
            self._inbox.space.make_room(sum(written_size(job.size) for job in jobs))
            failure = self._attempt(jobs)
        if failure is None:
            return
        if len(jobs) == 1:
            self._answer([(jobs[0].future, None, failure)], ())
        else:
            for job in jobs:
                self._write([job])

    def _attempt(self, jobs: _Jobs) -> StoreError | None:
        """Do jobs in one transaction and answer them; or undo it and give the reason."""
        try:
            self._inbox.begin()
            results = [job.work(self._inbox) for job in jobs]
            changes = self._inbox.commit()
        except Exception as error:
            self._inbox.rollback()
            failure = translate(error, self._inbox.path)
            if failure is not error:
                failure.__cause__ = error
            return failure
        outcomes: list[_Outcome] = [
            (job.future, result, None) for job, result in zip(jobs, results, strict=True)
        ]
        self._answer(outcomes, changes)
        return None

    def _answer(self, outcomes: Sequence[_Outcome], changes: Sequence[Change]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._deliver, outcomes, changes, self._inbox.counts)

    def _deliver(
        self, outcomes: Sequence[_Outcome], changes: Sequence[Change], counts: Counts
    ) -> None:
        self._committed(changes, counts)
        for future, result, failure in outcomes:
            if future.done():  # its caller was cancelled
                continue
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def _abandon(self) -> None:
        """Answer what is still queued when the thread ends by a fault of its own."""
        with self._wake:
            self._stopping = True
            outcomes: list[_Outcome] = [
                (job.future, None, StoreError("the message store has ended")) for job in self._queue
            ]
            self._queue.clear()
        self._answer(outcomes, ())
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopped.set_result, None)
