"""Makes a record of an event log file from one of bindpost's own, and reads one as an event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bindpost.events import Level

from .. import saved
from ..record import EventRecord
from ..saved import SavedEvent
from ..winlog import keyword_bits, level_number
from .record import EvtRecord

_U32: Final = 0xFFFFFFFF


def from_event(record: EventRecord, number: int, *, verbose_strings: bool = False) -> EvtRecord:
    """Give an event of the catalogue as the record `number`, as `saved.from_event` does."""
    event = saved.from_event(record, number, verbose_strings=verbose_strings)
    definition = record.definition
    assert definition is not None  # from_event has seen to it
    seconds = min(max(int(event.time.timestamp()), 0), _U32)
    return EvtRecord(
        number=number,
        time_generated=seconds,
        time_written=seconds,
        identifier=definition.identifier,
        type=definition.level,
        category=event.category,
        source=event.source,
        computer=event.computer,
        strings=event.strings,
        data=event.data,
    )


def to_saved(record: EvtRecord) -> SavedEvent:
    """
    Give a record as an event of any log file; its time is that at which it was generated.

    A type that NT has no name for becomes information.
    """
    try:
        level = Level(record.type)
    except ValueError:
        level = Level.INFORMATION
    return SavedEvent(
        number=record.number,
        time=datetime.fromtimestamp(record.time_generated, UTC),
        source=record.source,
        id=record.identifier & 0xFFFF,
        qualifiers=record.identifier >> 16,
        level=level_number(level),
        category=record.category,
        computer=record.computer,
        strings=record.strings,
        data=record.data,
        keywords=keyword_bits(level),
        sid=record.sid_text,
    )
