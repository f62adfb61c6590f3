"""The indexer's other end: starts it, tells it what happens to the inbox, starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import Final, Protocol, final

import bindpost
from bindpost import events
from bindpost.log import get_logger

from ..message.model import utc_now
from ..store.index_state import Indexed, IndexState
from .talk import Order, read_report, write_line

_LOG: Final = get_logger("bindpost.indexer")
FAREWELL: Final = 5.0
"""Seconds that the indexer has to finish what it does, at most a message, before it is killed."""
PAUSES: Final = (1.0, 60.0)
"""Seconds before it is started again: the first time, and at most; each is twice the last."""
_STEADY: Final = 60.0
"""Seconds after which an indexer counts as one that works."""
_GATHER: Final = 0.1
"""Seconds in which news are gathered, so that no message is told alone while many come."""


class Start(Protocol):
    """Starts the indexer."""

    async def __call__(self) -> asyncio.subprocess.Process:
        """Start it, with pipes as its standard input and output. Raises `OSError`."""
        ...


@final
class Supervisor:
    """
    Has the index of a store made by a process of its own, from the first message on.

    Implements `bindpost.server.store.index_state.TellsIndex`.
    """

    def __init__(
        self, store: Indexed, start: Start, *, pauses: tuple[float, float] = PAUSES
    ) -> None:
        self._store = store
        self._start = start
        self._first_pause, self._longest_pause = pauses
        self._trouble = ""
        self._reading = 0
        self._died_at = 0
        self._suspect = 0

    async def state(self) -> IndexState:
        """Give how far the index is; see `TellsIndex`."""
        indexed, behind, oldest = await self._store.progress()
        seconds = 0.0 if oldest is None else (utc_now() - oldest).total_seconds()
        return IndexState(
            state="failed" if self._trouble else "behind" if behind else "current",
            reason=self._trouble,
            indexed=indexed,
            messages_behind=behind,
            seconds_behind=round(max(0.0, seconds), 3),
        )

    async def run(self) -> None:
        """Keep an indexer running until this is cancelled."""
        await self._store.index.news.wait()
        pause = self._first_pause
        while True:
            started = time.monotonic()
            try:
                await self._run_one()
            except (OSError, ValueError) as error:
                self._trouble = str(error)
            if time.monotonic() - started >= _STEADY:
                pause = self._first_pause
            _LOG.warning(events.INDEXER_FAILED, reason=self._trouble, retry_in=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._longest_pause)

    async def _run_one(self) -> None:
        """Run one indexer to its end; the trouble is then known."""
        self._store.index.start_over()
        process = await self._start()
        assert process.stdin is not None
        telling = asyncio.create_task(self._tell(process.stdin))
        try:
            self._trouble = await self._listen(process)
        finally:
            telling.cancel()
            process.stdin.close()
            await asyncio.gather(telling, return_exceptions=True)
            await _end(process)
        if not self._trouble:
            self._trouble = f"the indexer has ended with status {process.returncode}"
            self._suspect = self._reading if self._reading == self._died_at else 0
            self._died_at = self._reading

    async def _listen(self, process: asyncio.subprocess.Process) -> str:
        """Take reports until there are no more; give why, as far as it said."""
        assert process.stdout is not None
        async for line in process.stdout:
            report = read_report(line)
            if report.failed:
                return report.failed
            if report.rebuilt:
                _LOG.warning(events.INDEX_REBUILT, reason=report.rebuilt)
            self._trouble = ""
            self._reading = report.reading
            self._store.index.trust(
                report.upto, indexed=report.indexed, is_new=bool(report.rebuilt)
            )
        return ""

    async def _tell(self, orders: asyncio.StreamWriter) -> None:
        """Tell an indexer what happens, now and then, until it takes no more."""
        index = self._store.index
        order = Order(database=index.database, suspect=self._suspect)
        with contextlib.suppress(ConnectionError):
            while True:
                orders.write(write_line(order))
                await orders.drain()
                await asyncio.sleep(_GATHER)
                await index.news.wait()
                news = index.take()
                order = Order(
                    deleted=news.deleted,
                    compare=news.has_missed,
                    rebuild="a search could not read it" if news.is_damaged else "",
                )


async def start_indexer(folder: Path | None = None) -> asyncio.subprocess.Process:
    """Start the indexer of a data folder, or of the database that it is told. Raises `OSError`."""
    # Without the current folder on its path, which may be anybody's; but where this one is found.
    ours = str(Path(bindpost.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH", ""))))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bindpost.server.indexer"),
        *([] if folder is None else [str(folder)]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for an indexer that has been told to end."""
    try:
        async with asyncio.timeout(FAREWELL):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
