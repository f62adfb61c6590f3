"""Reads event log files, whoever wrote them: live ones, wrapped or dirty, and exported ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self, final

from bindpost.errors import EventFileFormatError

from .layout import HEADER_SIZE, Bounds, Flag, Header, LayoutError, unpack_header
from .record import EvtRecord, unpack
from .ring import Ring, locate
from .storage import FileStorage, Storage


@final
class EvtReader:
    """
    The records of an event log file, from the oldest to the newest.

    `header` is what the file says of itself; where that is stale (DIRTY), the records are searched
    for. One record at a time is in memory. Nothing is locked: while a log is written to, its oldest
    records may go before they are read, which comes out as a damaged file.

    Making one raises `EventFileError`, with `EventFileFormatError` for what is no event log.
    """

    def __init__(self, path: Path) -> None:
        self._storage = FileStorage.open_to_read(path)
        try:
            self._ring, self.header, self._bounds = examine(self._storage)
        except BaseException:
            self._storage.close()
            raise

    def __iter__(self) -> Iterator[EvtRecord]:
        """Give the records. Raises `EventFileFormatError` at the first that is damaged."""
        return records_in(self._ring, self._bounds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._storage.close()


def examine(storage: Storage) -> tuple[Ring, Header, Bounds]:
    """Give the ring, its header, and where its records are. Raises `EventFileFormatError`."""
    ring = Ring(storage, storage.size())
    try:
        header = unpack_header(storage.read(0, HEADER_SIZE))
    except LayoutError as error:
        raise EventFileFormatError(f"{storage.name} is no event log file: {error}") from error
    clean = not header.flags & Flag.DIRTY and ring.eof_at(header.bounds.end) == header.bounds
    try:
        return ring, header, header.bounds if clean else locate(ring, header.bounds)
    except LayoutError as error:
        raise damaged(storage, error) from error


def records_in(ring: Ring, bounds: Bounds) -> Iterator[EvtRecord]:
    """Give the records from the oldest to the newest. Raises `EventFileFormatError`."""
    try:
        for found in ring.records(bounds):
            yield unpack(found.raw)
    except LayoutError as error:
        raise damaged(ring.storage, error) from error


def damaged(storage: Storage, error: LayoutError) -> EventFileFormatError:
    """Give the error of a file that began as an event log."""
    return EventFileFormatError(
        f"event log {storage.name} is damaged: {error}; move it away, or take a copy of it that "
        "was made when nobody wrote to it"
    )
