"""A chunk: 64 KiB of records with the names and templates that they share."""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

from .binary_xml import BinaryXmlWriter, Instance, Tables
from .layout import (
    CHUNK_HEADER_SIZE,
    CHUNK_SIZE,
    RECORD_HEADER_SIZE,
    pack_chunk,
    pack_record_header,
)

_ALIGNMENT: Final = 8
_SIZE: Final = 4
"""Bytes of the copy of its size that ends a record."""

_NO_NUMBERS: Final = (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Of an empty chunk: with these libevtx takes it for one, and not for damage; our choice."""


@final
class Chunk:
    """A chunk that is being filled; `first` is the number of its first record."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._next = first
        self._bytes = bytearray(CHUNK_HEADER_SIZE)
        self._last_record = 0
        self._tables = Tables()

    def add(self, instance: Instance, time: datetime) -> bool:
        """
        Write the next record, and tell whether it had room.

        When it had not, the chunk is as it was before.
        """
        tables, start = self._tables.copy(), len(self._bytes)
        self._bytes += bytes(RECORD_HEADER_SIZE)
        BinaryXmlWriter(self._bytes, tables).fragment(instance)
        unpadded = len(self._bytes) - start + _SIZE
        size = unpadded + -unpadded % _ALIGNMENT
        if start + size >= CHUNK_SIZE:  # libevtx doesn't see one that ends with the chunk
            del self._bytes[start:]
            return False
        self._bytes += bytes(size - unpadded)
        self._bytes += size.to_bytes(_SIZE, "little")
        header = pack_record_header(size=size, number=self._next, time=time)
        self._bytes[start : start + RECORD_HEADER_SIZE] = header
        self._tables, self._last_record = tables, start
        self._next += 1
        return True

    def pack(self) -> bytes:
        """Give the chunk's bytes."""
        return pack_chunk(
            bytes(self._bytes[CHUNK_HEADER_SIZE:]),
            numbers=_NO_NUMBERS if self._next == self._first else (self._first, self._next - 1),
            last_record=self._last_record,
            strings=self._tables.string_buckets,
            templates=self._tables.template_buckets,
        )
