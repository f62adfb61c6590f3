"""
The message table: what Event Viewer takes an event's sentence and its category's name from.

Layout: winnt.h, MESSAGE_RESOURCE_DATA, MESSAGE_RESOURCE_BLOCK and MESSAGE_RESOURCE_ENTRY.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from bindpost.events import Category, EventType

_UNICODE: Final = 1
_SPECIAL: Final = re.compile("(%[1-9][0-9]?)(!?)|%")


def messages(catalogue: Iterable[EventType]) -> dict[int, str]:
    """
    Give what stands in the table: each event under its 32-bit identifier, categories by number.

    Raises `ValueError` for two events with one identifier: both sources share the table.
    """
    table = {category.number: category.title for category in Category}
    for event in catalogue:
        if event.identifier in table:
            raise ValueError(f"two messages are numbered 0x{event.identifier:08X}")
        table[event.identifier] = _escape(event.template)
    return table


def pack(table: Mapping[int, str]) -> bytes:
    """Give the table as a resource of type RT_MESSAGETABLE."""
    blocks = list(_blocks(sorted(table)))
    entries = [b"".join(_entry(table[number]) for number in block) for block in blocks]
    offset = 4 + 12 * len(blocks)
    head = struct.pack("<I", len(blocks))
    for block, packed in zip(blocks, entries, strict=True):
        head += struct.pack("<III", block[0], block[-1], offset)
        offset += len(packed)
    return head + b"".join(entries)


def _escape(template: str) -> str:
    """
    Give a template as FormatMessage wants it.

    A percent sign that begins no insertion string is doubled, and an exclamation mark behind one,
    which would begin a printf format, is escaped.
    """

    def escaped(match: re.Match[str]) -> str:
        insertion, mark = match.groups()
        if insertion is None:
            return "%%"
        return f"{insertion}%!" if mark else insertion

    return _SPECIAL.sub(escaped, template)


def _blocks(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Give the runs of consecutive numbers: a block holds each from its first to its last."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        yield [number for _, number in run]


def _entry(text: str) -> bytes:
    data = f"{text}\r\n\0".encode("utf-16-le")
    data += bytes(-len(data) % 4)
    return struct.pack("<HH", 4 + len(data), _UNICODE) + data
