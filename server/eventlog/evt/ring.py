"""
The records of an event log file as a ring: behind its last byte comes the first after the header.

Everything here reads only. Offsets are checked against the file's size before they are used, and
nobody goes round twice, whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final, NamedTuple

from .layout import (
    EOF_MAGIC,
    EOF_SIZE,
    FIXED_SIZE,
    HEADER_SIZE,
    Bounds,
    LayoutError,
    number_after,
    unpack_eof,
)
from .record import check_length, is_half_written, number_of
from .storage import Storage

_BLOCK: Final = 0x10000
_CANDIDATES: Final = 8
"""EOF records that are tried, so that a hostile file full of them takes no long time."""
_WRAPPED: Final = 1 << 31
"""Half the record numbers: what is further ahead than this is behind."""


class Found(NamedTuple):
    """A record where it was found."""

    position: int
    raw: bytes


class BrokenError(LayoutError):
    """Where a record should be, there is none: `position` and `number` tell which."""

    def __init__(self, problem: str, position: int, number: int) -> None:
        super().__init__(f"{problem} at offset {position}, where record {number} should be")
        self.position = position
        self.number = number


@dataclass(frozen=True, slots=True)
class Ring:
    """The ring in a file of `size` bytes."""

    storage: Storage
    size: int

    def after(self, position: int, length: int) -> int:
        """Give the position behind a piece; it may be one where no record fits."""
        position += length
        return position if position < self.size else position - self.size + HEADER_SIZE

    def record_place(self, position: int) -> int:
        """Give where a record stands whose turn is here: its fixed part is never split."""
        return HEADER_SIZE if self.size - position < FIXED_SIZE else position

    def distance(self, start: int, end: int) -> int:
        """Give the bytes from one position up to another."""
        return end - start if end >= start else self.size - start + end - HEADER_SIZE

    def read(self, position: int, length: int) -> bytes:
        """Give the bytes of a piece. Raises `LayoutError` when the file can't hold it."""
        if not HEADER_SIZE <= position < self.size or length > self.size - HEADER_SIZE:
            raise LayoutError(f"offset {position} or length {length} is outside the file")
        first = self.storage.read(position, min(length, self.size - position))
        piece = first + self.storage.read(HEADER_SIZE, length - len(first))
        if len(piece) != length:
            raise LayoutError("the file became shorter while it was read")
        return piece

    def write(self, position: int, data: bytes) -> None:
        """Write a piece that fits."""
        first = data[: self.size - position]
        self.storage.write(position, first)
        if len(first) < len(data):
            self.storage.write(HEADER_SIZE, data[len(first) :])

    def record_at(self, position: int) -> bytes:
        """Give the bytes of the record at a position. Raises `LayoutError`."""
        length = check_length(self.read(position, 8))
        raw = self.read(position, length)
        if raw[-4:] != raw[:4]:
            raise LayoutError("there is a record whose end is missing")
        return raw

    def eof_at(self, position: int) -> Bounds | None:
        """Give what the EOF record at a position says, when there is one that knows its place."""
        try:
            bounds = unpack_eof(self.read(position, EOF_SIZE))
        except LayoutError:
            return None
        return bounds if bounds.end == position else None

    def records(self, bounds: Bounds) -> Iterator[Found]:
        """
        Give the records from the oldest to the newest. Raises `BrokenError`.

        It also does when their numbers don't follow each other up to `bounds.next_number`.
        """
        position, number = bounds.start, bounds.oldest_number
        left = self.size - HEADER_SIZE
        while position != bounds.end and (place := self.record_place(position)) != bounds.end:
            found = self._record(place, number)
            left -= len(found.raw)
            if left < 0:
                raise BrokenError("the records have no end: one begins", place, number)
            yield found
            position, number = self.after(place, len(found.raw)), number_after(number)
        if bounds.start != bounds.end and number != bounds.next_number:
            raise BrokenError("the EOF record stands", position, number)

    def walk(self, bounds: Bounds) -> Bounds:
        """
        Follow the records from the oldest one until there are no more, whatever `bounds.end` says.

        Gives where they end and which number comes next; an EOF record is not needed for that.
        """
        position, start = bounds.start, bounds.start
        oldest = number = bounds.oldest_number or bounds.next_number
        left = self.size - HEADER_SIZE
        while True:
            try:
                found = self._record(self.record_place(position), number)
            except BrokenError:
                break
            left -= len(found.raw)
            if left < 0 or (position == bounds.end and is_half_written(found.raw)):
                break
            if number == oldest:
                start = found.position
            position, number = self.after(*_extent(found)), number_after(number)
        return Bounds(
            start=start,
            end=position,
            next_number=number,
            oldest_number=0 if number == oldest else oldest,
        )

    def eof_records(self) -> Iterator[Bounds]:
        """Search the file for EOF records that know their place, in steps of four bytes."""
        for offset in range(HEADER_SIZE, self.size, _BLOCK):
            block = self.storage.read(offset, min(_BLOCK + EOF_SIZE, self.size - offset))
            block += self.storage.read(HEADER_SIZE, _BLOCK + EOF_SIZE - len(block))
            at = block.find(EOF_MAGIC)
            while 0 <= at < min(_BLOCK, self.size - offset):
                if at % 4 == 0 and (bounds := self.eof_at(offset + at)):
                    yield bounds
                at = block.find(EOF_MAGIC, at + 1)

    def _record(self, position: int, number: int) -> Found:
        try:
            raw = self.record_at(position)
        except LayoutError as error:
            raise BrokenError(str(error), position, number) from error
        if number_of(raw) != number:
            raise BrokenError(f"record {number_of(raw)} is", position, number)
        return Found(position, raw)


def locate(ring: Ring, header: Bounds) -> Bounds:
    """
    Find where the records of a file are whose header may be stale. Raises `LayoutError`.

    NT writes the header at shutdown only, and leaves everything else to the EOF record. Ours is
    stale by one record at most. So the way along the records is tried first: it can't be led astray
    by data that look like an EOF record.
    """
    walked = ring.walk(header)
    eof = ring.eof_at(walked.end)
    if eof and _leads(ring, eof, header):
        return eof
    if eof and eof.next_number == walked.next_number:
        return walked  # its start was being moved on
    length = ring.distance(walked.start, walked.end)
    outside = (eof for eof in ring.eof_records() if ring.distance(walked.start, eof.end) >= length)
    newest = nsmallest(_CANDIDATES, outside, key=lambda eof: _ahead(eof, header))
    for eof in newest:
        if _leads(ring, eof, header):
            return eof
    if walked.end == header.end and any(_awaits(ring, eof, walked) for eof in newest):
        return walked  # and behind it, a record was being written
    raise LayoutError("no EOF record is found that its records lead to")


def _leads(ring: Ring, bounds: Bounds, header: Bounds) -> bool:
    """Tell whether the records go on to the end without a gap, and are whole."""
    written = ring.record_place(header.end)  # where one may have been written
    try:
        for position, raw in ring.records(bounds):
            if position == written and is_half_written(raw):
                return False
    except LayoutError:
        return False
    return (bounds.start == bounds.end) == (bounds.oldest_number == 0)


def _awaits(ring: Ring, eof: Bounds, walked: Bounds) -> bool:
    """Tell whether an EOF record is one that was written ahead, for one more record."""
    start, oldest = walked.start, walked.oldest_number
    if not oldest:
        start, oldest = ring.record_place(walked.end), walked.next_number
    awaited = number_after(walked.next_number)
    return (eof.start, eof.oldest_number, eof.next_number) == (start, oldest, awaited)


def _ahead(bounds: Bounds, other: Bounds) -> int:
    """Give a key that sorts the newest first; numbers wrap."""
    return (other.next_number - bounds.next_number + _WRAPPED) % (2 * _WRAPPED)


def _extent(found: Found) -> tuple[int, int]:
    return found.position, len(found.raw)
