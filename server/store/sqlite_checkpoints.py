"""
Copies the log of `mail.db` into the database beside the thread that writes.

Left alone SQLite does this within a commit, when its log has reached some length: a third of a
second and more for 125 MiB, in which no message is acknowledged. Here another connection does it
every few seconds, and nobody waits for it. SQLite begins its log anew only once all of it is
copied, and a busy writer is always some pages ahead; so when the log is long the writer copies
these few itself, right behind the other.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, final

from .sqlite_connection import WAL_PAGES

EVERY: Final = 5.0
"""Seconds between the beginnings of two copies."""


@final
class Checkpointer:
    """
    Has the log of one database copied; used by the thread that writes.

    `limit` is how many pages the log may have before the writer has to help, `clock` is monotonic.
    """

    def __init__(
        self,
        path: Path,
        *,
        limit: int = WAL_PAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._limit = limit
        self._clock = clock
        self._next = clock() + EVERY
        self._copying: Future[int] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bindpost-store-checkpoints")

    def is_help_needed(self) -> bool:
        """Have a copy made if it is time for it; say whether the writer shall copy the rest now."""
        if self._copying is not None:
            if not self._copying.done():
                return False
            length = self._copying.result()
            self._copying = None
            if length >= self._limit:
                return True
        now = self._clock()
        if now >= self._next:
            self._next = now + EVERY
            self._copying = self._thread.submit(self._copy)
        return False

    def close(self) -> None:
        """Finish a copy that is being made; closing again is harmless."""
        self._thread.shutdown()

    def _copy(self) -> int:
        """Copy what is in the log; give its length in pages, 0 if it can't be done now."""
        try:
            uri = f"{self._path.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
                found = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:  # the writer meets the same, and tells of it
            return 0
        return int(found[1])
