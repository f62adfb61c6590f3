"""
The writer thread: one transaction for all the work that has queued up (group commit).

While the fsync of one batch runs, the next batch forms by itself; nothing ever waits for a batch to
fill, so a lone message is as fast as the disk.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, TypeVarTuple, Unpack, final

from bindpost.errors import StoreAwayError, StoreError, StoreFullError

from .backlog import Backlog
from .store import Change, Counts

BATCH_JOBS: Final = 512
BATCH_BYTES: Final = 32 * 1024 * 1024
QUIET: Final = 1.0
"""Seconds without work after which the database is tidied."""


class Inbox(ABC):
    """
    An inbox as its writer sees it: `begin`, some work, then `commit` or `rollback`.

    Whatever fails, fails in its own way: `translate` says what that means.
    """

    @property
    @abstractmethod
    def counts(self) -> Counts:
        """How much is kept, as far as it was committed and seen here."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def commit(self) -> list[Change]:
        """Make the transaction durable; give what it changed."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction."""

    @abstractmethod
    def translate(self, error: Exception) -> StoreError:
        """Say what an error means."""

    def make_room(self, sizes: Sequence[int]) -> None:  # noqa: B027 - not every disk is ours
        """Give the disk back what can be, until there is room for messages of these sizes."""

    def shorten_log(self) -> None:  # noqa: B027 - as above
        """Have the log copied into the database when it is time; called between transactions."""

    def tidy(self) -> bool:
        """Do a piece of the work that can wait for a quiet moment; say whether more is left."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""


_Inbox = TypeVar("_Inbox", bound=Inbox)
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


@dataclass(slots=True)
class _Job(Generic[_T]):
    """A piece of work that is done inside a transaction, `size` bytes large, and who awaits it."""

    work: Callable[..., _T]
    arguments: tuple[Any, ...]  # those that `work` takes after the inbox: `Writer.do` is typed
    size: int
    future: asyncio.Future[_T]


_Jobs = Sequence[_Job[Any]]  # each of a type of its own, which its future shares
_Results = Sequence[Any]


@final
class Writer(Generic[_Inbox]):
    """
    Does work on an inbox in a thread of its own, and answers on the event loop that made it.

    `committed` is called there with what a batch changed, before the batch is answered. After
    `quiet` seconds without work the inbox is tidied.
    """

    def __init__(
        self,
        inbox: _Inbox,
        *,
        quiet: float = QUIET,
        committed: Callable[[Sequence[Change], Counts], None],
    ) -> None:
        self._inbox = inbox
        self._quiet = quiet
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._backlog = Backlog()
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._next: _Job[Any] | None = None
        """Taken from the queue, but too large for the batch before."""
        self._stopping = False
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="bindpost-store-writer", daemon=True)
        self._thread.start()

    async def do(
        self, work: Callable[[_Inbox, Unpack[_Ts]], _T], *arguments: *_Ts, size: int = 0
    ) -> _T:
        """
        Do this work in a transaction; when it returns, the transaction is durable.

        When much is queued already, it waits before it queues the work; `size` is its bytes. Work
        that has been queued is done even if its caller is cancelled. It may be done more than
        once, each time after a rollback. Raises `StoreError`.
        """
        if not self._backlog.enter(size):
            await self._backlog.wait(size)
        future: asyncio.Future[_T] = self._loop.create_future()
        if self._stopping:
            self._backlog.leave(1, size)
            raise StoreError("the message store is closed")
        self._queue.put(_Job(work, arguments, size, future))
        return await future

    async def close(self) -> None:
        """Finish what is queued, close the inbox and end the thread."""
        if not self._stopping:
            self._stopping = True
            self._queue.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _run(self) -> None:
        untidy = True
        try:
            while (jobs := self._take(timeout=self._quiet if untidy else None)) is not None:
                if jobs:
                    self._write(jobs)
                    self._inbox.shorten_log()
                    untidy = True
                else:
                    untidy = self._inbox.tidy()
                jobs = ()  # lets go of their messages while waiting
        finally:
            try:
                self._inbox.close()
            finally:
                self._call(self._end)

    def _take(self, *, timeout: float | None) -> _Jobs | None:
        """Wait for a batch; none of it when `timeout` seconds have gone by, None at the end."""
        try:
            job = self._next or self._queue.get(timeout=timeout)
        except queue.Empty:
            return ()
        self._next = None
        if job is None:
            return None
        jobs = [job]
        size = job.size
        with suppress(queue.Empty):
            while len(jobs) < BATCH_JOBS:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)  # the end: nothing is queued behind it
                    break
                size += job.size
                if size > BATCH_BYTES:
                    self._next = job
                    break
                jobs.append(job)
        return jobs

    def _write(self, jobs: _Jobs) -> None:
        """
        Do jobs in one transaction; if that fails, in halves, so that a bad one fails alone.

        When the database is away all of them fail: the next ones would wait for it once more.
        """
        failure = self._attempt(jobs)
        if isinstance(failure, StoreFullError):
            self._inbox.make_room([job.size for job in jobs])
            failure = self._attempt(jobs)
        if failure is None:
            return
        if len(jobs) == 1 or isinstance(failure, StoreAwayError):
            self._call(self._fail, jobs, failure)
        else:
            half = len(jobs) // 2
            self._write(jobs[:half])
            self._write(jobs[half:])

    def _attempt(self, jobs: _Jobs) -> StoreError | None:
        """Do jobs in one transaction and answer them; or undo it and give the reason."""
        try:
            self._inbox.begin()
            results = [job.work(self._inbox, *job.arguments) for job in jobs]
            changes = self._inbox.commit()
        except Exception as error:
            self._inbox.rollback()
            failure = self._inbox.translate(error)
            if failure is not error:
                failure.__cause__ = error
            return failure
        self._call(self._deliver, jobs, results, changes, self._inbox.counts)
        return None

    def _call(self, answer: Callable[[Unpack[_Ts]], None], *arguments: *_Ts) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(answer, *arguments)

    def _deliver(
        self, jobs: _Jobs, results: _Results, changes: Sequence[Change], counts: Counts
    ) -> None:
        self._committed(changes, counts)
        for job, result in zip(jobs, results, strict=True):
            if not job.future.done():  # its caller was cancelled
                job.future.set_result(result)
        self._leave(jobs)

    def _fail(self, jobs: _Jobs, failure: StoreError) -> None:
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(failure)
        self._leave(jobs)

    def _leave(self, jobs: _Jobs) -> None:
        self._backlog.leave(len(jobs), sum(job.size for job in jobs))

    def _end(self) -> None:
        """Answer what is still queued when the thread has ended by a fault of its own."""
        self._stopping = True
        left = [self._next] if self._next else []
        with suppress(queue.Empty):
            while True:
                if job := self._queue.get_nowait():
                    left.append(job)
        self._next = None
        self._fail(left, StoreError("the message store has ended"))
        if not self._stopped.done():
            self._stopped.set_result(None)
