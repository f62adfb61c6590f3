"""An event of the catalogue as the record of an event log file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bindpost import events
from bindpost.events import EventType
from bindpost.server.eventlog import EventRecord
from bindpost.server.eventlog.evt import from_event
from bindpost.server.eventlog.plain import Plain
from bindpost.testing.evt import BIND_FAILED


def event(
    definition: EventType | None, strings: tuple[str, ...] = (), **fields: Plain
) -> EventRecord:
    """Give a record as the log has it."""
    return EventRecord(
        time=datetime(1999, 1, 19, 0, 0, 1, 500_000, UTC),
        level="error",
        logger="bindpost",
        message=definition.fill(strings) if definition else "plain",
        host="EXCH55",
        process_id=1,
        thread_id=1,
        fields=fields,
        definition=definition,
        strings=strings,
    )


def test_4007() -> None:
    """The record of 4007 has the identifier, type, category, string and data of the original."""
    record = from_event(event(events.BIND_FAILED, ("10050",), wsa_error=10050), 7)

    assert record == replace(BIND_FAILED, number=7)


def test_verbose_strings_tell_the_sentence() -> None:
    """A viewer without message DLL shows the sentence, which no template uses."""
    sentence = (
        "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
    )

    record = from_event(event(events.BIND_FAILED, ("10050",)), 1, verbose_strings=True)

    assert record.strings == ("10050", sentence)


@pytest.mark.parametrize("code", [None, "10050", True, -1, 1 << 32])
def test_only_a_winsock_code_becomes_data(code: Plain) -> None:
    """Whatever a call site logs under that name, the record can be made."""
    assert from_event(event(events.WINSOCK_FAILED, wsa_error=code), 1).data == b""


@pytest.mark.parametrize(("year", "seconds"), [(1960, 0), (2200, 0xFFFFFFFF)])
def test_a_wrong_clock_costs_no_event(year: int, seconds: int) -> None:
    """A time that the format has no room for becomes the nearest one."""

    record = replace(event(events.WINSOCK_FAILED), time=datetime(year, 1, 1, tzinfo=UTC))

    assert from_event(record, 1).time_generated == seconds


def test_plain_text_is_no_event() -> None:
    """What is not of the catalogue has no number, so no event log takes it."""
    with pytest.raises(ValueError, match="not an event of the catalogue: plain"):
        from_event(event(None), 1)
