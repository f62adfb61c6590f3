"""Room on the disk for `mail.db`: how much there is, and how to get more of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError

from .sqlite_checkpoints import Checkpointer
from .sqlite_connection import PAGE_SIZE

_STEP: Final = 256
"""Pages that are given back to the disk in one transaction: 2 MiB."""
_SPARE: Final = 16 * 1024 * 1024 // PAGE_SIZE
"""Free pages inside the database that are kept for the messages to come."""


@final
class Space:
    """
    The disk space of one database; used by the thread that writes.

    `keep_free` bytes of the disk stay free when messages are added. Deleting needs them: it must
    write to the log before it can free anything, so on a disk that is full to the last byte
    nothing could ever be deleted.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, *, keep_free: int) -> None:
        self._connection = connection
        self._path = path
        self.log = path.with_name(path.name + "-wal")
        self._keep_free = keep_free
        self._place = _place(path)
        self._checkpointer = Checkpointer(path)

    def check_place(self) -> None:
        """
        See that the database is still where it was opened.

        A file that was moved or removed can still be written to, but nobody would find the mail.
        Raises `StoreError`.
        """
        try:
            if _place(self._path) == self._place:
                return
        except OSError:
            pass
        raise StoreError(
            f"{self._path} has been moved or removed while it was open; "
            "put the data folder back, or restart bindpost with another one"
        )

    def room(self) -> int:
        """
        Give the bytes that may be written; negative when there are fewer than none.

        What is in the log has yet to be copied into the database, so it counts twice.
        """
        free = shutil.disk_usage(self._path.parent).free
        try:
            pending = self.log.stat().st_size
        except FileNotFoundError:
            pending = 0
        return free - self._keep_free - pending

    def make_room(self, needed: int) -> None:
        """Give back to the disk the log, and free pages until there is room for `needed` bytes."""
        with suppress(sqlite3.Error, OSError):
            self._checkpoint("TRUNCATE")
            while self.room() < needed and self._free_pages():
                self._give_back()
                self._checkpoint("TRUNCATE")

    def tidy(self) -> bool:
        """Do a piece of the work that can wait for a quiet moment; say whether more is left."""
        with suppress(sqlite3.Error, OSError):
            if self._free_pages() > _SPARE:
                self._give_back()
                return True
            self._checkpoint("PASSIVE")
        return False

    def shorten_log(self) -> None:
        """Have the log copied into the database when it is time; see `sqlite_checkpoints`."""
        if self._checkpointer.is_help_needed():
            with suppress(sqlite3.Error):
                self._checkpoint("PASSIVE")

    def close(self) -> None:
        """End what is done beside the thread that writes."""
        self._checkpointer.close()

    def _free_pages(self) -> int:
        (pages,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        return int(pages)

    def _give_back(self) -> None:
        # Each row that is fetched is a page that went back.
        self._connection.execute(f"PRAGMA incremental_vacuum({_STEP})").fetchall()

    def _checkpoint(self, mode: str) -> None:
        self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


def _place(path: Path) -> tuple[int, int]:
    """Give what tells a file from any other."""
    status = path.stat()
    return status.st_dev, status.st_ino
