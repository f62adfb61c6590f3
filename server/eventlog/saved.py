"""SavedEvent: an event as event log files keep it, whichever file it comes from or goes into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .record import EventRecord
from .winlog import (
    AUDIT_FAILURE,
    AUDIT_SUCCESS,
    CHANNEL,
    CLASSIC,
    data_of,
    keyword_bits,
    level_number,
)

_LEVELS: Final = {1: "critical", 2: "error", 3: "warning", 5: "verbose"}
_BITS: Final = {
    "number": 64,
    "id": 16,
    "qualifiers": 16,
    "level": 8,
    "category": 16,
    "keywords": 64,
    "process_id": 32,
    "thread_id": 32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedEvent:
    """
    The facts of an event, without its sentence: that is in the source's message file.

    `number` is the record's in its log. `id` and `qualifiers` are the lower and the upper 16 bits
    of NT's event identifier; what was no classic event has no qualifiers, 0. `level` and `keywords`
    are numbered as in event XML (`winlog`), `category` is its Task. `time` is in UTC. `sid` is the
    user's security identifier as `S-1-5-18`, or empty. What isn't known of the process is 0.
    Raises `ValueError` for a number that the files have no room for.
    """

    number: int
    time: datetime
    source: str
    id: int
    qualifiers: int
    level: int
    category: int
    computer: str
    strings: tuple[str, ...] = ()
    data: bytes = b""
    keywords: int = CLASSIC
    channel: str = CHANNEL
    sid: str = ""
    process_id: int = 0
    thread_id: int = 0

    def __post_init__(self) -> None:
        for name, bits in _BITS.items():
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{name} must be below {1 << bits}, and is {value}")

    @property
    def level_name(self) -> str:
        """
        Give the level in words.

        It is critical, error, warning, information, verbose, audit success or audit failure.
        """
        if self.keywords & AUDIT_FAILURE:
            return "audit failure"
        if self.keywords & AUDIT_SUCCESS:
            return "audit success"
        return _LEVELS.get(self.level, "information")


def from_event(record: EventRecord, number: int, *, verbose_strings: bool = False) -> SavedEvent:
    """
    Give an event of the catalogue as the record `number` of an event log.

    Its data are the Winsock code as four bytes, when it has one. `verbose_strings` puts the
    sentence behind the insertion strings, where a viewer that has no message DLL shows it. Raises
    `ValueError` for a record that is not of the catalogue: an event log has no place for it.
    """
    definition = record.definition
    if definition is None:
        raise ValueError(f"not an event of the catalogue: {record.message}")
    return SavedEvent(
        number=number,
        time=record.time,
        source=definition.source,
        id=definition.id,
        qualifiers=definition.qualifiers,
        level=level_number(definition.level),
        category=definition.category.number,
        computer=record.host,
        strings=(*record.strings, record.message) if verbose_strings else record.strings,
        data=data_of(record),
        keywords=keyword_bits(definition.level),
        process_id=record.process_id,
        # Windows' are 32 bits wide; macOS numbers threads with 64.
        thread_id=record.thread_id if record.thread_id < 1 << 32 else 0,
    )
