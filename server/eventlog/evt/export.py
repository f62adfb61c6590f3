"""Writes the file to hand out: compact, clean, not wrapped, as Event Viewer's Save As makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from bindpost.errors import EventFileError

from ..replacing import replacing
from .layout import EOF_SIZE, HEADER_SIZE, Bounds, Header, number_after, pack_eof, pack_header
from .record import EvtRecord, pack

_MAX_SIZE: Final = 0xFFFFFFFF


def export(records: Iterable[EvtRecord], path: Path, *, retention: int = 0) -> int:
    """
    Write records to a file, in place of what was there; give how many they were.

    They are numbered on from the first one's number, so that none is missing. The file is written
    under another name beside it and renamed, so nobody sees half of it. Raises `EventFileError`
    when it can't be written or would be above 4 GiB, and whatever `records` raises; the file is
    then as it was.
    """
    with replacing(path) as file:
        return write(records, file, retention=retention)


def write(records: Iterable[EvtRecord], file: BinaryIO, *, retention: int = 0) -> int:
    """
    Write records as an event log to a file that is empty and can seek; give how many they were.

    One at a time is in memory. Numbers and errors as in `export`.
    """
    file.seek(HEADER_SIZE)
    end, oldest, number, count = HEADER_SIZE, 0, 1, 0
    for record in records:
        if not count:
            oldest = number = record.number or 1
        raw = pack(replace(record, number=number))
        file.write(raw)
        end, number, count = end + len(raw), number_after(number), count + 1
        if end > _MAX_SIZE - EOF_SIZE:
            raise EventFileError("an event log file cannot hold more than 4 GiB; export less")
    bounds = Bounds(start=HEADER_SIZE, end=end, next_number=number, oldest_number=oldest)
    file.write(pack_eof(bounds))
    header = Header(bounds=bounds, max_size=file.tell(), retention=retention)
    file.seek(0)
    file.write(pack_header(header))
    return count
