"""How Windows numbers and names the parts of a classic event, in its files, XML and tools."""

from __future__ import annotations

import struct
from typing import Final

from bindpost.events import Level

from .record import EventRecord

CHANNEL: Final = "Application"
OPCODE: Final = "Info"
"""Name of opcode 0, the only one that a classic event has."""
_NUMBER: Final = {Level.ERROR: 2, Level.WARNING: 3, Level.INFORMATION: 4}
_NAME: Final = {Level.ERROR: "error", Level.WARNING: "warning"}
_KEYWORD: Final = {Level.AUDIT_SUCCESS: "Audit Success", Level.AUDIT_FAILURE: "Audit Failure"}
CLASSIC: Final = 1 << 55
"""The keyword of events that are reported as NT's were, with insertion strings (winmeta.xml)."""
AUDIT_SUCCESS: Final = 1 << 53
AUDIT_FAILURE: Final = 1 << 52
_BIT: Final = {Level.AUDIT_SUCCESS: AUDIT_SUCCESS, Level.AUDIT_FAILURE: AUDIT_FAILURE}


def level_number(level: Level) -> int:
    """Give the level of event XML; an audit record has 0, and a keyword instead."""
    return _NUMBER.get(level, 0)


def level_name(level: Level) -> str:
    """Give the level as winlogbeat names it."""
    return _NAME.get(level, "information")


def keywords(level: Level) -> list[str]:
    """Give the keywords of a classic event."""
    keyword = _KEYWORD.get(level)
    return [keyword, "Classic"] if keyword else ["Classic"]


def keyword_bits(level: Level) -> int:
    """Give the same keywords as event XML has them, a mask of 64 bits."""
    return CLASSIC | _BIT.get(level, 0)


def data_of(record: EventRecord) -> bytes:
    """Give the raw data that go with an event: its Winsock error as a DWORD, if it has one."""
    code = record.fields.get("wsa_error")
    known = isinstance(code, int) and not isinstance(code, bool) and 0 <= code < 1 << 32
    return struct.pack("<I", code) if known else b""
