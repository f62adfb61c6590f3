"""
The fixed parts of an `.evtx` file, version 3.1: its header, the chunks' headers, records' frames.

As in libyal's description of the format, "Windows XML Event Log (EVTX)", and as genuine files have
it where that is silent. All integers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

FILE_HEADER_SIZE: Final = 0x1000
CHUNK_SIZE: Final = 0x10000
CHUNK_HEADER_SIZE: Final = 0x200
"""Bytes of a chunk's header with its two tables, and so the offset of its first record."""
MAX_CHUNKS: Final = 0xFFFF
"""The header counts chunks in 16 bits, so a file ends at 4 GiB."""
FILE_MAGIC: Final = b"ElfFile\0"
STRING_BUCKETS: Final = 64
TEMPLATE_BUCKETS: Final = 32
RECORD_HEADER_SIZE: Final = 24
TABLES: Final = range(0x80, CHUNK_HEADER_SIZE)
"""Where a chunk's two tables are."""

_CHUNK_MAGIC: Final = b"ElfChnk\0"
_RECORD_MAGIC: Final = b"**\0\0"
_FILE_HEADER: Final = struct.Struct("<8s3QI4H76s")
_CHUNK_HEADER: Final = struct.Struct("<8s4Q4I64x")
_MINOR, _MAJOR = 1, 3
_FLAGS_AND_CRC: Final = struct.Struct("<II")
_HEADER_SIZE: Final = 0x80
_DIRTY: Final = 1
_CHUNK_FLAGS: Final = 1  # as genuine files have it; nobody says what it means
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a file says of itself: its number of chunks; `is_dirty` is true of a copied live log."""

    chunks: int
    is_dirty: bool


def pack_file_header(*, chunks: int, next_number: int) -> bytes:
    """Give the header of a clean file, with what fills it up to the first chunk."""
    head = _FILE_HEADER.pack(
        FILE_MAGIC,
        0,  # the first chunk
        chunks - 1,  # the last chunk
        next_number,
        _HEADER_SIZE,
        _MINOR,
        _MAJOR,
        FILE_HEADER_SIZE,
        chunks,
        b"",
    )
    return (head + _FLAGS_AND_CRC.pack(0, zlib.crc32(head))).ljust(FILE_HEADER_SIZE, b"\0")


def unpack_file_header(head: bytes) -> FileHeader | None:
    """Read the header of a file of any version; None when it is none."""
    if len(head) < _HEADER_SIZE or not head.startswith(FILE_MAGIC):
        return None
    chunks = _FILE_HEADER.unpack_from(head)[8]
    flags, _ = _FLAGS_AND_CRC.unpack_from(head, _FILE_HEADER.size)
    return FileHeader(chunks=chunks, is_dirty=bool(flags & _DIRTY))


def pack_chunk(
    content: bytes,
    *,
    numbers: tuple[int, int],
    last_record: int,
    strings: Sequence[int],
    templates: Sequence[int],
) -> bytes:
    """
    Give a chunk.

    `content` is what stands behind its header, `numbers` those of its first and its last record,
    `last_record` the latter's offset in the chunk; `strings` and `templates` are the two tables.
    """
    head = _CHUNK_HEADER.pack(
        _CHUNK_MAGIC,
        *numbers,  # as counted in the file
        *numbers,  # as the records have them
        _HEADER_SIZE,
        last_record,
        CHUNK_HEADER_SIZE + len(content),  # where free space begins
        zlib.crc32(content),
    )
    tables = struct.pack(f"<{STRING_BUCKETS + TEMPLATE_BUCKETS}I", *strings, *templates)
    seal = _FLAGS_AND_CRC.pack(_CHUNK_FLAGS, zlib.crc32(tables, zlib.crc32(head)))
    return (head + seal + tables + content).ljust(CHUNK_SIZE, b"\0")


def is_unused_chunk(chunk: bytes) -> bool:
    """Tell whether nothing was ever written there."""
    return not chunk.strip(b"\0")


def is_sound_chunk(chunk: bytes) -> bool:
    """Tell whether a whole chunk fits its two checksums."""
    *_, free, records_crc = _CHUNK_HEADER.unpack_from(chunk)
    _, head_crc = _FLAGS_AND_CRC.unpack_from(chunk, _CHUNK_HEADER.size)
    head = chunk[: _CHUNK_HEADER.size] + chunk[TABLES.start : TABLES.stop]
    records = chunk[CHUNK_HEADER_SIZE : min(free, CHUNK_SIZE)]
    return (zlib.crc32(head), zlib.crc32(records)) == (head_crc, records_crc)


def pack_record_header(*, size: int, number: int, time: datetime) -> bytes:
    """Give what stands before a record's binary XML; `size` is the whole record's."""
    return _RECORD_MAGIC + struct.pack("<IQQ", size, number, filetime(time))


def filetime(time: datetime) -> int:
    """Give a time as FILETIME, in units of 100 ns since 1601; what is before that becomes 0."""
    return max((time - _EPOCH) // _MICROSECOND * 10, 0)
