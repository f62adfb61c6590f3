"""Events to put into log files: event 4007, and one of every level."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from bindpost.server.eventlog.saved import SavedEvent
from bindpost.server.eventlog.winlog import AUDIT_FAILURE, AUDIT_SUCCESS, CLASSIC

BIND_FAILED: Final = SavedEvent(
    number=1,
    time=datetime(1999, 1, 19, 0, 0, 1, 250_000, UTC),
    source="MSExchangeIMC",
    id=4007,
    qualifiers=0xC000,
    level=2,
    category=1,
    computer="EXCH55",
    strings=("10050",),
    data=b"\x42\x27\0\0",
    process_id=4321,
    thread_id=4322,
)
"""Event 4007 with error 10050."""

ONE_OF_EACH: Final = (
    BIND_FAILED,
    replace(BIND_FAILED, number=2, id=4020, strings=(), data=b""),
    replace(BIND_FAILED, number=3, qualifiers=0x8000, level=3, sid="S-1-5-18"),
    replace(
        BIND_FAILED,
        number=4,
        source="bindpost",
        qualifiers=0x4000,
        level=4,
        category=8,
        computer="ΕΡΜΗΣ-сервер",
        strings=("10050", "prøxy „grüße“ <&> 日本語", "", "nul\u2400inside", "x" * 5000),
        data=bytes(range(7)),
        sid="S-1-5-21-1377283216-344919071-3415362939-500",
    ),
    replace(BIND_FAILED, number=5, level=0, keywords=CLASSIC | AUDIT_SUCCESS, data=b""),
    replace(BIND_FAILED, number=6, level=0, keywords=CLASSIC | AUDIT_FAILURE, strings=()),
)
"""Events of every level, with and without strings, data and user."""
