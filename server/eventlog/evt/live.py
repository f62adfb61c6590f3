"""
EvtLog, the live, circular event log file as Windows NT keeps it: `AppEvent.Evt`.

NT marks an open log dirty, and writes its header when it shuts down. Ours is clean after each
record, because a copy of a dirty file can't be opened as a saved log (KB Q255861).

An append overwrites the EOF record, which is all that a dirty file can be opened by. So it goes in
steps that each leave a file which `ring.locate` understands, wherever one is cut: mark the header
dirty; move the start past what is dropped; write all that comes behind the old EOF record, the new
one with it; put the first bytes over the old one; mark the header clean. What is in the file after
a loss of power is not promised: nothing is synced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, Self, final

from bindpost.errors import EventFileError, EventLogFullError

from .layout import (
    EMPTY,
    EOF_MAGIC,
    EOF_SIZE,
    FILL,
    FIXED_SIZE,
    HEADER_SIZE,
    MAGIC,
    MAX_FILE,
    STEP,
    Bounds,
    Flag,
    Header,
    LayoutError,
    number_after,
    pack_eof,
    pack_header,
)
from .reader import damaged, examine, records_in
from .record import MAX_PACKED, EvtRecord, check_length, pack, time_written_of
from .ring import Ring
from .storage import FileStorage, Storage

DEFAULT_MAX_SIZE: Final = 0x80000
"""Bytes: NT's default."""


class _Place(NamedTuple):
    """Where a record goes, and what is left of the older ones then; `padded` fills up the end."""

    at: int
    padded: bool
    left: Bounds


@final
class EvtLog:
    """
    A live log, open for as long as the object is not closed; for one thread at a time.

    `max_size`, in bytes, is a multiple of 64 KiB; a file that is there already is made larger if it
    can be, and never smaller. `retention` is for how many seconds a record is protected from being
    overwritten, 0 for not at all. `repaired` tells that the file was left dirty and has been put in
    order. Whatever happens to it, `storage` is closed with the log.

    Making one raises `EventFileFormatError` for a file that is no event log or a damaged one, which
    is left as it is, and `EventFileError` when it can't be read or written.
    """

    def __init__(
        self, storage: Storage, *, max_size: int = DEFAULT_MAX_SIZE, retention: int = 0
    ) -> None:
        if max_size % STEP or not STEP <= max_size <= MAX_FILE:
            raise ValueError(f"max_size must be a multiple of 65536, and is {max_size}")
        if not 0 <= retention <= 0xFFFFFFFF:
            raise ValueError(f"retention must be from 0 to 4294967295, and is {retention}")
        self._storage = storage
        self._closed = False
        self._dirty = False  # on disk, by a write of ours
        try:
            if _is_unwritten(storage):
                _create(storage, Header(bounds=EMPTY, max_size=max_size, retention=retention))
            self._open(max_size, retention)
        except BaseException:
            storage.close()
            raise

    @classmethod
    def open(cls, path: Path, *, max_size: int = DEFAULT_MAX_SIZE, retention: int = 0) -> Self:
        """
        Open a file, made if it isn't there, and keep other writers out of it.

        Raises `EventFileInUseError` when there is one, and whatever making a log raises.
        """
        return cls(FileStorage.open_locked(path), max_size=max_size, retention=retention)

    def _open(self, max_size: int, retention: int) -> None:
        ring, header, bounds = examine(self._storage)
        self.repaired = bool(header.flags & Flag.DIRTY) or bounds != header.bounds
        self._ring = ring
        size = _size_of(ring, header, bounds, max_size)
        self._header = Header(
            bounds=bounds,
            max_size=size,
            flags=header.flags & ~Flag.DIRTY
            | (Flag.WRAP if bounds.start > bounds.end else Flag.NONE),
            retention=retention,
        )
        pad = self._check()
        if self.repaired:
            self._repair(pad)
        elif self._header != header:
            self._write_header()

    @property
    def max_size(self) -> int:
        """Bytes that the file grows to before its oldest records are overwritten."""
        return self._header.max_size

    @property
    def next_number(self) -> int:
        """The number that the next record will get."""
        return self._header.bounds.next_number

    def append(self, record: EvtRecord) -> int:
        """
        Write a record behind the newest, with the next number, which is returned.

        Its own number is not looked at; what is too long is cut (`record.fit`). Raises
        `EventLogFullError` when retention protects what would have to go, by the two records'
        times of writing, and `EventFileError` when the file can't be written; the log can be used
        on after both.
        """
        if self._closed:
            raise EventFileError(f"event log {self._storage.name} is closed; open it again")
        limit = min(MAX_PACKED, self.max_size - HEADER_SIZE - FIXED_SIZE - EOF_SIZE)
        number = self.next_number
        raw = pack(replace(record, number=number), limit=limit)
        try:
            place = self._place(len(raw) + EOF_SIZE, record.time_written)
        except EventLogFullError:
            self._header = replace(self._header, flags=self._header.flags | Flag.LOGFULL_WRITTEN)
            self._settle()
            raise
        except LayoutError as error:
            raise damaged(self._storage, error) from error
        self._write(place, raw)
        return number

    def records(self) -> Iterator[EvtRecord]:
        """
        Give the records from the oldest to the newest, from the file.

        An append while they are read may overwrite the oldest: then `EventFileFormatError`.
        """
        return records_in(self._ring, self._header.bounds)

    def close(self) -> None:
        """Leave the file clean, and let others write to it. Can be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._dirty:
                self._settle()
        finally:
            self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, need: int, now: int) -> _Place:
        """Find room for so many bytes; nothing is written yet. Raises `EventLogFullError`."""
        bounds = self._header.bounds
        padded = bounds.start <= bounds.end and self.max_size - bounds.end < FIXED_SIZE
        at = HEADER_SIZE if padded else bounds.end

        def free() -> int:
            if bounds.start > at or padded:
                return bounds.start - at
            return self.max_size - at + bounds.start - HEADER_SIZE

        while free() < need:
            bounds = self._without_oldest(bounds, now)
        return _Place(at, padded, bounds)

    def _without_oldest(self, bounds: Bounds, now: int) -> Bounds:
        fixed = self._ring.read(bounds.start, FIXED_SIZE)
        if now - time_written_of(fixed) < self._header.retention:
            raise EventLogFullError(
                f"event log {self._storage.name} is full, and its oldest event is younger than "
                f"{self._header.retention} seconds (STATUS_LOG_FILE_FULL): make the log larger, "
                "or let it overwrite events as needed"
            )
        start = self._ring.after(bounds.start, check_length(fixed[:8]))
        oldest = number_after(bounds.oldest_number)
        if oldest == bounds.next_number:
            return replace(bounds, start=bounds.end, oldest_number=0)
        return replace(bounds, start=self._ring.record_place(start), oldest_number=oldest)

    def _write(self, place: _Place, raw: bytes) -> None:
        need = len(raw) + EOF_SIZE
        wraps = place.padded or place.at + need > self.max_size
        self._begin(place.left)
        size = self.max_size if wraps else _steps(place.at + need)
        if size > self._ring.size:
            self._storage.grow(size)
            self._ring = Ring(self._storage, size)

        number = self.next_number
        bounds = Bounds(
            start=place.left.start if place.left.oldest_number else place.at,
            end=self._ring.after(place.at, len(raw)),
            next_number=number_after(number),
            oldest_number=place.left.oldest_number or number,
        )
        both = raw + pack_eof(bounds)
        self._ring.write(self._ring.after(place.at, EOF_SIZE), both[EOF_SIZE:])
        self._ring.write(place.at, both[:EOF_SIZE])
        if place.padded:
            self._fill(place.left.end)
        flags = self._header.flags & ~Flag.LOGFULL_WRITTEN | (Flag.WRAP if wraps else Flag.NONE)
        self._header = replace(self._header, bounds=bounds, flags=flags)
        self._write_header()

    def _begin(self, left: Bounds) -> None:
        """
        Mark the file dirty, and forget the oldest records before anything is written over them.

        Two writes of the header: cut short, the first has changed the flags only, and the second
        stands under the mark.
        """
        self._write_header(Flag.DIRTY)
        if left != self._header.bounds:
            self._header = replace(self._header, bounds=left, flags=self._header.flags | Flag.WRAP)
            self._write_header(Flag.DIRTY)
            self._ring.write(left.end, pack_eof(left))

    def _settle(self) -> None:
        """Have the file say what the log knows, after a write that failed midway."""
        self._ring.write(self._header.bounds.end, pack_eof(self._header.bounds))
        self._write_header()

    def _write_header(self, mark: Flag = Flag.NONE) -> None:
        self._dirty = True
        header = replace(self._header, flags=self._header.flags | mark)
        self._storage.write(0, pack_header(header))
        self._dirty = bool(mark)

    def _fill(self, position: int) -> None:
        """Fill the file up from a position at which no record begins any more."""
        length = self._ring.size - position
        self._storage.write(position, (FILL * (length // len(FILL) + 1))[:length])

    def _check(self) -> int | None:
        """Go along all records; give where the end of the file was left out, if it was."""
        pad, expected = None, self._header.bounds.start
        try:
            for position, raw in self._ring.records(self._header.bounds):
                if position != expected:
                    pad = expected
                expected = self._ring.after(position, len(raw))
        except LayoutError as error:
            raise damaged(self._storage, error) from error
        return pad

    def _repair(self, pad: int | None) -> None:
        """
        Put a file in order that was left dirty.

        An EOF record that no record leads to is taken away, so that nobody who searches for one
        finds it later.
        """
        bounds = self._header.bounds
        self._write_header(Flag.DIRTY)
        self._ring.write(bounds.end, pack_eof(bounds))
        if pad is not None:
            self._fill(pad)
        used = self._ring.distance(bounds.start, bounds.end)
        for eof in self._ring.eof_records():
            if self._ring.distance(bounds.start, eof.end) > used:
                self._ring.write(eof.end, bytes(len(EOF_MAGIC)))
        self._write_header()


def _size_of(ring: Ring, header: Header, bounds: Bounds, wanted: int) -> int:
    """Give the size that a file grows to; where its end has been passed, it is what it is."""
    if ring.size <= MAX_FILE and bounds.start <= bounds.end <= ring.size - EOF_SIZE:
        return min(max(wanted, _steps(header.max_size), _steps(ring.size)), MAX_FILE)
    if not STEP <= ring.size <= MAX_FILE:
        raise damaged(ring.storage, LayoutError(f"no live log is {ring.size} bytes long"))
    return ring.size


def _steps(size: int) -> int:
    """Round up to whole steps."""
    return -(-size // STEP) * STEP


def _is_unwritten(storage: Storage) -> bool:
    """Tell whether a file is new, or one that nobody finished making."""
    size = storage.size()
    if size != STEP:
        return size == 0
    data = storage.read(0, size)
    begun = data[: len(MAGIC)].rstrip(b"\0")
    whole = len(begun) == len(MAGIC)
    return not whole and MAGIC.startswith(begun) and not any(data[HEADER_SIZE + EOF_SIZE :])


def _create(storage: Storage, header: Header) -> None:
    """Make an empty log; only when all is written does it begin as one."""
    storage.grow(STEP)
    storage.write(HEADER_SIZE, pack_eof(header.bounds))
    data = pack_header(header)
    storage.write(len(MAGIC), data[len(MAGIC) :])
    storage.write(0, MAGIC)
