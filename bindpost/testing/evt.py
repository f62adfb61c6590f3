"""Event log files in memory, which fail as a process does that is killed while it writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, final

from bindpost.server.eventlog.evt import EvtRecord
from bindpost.server.eventlog.evt.record import pack

BIND_FAILED: Final = EvtRecord(
    number=1,
    time_generated=916704001,
    time_written=916704001,
    identifier=0xC0000FA7,
    type=1,
    category=1,
    source="MSExchangeIMC",
    computer="EXCH55",
    strings=("10050",),
    data=b"\x42\x27\0\0",
)
"""Event 4007 with error 10050, at 1999-01-19 00:00:01 UTC; its record has 120 bytes."""


def record_of(length: int) -> EvtRecord:
    """Give an event whose record has this many bytes: a multiple of 4, at least 116."""
    data = min(length - 116, 60_000)
    text = "x" * ((length - 116 - data) // 2 - 1)
    strings = (*BIND_FAILED.strings, *([text] if text else []))
    record = replace(BIND_FAILED, strings=strings, data=bytes(data))
    if len(pack(record)) != length:
        raise ValueError(f"no record has {length} bytes")
    return record


class CutError(Exception):
    """The process has ended here."""


@final
class MemoryStorage:
    """
    Holds the bytes of an event log file; satisfies `Storage`.

    `budget` is how many more bytes can be written, None for any number: the write that goes above
    it is cut there, and raises `CutError`. `ends` has the number of bytes that were written so far,
    after each write.
    """

    def __init__(self, content: bytes = b"", *, budget: int | None = None) -> None:
        self.name = "(memory)"
        self.content = bytearray(content)
        self.budget = budget
        self.ends = [0]

    @property
    def written(self) -> int:
        """The number of bytes that were written."""
        return self.ends[-1]

    def size(self) -> int:
        """Give the number of bytes."""
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        """Give these bytes; fewer at the end."""
        return bytes(self.content[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Write as many of these bytes as the budget allows; raises `CutError` if not all."""
        allowed = data
        if self.budget is not None:
            allowed = data[: self.budget]
            self.budget -= len(allowed)
        self.content[offset : offset + len(allowed)] = allowed
        self.ends.append(self.written + len(allowed))
        if len(allowed) < len(data):
            raise CutError

    def grow(self, size: int) -> None:
        """Add zeros at the end up to this size."""
        self.content.extend(bytes(size - len(self.content)))

    def close(self) -> None:
        """Do nothing: the bytes stay to be looked at."""
