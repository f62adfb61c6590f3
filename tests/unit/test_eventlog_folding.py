"""Folding: a flood becomes a burst and a count, nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bindpost import events
from bindpost.events import EventType
from bindpost.server.eventlog.folding import BURST, LONGEST, WINDOW, Folding
from bindpost.server.eventlog.plain import Plain
from bindpost.server.eventlog.record import EventRecord


def record(event: EventType | None = events.BIND_FAILED, **fields: Plain) -> EventRecord:
    """Make a record; 4007 with 10050 if nothing is said."""
    fields = fields or {"wsa_error": 10050, "via": "winsock://127.0.0.1:1"}
    return EventRecord(
        time=datetime(2026, 1, 2, tzinfo=UTC),
        level="error",
        logger="bindpost.listener",
        message=event.sentence(fields) if event else "text",
        host="EXCH55",
        process_id=1,
        thread_id=1,
        fields=fields,
        definition=event,
        strings=event.strings(fields) if event else (),
    )


def test_the_first_of_an_event_pass_and_the_rest_is_counted() -> None:
    """Of twenty alike a burst is shown, and a minute later how many there were besides."""
    folding = Folding()

    shown = [out for second in range(20) for out in folding.take(record(), float(second))]
    assert shown == [record()] * BURST
    assert folding.next_due == WINDOW

    (told,) = folding.due(WINDOW)
    assert told.definition is events.EVENTS_FOLDED
    assert told.fields["times"] == 20 - BURST
    assert told.message == (
        "The event 4007 of MSExchangeIMC came 15 times more in 60.0 seconds and was left out."
    )
    assert told.fields["sentence"] == record().message
    assert folding.next_due is None


def test_a_new_window_begins_with_a_new_burst() -> None:
    """What comes after the minute is shown again, after the count of the minute before."""
    folding = Folding()
    for _ in range(BURST + 1):
        list(folding.take(record(), 0.0))

    told, shown = folding.take(record(), WINDOW)

    assert told.fields["times"] == 1
    assert shown == record()


def test_a_burst_alone_is_never_told() -> None:
    """Where nothing was left out there is nothing to say."""
    folding = Folding()
    for _ in range(BURST):
        list(folding.take(record(), 0.0))

    assert list(folding.due(WINDOW)) == []
    assert list(folding.flush(WINDOW)) == []


@pytest.mark.parametrize(
    "other",
    [
        record(wsa_error=10048, via="winsock://127.0.0.1:1"),
        record(wsa_error=10050, via="socks5://127.0.0.1:1080"),
        record(events.WINSOCK_FAILED, wsa_error=10050, via="winsock://127.0.0.1:1"),
        replace(record(), scope="another app"),
    ],
    ids=["code", "field", "event", "app"],
)
def test_another_event_is_not_folded_with_it(other: EventRecord) -> None:
    """An event with another number, field or app is another event."""
    folding = Folding()
    for _ in range(BURST):
        list(folding.take(record(), 0.0))

    assert list(folding.take(other, 1.0)) == [other]


def test_what_is_only_measured_makes_no_other_event() -> None:
    """A session's name or the number of an attempt does not keep a flood alive."""
    folding = Folding()

    shown = [
        out
        for n in range(BURST * 2)
        for out in folding.take(
            record(events.SESSION_REFUSED, reason="full", session=f"s{n}", peer=f"192.0.2.{n}:1"),
            0.0,
        )
    ]

    assert len(shown) == BURST


def test_text_is_never_folded() -> None:
    """Lines that are no events of the catalogue pass as they are."""
    folding = Folding()

    assert len([out for _ in range(50) for out in folding.take(record(None), 0.0)]) == 50


def test_the_end_of_the_log_tells_every_count() -> None:
    """Nothing that was counted is forgotten."""
    folding = Folding()
    for code in (10048, 10050):
        for _ in range(BURST + 2):
            list(folding.take(record(wsa_error=code), 0.0))

    assert [told.fields["times"] for told in folding.flush(1.0)] == [2, 2]


def test_a_flood_of_different_events_takes_bounded_memory() -> None:
    """Above the bound the oldest window is closed and told early."""
    folding = Folding()
    for _ in range(BURST + 1):
        list(folding.take(record(wsa_error=0), 0.0))
    for code in range(1, LONGEST):
        list(folding.take(record(wsa_error=code), 0.0))

    told, shown = folding.take(record(wsa_error=LONGEST), 0.0)

    assert told.fields["times"] == 1
    assert shown.fields == {"wsa_error": LONGEST}
