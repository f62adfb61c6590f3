"""Makes a record of an event log file from one of bindpost's own."""

from __future__ import annotations

import struct
from typing import Final

from ..record import EventRecord
from .record import EvtRecord

_U32: Final = 0xFFFFFFFF


def from_event(record: EventRecord, number: int, *, verbose_strings: bool = False) -> EvtRecord:
    """
    Give an event of the catalogue as the record `number` of an event log file.

    Its data are the Winsock code as four bytes, when it has one. `verbose_strings` puts the
    sentence behind the insertion strings, where a viewer that has no message DLL shows it. Raises
    `ValueError` for a record that is not of the catalogue: an event log has no place for it.
    """
    definition = record.definition
    if definition is None:
        raise ValueError(f"not an event of the catalogue: {record.message}")
    seconds = min(max(int(record.time.timestamp()), 0), _U32)
    return EvtRecord(
        number=number,
        time_generated=seconds,
        time_written=seconds,
        identifier=definition.identifier,
        type=definition.level,
        category=definition.category.number,
        source=definition.source,
        computer=record.host,
        strings=(*record.strings, record.message) if verbose_strings else record.strings,
        data=_winsock_code(record),
    )


def _winsock_code(record: EventRecord) -> bytes:
    code = record.fields.get("wsa_error")
    if isinstance(code, int) and not isinstance(code, bool) and 0 <= code <= _U32:
        return struct.pack("<I", code)
    return b""
