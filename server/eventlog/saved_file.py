"""Reads somebody's event log file, `.evt` or `.evtx`, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bindpost.errors import EventFileError, EventFileFormatError

from .evt import EvtReader, to_saved
from .evt.layout import MAGIC
from .evtx import EvtxReader
from .evtx.layout import FILE_MAGIC
from .saved import SavedEvent


def read_events(path: Path) -> Iterator[SavedEvent]:
    """
    Give the events of a file, whose kind is known by its first bytes; its name doesn't matter.

    Raises `EventFileError` when it can't be read, and `EventFileFormatError` for what is no event
    log, or for a damaged one after all events that could be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(max(len(MAGIC), len(FILE_MAGIC)))
    except OSError as error:
        raise EventFileError(
            f"{path} cannot be read: {error.strerror}; see that it is a file, and yours"
        ) from error
    if start.startswith(FILE_MAGIC):
        with EvtxReader(path) as events:
            yield from events
    elif start.startswith(MAGIC):
        with EvtReader(path) as records:
            yield from map(to_saved, records)
    else:
        raise EventFileFormatError(f"{path} is no event log file, neither .evt nor .evtx")
