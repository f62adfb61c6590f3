"""Reads an event log file that NT, Event Viewer or bindpost has saved, as events like our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bindpost.events import Category, Level, find_type
from bindpost.server.eventlog.saved import SavedEvent
from bindpost.server.eventlog.saved_file import read_events
from bindpost.server.store.events import KeptEvent

_TYPES: Final = {
    "critical": Level.ERROR,
    "error": Level.ERROR,
    "warning": Level.WARNING,
    "audit success": Level.AUDIT_SUCCESS,
    "audit failure": Level.AUDIT_FAILURE,
}
_CATEGORIES: Final = {category.number: category.title for category in Category}


def read_saved(path: Path) -> Iterator[KeptEvent]:
    """Give the events of a file, the oldest first. Raises `EventFileError`."""
    return map(_kept, read_events(path))


def _kept(event: SavedEvent) -> KeptEvent:
    """Give an event as ours; the file has no sentence, so it is the catalogue's if possible."""
    known = find_type(event.source, event.id)
    return KeptEvent(
        cursor=event.number,
        time=event.time,
        source=event.source,
        id=event.id,
        type=_TYPES.get(event.level_name, Level.INFORMATION).value,
        category=event.category,
        category_name=_CATEGORIES.get(event.category, "") if known else str(event.category),
        identifier=event.qualifiers << 16 | event.id,
        computer=event.computer,
        logger="",
        process_id=event.process_id,
        thread_id=event.thread_id,
        message=known.fill(event.strings) if known else "; ".join(event.strings),
        strings=event.strings,
    )
