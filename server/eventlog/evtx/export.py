"""Writes an `.evtx` file to hand out, clean and not wrapped, as Event Viewer's Save As makes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from bindpost.errors import EventFileError

from ..replacing import replacing
from ..saved import SavedEvent
from .chunk import Chunk
from .classic import ClassicEvents
from .layout import FILE_HEADER_SIZE, MAX_CHUNKS, pack_file_header


def export(events: Iterable[SavedEvent], path: Path) -> int:
    """
    Write events to a file, in place of what was there; give how many they were.

    They are numbered on from the first one's number, so that none is missing. Nobody sees half of
    the file. Raises `EventFileError` when it can't be written or would be above 4 GiB, and whatever
    `events` raises; the file is then as it was.
    """
    with replacing(path) as file:
        return write(events, file)


def write(events: Iterable[SavedEvent], file: BinaryIO) -> int:
    """
    Write events as an event log to a file that is empty and can seek; give how many they were.

    One chunk at a time is in memory. The same events give the same bytes. Numbers and errors as in
    `export`.
    """
    file.write(bytes(FILE_HEADER_SIZE))
    classic = ClassicEvents()
    chunk, chunks, first, number = Chunk(1), 1, 1, 1
    for event in events:
        if number == first:
            first = number = event.number or 1
            chunk = Chunk(first)
        instance = classic.instance(event, number)
        if not chunk.add(instance, event.time):
            file.write(chunk.pack())
            chunk, chunks = Chunk(number), chunks + 1
            if chunks > MAX_CHUNKS:
                raise EventFileError("an event log file cannot hold more than 4 GiB; export less")
            fits = chunk.add(instance, event.time)
            assert fits  # classic._ROOM sees to it
        number += 1
    file.write(chunk.pack())
    file.seek(0)
    file.write(pack_file_header(chunks=chunks, next_number=number))
    return number - first
