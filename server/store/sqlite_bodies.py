"""
The read side of message bodies: small ones are in `mail.db`, large ones in segment files beside it.

All it needs is a connection that reads and the folder, so any process can use it.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from bindpost.errors import StoreError

SEGMENT_FOLDER: Final = "segments"


class Extent(NamedTuple):
    """Where bytes are in the segment files, and their CRC-32."""

    segment: int
    place: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """The place behind the last byte."""
        return self.place + self.length


def segment_file(folder: Path, name: str, number: int) -> Path:
    """Give the file of a segment; `name` is that of the database's set of segments."""
    return folder / SEGMENT_FOLDER / f"{name}-{number:08}.seg"


def read(connection: sqlite3.Connection, folder: Path, cursor: int) -> bytes | None:
    """
    Give a message's bytes by its cursor, None if it isn't there.

    Segments are compacted and dropped while others read; so what isn't in its place is looked up
    again. That needs a connection without a statement that is half read: such a one goes on seeing
    the old place. Raises `StoreError` when the bytes are missing or damaged.
    """
    tried: Extent | None = None
    while True:
        found = connection.execute(
            "SELECT raw, segment, place, length, crc, (SELECT name FROM segment_set)"
            " FROM message LEFT JOIN body USING (cursor) LEFT JOIN extent USING (cursor)"
            " WHERE cursor = ?",
            (cursor,),
        ).fetchone()
        if found is None:
            return None
        raw, *where, name = found
        if raw is not None:
            return bytes(raw)
        if where[0] is None:
            raise StoreError(f"message with cursor {cursor}: its bytes are missing in mail.db")
        extent = Extent(*where)
        file = segment_file(folder, name, extent.segment)
        try:
            return read_extent(file, extent)
        except (OSError, StoreError) as error:
            if extent == tried:
                raise StoreError(
                    f"message with cursor {cursor} can't be read: {file}: {error}; restore the "
                    "file from a backup, or delete the message; others are not affected"
                ) from error
        tried = extent


def read_extent(file: Path, extent: Extent) -> bytes:
    """Give the bytes of an extent. Raises `OSError`; `StoreError` when they are not the same."""
    with file.open("rb", buffering=0) as segment:
        segment.seek(extent.place)
        raw = segment.read(extent.length)
        while len(raw) < extent.length and (more := segment.read(extent.length - len(raw))):
            raw += more
    if len(raw) < extent.length:
        raise StoreError(f"it is shorter than the {extent.end} bytes that were written")
    if zlib.crc32(raw) != extent.crc:
        raise StoreError(f"bytes {extent.place} to {extent.end} are not those that were written")
    return raw
