"""
The segment files of `mail.db`: large bodies, written once and one behind the other.

SQLite would write them twice, to its log and from there to their place. What makes this safe:

* Bytes are synced before the transaction that names them is committed, so no row points at bytes
  that a loss of power could take.
* A segment ends behind its last message. What lies there from a transaction that was never
  committed is overwritten, and cut off when the database is opened.
* What a transaction frees is given back to the disk after its commit is durable, never before.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError

from .sql_rows import marks, pieces
from .sqlite_bodies import SEGMENT_FOLDER, Extent, read_extent, segment_file

COMPACT_BYTES: Final = 4 * 1024 * 1024
"""Bytes that one transaction moves when a segment is compacted, or one message."""
_SPARSE: Final = 4
"""Parts of a segment of which more than one must be kept, or it is compacted in a quiet moment."""
_MOVED: Final = 64
"""Messages that one transaction moves at most."""

_END: Final = (
    "coalesce((SELECT place + length FROM extent WHERE extent.segment = segment.number"
    " ORDER BY place DESC LIMIT 1), 0)"
)

_ENDS: Final = f"SELECT number, {_END} FROM segment"  # noqa: S608 - constants only

_sync = getattr(os, "fdatasync", os.fsync)  # a new length is synced with the data, times are not


@final
class Segments:
    """
    Writes and frees bodies in segment files, inside the transaction that the caller has begun.

    Before its commit `prepare` must be called, after it `settle`, after its rollback `undo`. A
    segment of `length` bytes takes no more messages. `log` is the database's write-ahead log, which
    is synced before files are cut when commits themselves are not.
    Used by the thread that writes. Raises what SQLite and the system raise.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, *, length: int, log: Path | None
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._length = length
        self._log = log
        (self._name,) = connection.execute("SELECT name FROM segment_set").fetchone()
        ends = dict(connection.execute(_ENDS).fetchall())
        self._newest = max(ends, default=0)
        self._end = ends.get(self._newest, 0)
        self._committed = (self._newest, self._end)
        self._freed: set[int] = set()
        self._damaged: set[int] = set()
        self._clean(ends)
        self._file = self._reopened()
        """The newest segment; None if it takes no more."""

    def append(self, raws: Sequence[bytes]) -> list[Extent]:
        """Write bodies, durably, and give their places; the rows of `extent` are the caller's."""
        file = self._file
        if file is None or self._end >= self._length:
            file = self._begin()
        start = self._end
        file.seek(start)
        extents = []
        for raw in raws:
            _write(file, raw)
            extents.append(Extent(self._newest, self._end, len(raw), zlib.crc32(raw)))
            self._end += len(raw)
        _sync(file.fileno())
        self._connection.execute(
            "INSERT INTO segment (number, size) VALUES (?1, ?2)"
            " ON CONFLICT (number) DO UPDATE SET size = size + ?2",
            (self._newest, self._end - start),
        )
        return extents

    def free(self, cursors: Sequence[int]) -> None:
        """Let go of the bodies of messages that are deleted, as far as they are in segments."""
        if not self._newest:
            return
        for some in pieces(cursors):
            named = f"cursor IN ({marks(some)})"
            freed = self._connection.execute(
                f"SELECT segment, sum(length) FROM extent WHERE {named} GROUP BY segment",  # noqa: S608 - only marks
                some,
            ).fetchall()
            if freed:
                self._connection.execute(f"DELETE FROM extent WHERE {named}", some)  # noqa: S608 - only marks
                self._shrink(freed)

    def sparse(self, *, hard: bool) -> int | None:
        """
        Give a segment to compact: one of which a quarter or less is kept, but for the newest.

        When it is `hard`, because the disk is full, any of which something is gone.
        """
        found = self._connection.execute(
            f"SELECT number, size, {_END} AS end FROM segment"  # noqa: S608 - constants only
            " WHERE size * ? < end AND number <= ? ORDER BY end - size DESC",
            (1 if hard else _SPARSE, self._newest if hard else self._newest - 1),
        )
        return next((number for number, _, _ in found if number not in self._damaged), None)

    def compact(self, number: int) -> None:
        """Move the last messages of a segment to the newest one, so that its file gets shorter."""
        moving = self._last_of(number)
        file = segment_file(self._folder, self._name, number)
        try:
            raws = [read_extent(file, extent) for _, extent in moving]
        except (OSError, StoreError):
            self._damaged.add(number)  # left as it is: each message says so when it is read
            return
        if number == self._newest:
            self._close()
        moved = zip(moving, self.append(raws), strict=True)
        self._connection.executemany(
            "UPDATE extent SET segment = ?, place = ? WHERE cursor = ?",
            [(to.segment, to.place, cursor) for (cursor, _), to in moved],
        )
        self._shrink([(number, sum(map(len, raws)))])

    def prepare(self) -> None:
        """Drop the segments that the transaction has emptied; called before it is committed."""
        if self._freed:
            self._connection.execute("DELETE FROM segment WHERE size = 0")

    def settle(self) -> None:
        """Give the disk back what was freed, now that the transaction is committed."""
        freed, self._freed = self._freed, set()
        # What can't be cut now is cut when the database is opened the next time.
        with suppress(OSError, sqlite3.Error):
            if freed and self._log is not None:
                _sync_file(self._log)
            for number in freed:
                self._cut(number, self._end_of(number))
        self._committed = (self._newest, self._end)

    def undo(self) -> None:
        """Forget what was written and freed since the last commit."""
        self._freed.clear()
        written = self._newest
        self._newest, self._end = self._committed
        with suppress(OSError):
            if written != self._newest:
                self._close()
                segment_file(self._folder, self._name, written).unlink()
            elif self._file is not None:
                self._file.truncate(self._end)

    def close(self) -> None:
        """Close the file."""
        self._close()

    def _begin(self) -> FileIO:
        """Begin a new segment."""
        self._close()
        self._newest += 1
        self._end = 0
        path = segment_file(self._folder, self._name, self._newest)
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700)
            _sync_folder(self._folder)
        self._file = FileIO(path, "w", opener=_open_private)
        _sync_folder(path.parent)
        return self._file

    def _reopened(self) -> FileIO | None:
        """Give the newest segment, to go on with; None if there is none or it has lost bytes."""
        path = segment_file(self._folder, self._name, self._newest)
        if not self._newest or not path.exists() or path.stat().st_size < self._end:
            return None
        return FileIO(path, "r+")

    def _clean(self, ends: Mapping[int, int]) -> None:
        """Drop what no committed transaction has written."""
        for path in (self._folder / SEGMENT_FOLDER).glob(f"{self._name}-*.seg"):
            number = int(path.stem.rpartition("-")[2])
            if number not in ends:
                path.unlink()
            elif path.stat().st_size > ends[number]:
                os.truncate(path, ends[number])

    def _cut(self, number: int, end: int) -> None:
        """Cut a segment behind its last message, or drop it when there is none."""
        if number == self._newest:
            self._end = end
            if not end:
                self._close()
        path = segment_file(self._folder, self._name, number)
        if end:
            os.truncate(path, end)
        else:
            path.unlink(missing_ok=True)

    def _last_of(self, number: int) -> list[tuple[int, Extent]]:
        """Give the last messages of a segment, last first, as many as a transaction moves."""
        last: list[tuple[int, Extent]] = []
        room = COMPACT_BYTES
        for cursor, *where in self._connection.execute(
            "SELECT cursor, segment, place, length, crc FROM extent WHERE segment = ?"
            " ORDER BY place DESC LIMIT ?",
            (number, _MOVED),
        ):
            extent = Extent(*where)
            room -= extent.length
            if room < 0 and last:
                break
            last.append((cursor, extent))
        return last

    def _shrink(self, freed: Sequence[tuple[int, int]]) -> None:
        self._connection.executemany(
            "UPDATE segment SET size = size - ? WHERE number = ?",
            [(size, number) for number, size in freed],
        )
        self._freed.update(number for number, _ in freed)

    def _end_of(self, number: int) -> int:
        """Give the end of a segment, 0 if no message is left in it."""
        found = self._connection.execute(f"{_ENDS} WHERE number = ?", (number,)).fetchone()
        return found[1] if found else 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _write(file: FileIO, raw: bytes) -> None:
    left = memoryview(raw)
    while left:
        left = left[file.write(left) :]


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_file(path: Path) -> None:
    with FileIO(path, "r+") as file:
        _sync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make the name of a new file in a folder durable; Windows does so by itself."""
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
