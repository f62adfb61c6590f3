"""Reads an event log file that NT, Event Viewer or bindpost has saved, as events like our own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bindpost.events import Category, Level, find_type
from bindpost.server.eventlog.evt import EvtReader, EvtRecord
from bindpost.server.store.events import KeptEvent

_TYPES: Final = frozenset(Level)
_CATEGORIES: Final = {category.number: category.title for category in Category}


def read_saved(path: Path) -> Iterator[KeptEvent]:
    """Give the events of a file, the oldest first. Raises `EventFileError`."""
    with EvtReader(path) as records:
        for record in records:
            yield _kept(record)


def _kept(record: EvtRecord) -> KeptEvent:
    """Give a record as an event; the file has no sentence, so it is the catalogue's if possible."""
    number = record.identifier & 0xFFFF
    known = find_type(record.source, number)
    return KeptEvent(
        cursor=record.number,
        time=datetime.fromtimestamp(record.time_generated, UTC),
        source=record.source,
        id=number,
        type=record.type if record.type in _TYPES else Level.INFORMATION,
        category=record.category,
        category_name=_CATEGORIES.get(record.category, "") if known else str(record.category),
        identifier=record.identifier,
        computer=record.computer,
        logger="",
        process_id=0,
        thread_id=0,
        message=known.fill(record.strings) if known else "; ".join(record.strings),
        strings=record.strings,
    )
