"""The fixed parts of an event log file: its header and the EOF record behind the newest record."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

HEADER_SIZE: Final = 48
"""Bytes of the header, and so the offset of the first record."""
EOF_SIZE: Final = 40
FIXED_SIZE: Final = 56
"""Bytes of a record's fixed part, which the end of the file may not split."""
STEP: Final = 0x10000
"""A live file grows in steps of this many bytes, and its maximum is a multiple of them."""
MAX_FILE: Final = 0xFFFF0000
"""The greatest multiple of `STEP` that MaxSize can tell."""
SIGNATURE: Final = b"LfLe"
MAGIC: Final = struct.pack("<I4s", HEADER_SIZE, SIGNATURE)
"""The first bytes of every event log file."""
EOF_MAGIC: Final = struct.pack("<5I", EOF_SIZE, 0x11111111, 0x22222222, 0x33333333, 0x44444444)
FILL: Final = struct.pack("<I", 0x27)
"""What stands between the last record and the end of the file, where no record fits."""

_VERSION: Final = (1, 1)
_HEADER: Final = struct.Struct("<I4s10I")
_EOF: Final = struct.Struct("<20s5I")
_LAST_NUMBER: Final = 0xFFFFFFFF


class LayoutError(ValueError):
    """Bytes that are not what the format has in their place."""


class Flag(IntFlag):
    """Flags of the header (ELF_LOGFILE_HEADER)."""

    NONE = 0
    DIRTY = 1
    WRAP = 2
    LOGFULL_WRITTEN = 4
    ARCHIVE_SET = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    Where the records are, as the header and the EOF record both tell it.

    `start` is the file offset of the oldest record, `end` that of the EOF record, `next_number` the
    number that the next record will get, `oldest_number` that of the oldest one, 0 when there is
    none.
    """

    start: int
    end: int
    next_number: int
    oldest_number: int


EMPTY: Final = Bounds(start=HEADER_SIZE, end=HEADER_SIZE, next_number=1, oldest_number=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """
    The file's header. `max_size` is in bytes.

    `retention` is for how many seconds a record is protected: 0 for not at all.
    """

    bounds: Bounds
    max_size: int
    flags: Flag = Flag.NONE
    retention: int = 0


def number_after(number: int) -> int:
    """Give the record number that follows; 0 is skipped."""
    return 1 if number == _LAST_NUMBER else number + 1


def pack_header(header: Header) -> bytes:
    """Give the 48 bytes of a header (ELF_LOGFILE_HEADER)."""
    return _HEADER.pack(
        HEADER_SIZE,
        SIGNATURE,
        *_VERSION,
        *_numbers(header.bounds),
        header.max_size,
        header.flags,
        header.retention,
        HEADER_SIZE,
    )


def unpack_header(data: bytes) -> Header:
    """Read a header. Raises `LayoutError` when it is none; its offsets may still be nonsense."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
        raise LayoutError("it does not begin as an event log file does")
    _, _, *version, start, end, next_number, oldest, max_size, flags, retention, size = (
        _HEADER.unpack(data[:HEADER_SIZE])
    )
    if tuple(version) != _VERSION or size != HEADER_SIZE:
        raise LayoutError("its header is not that of version 1.1")
    bounds = Bounds(start=start, end=end, next_number=next_number, oldest_number=oldest)
    return Header(bounds=bounds, max_size=max_size, flags=Flag(flags), retention=retention)


def pack_eof(bounds: Bounds) -> bytes:
    """Give the 40 bytes of an EOF record (ELF_EOF_RECORD)."""
    return _EOF.pack(EOF_MAGIC, *_numbers(bounds), EOF_SIZE)


def unpack_eof(data: bytes) -> Bounds:
    """Read an EOF record. Raises `LayoutError` when it is none."""
    if len(data) != EOF_SIZE or not data.startswith(EOF_MAGIC):
        raise LayoutError("there is no EOF record")
    _, start, end, next_number, oldest, size = _EOF.unpack(data)
    if size != EOF_SIZE:
        raise LayoutError("the EOF record is cut")
    return Bounds(start=start, end=end, next_number=next_number, oldest_number=oldest)


def _numbers(bounds: Bounds) -> tuple[int, int, int, int]:
    return bounds.start, bounds.end, bounds.next_number, bounds.oldest_number
