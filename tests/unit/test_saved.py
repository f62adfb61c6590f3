"""Events as log files keep them: made of bindpost's own, and read from either kind of file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bindpost.errors import EventFileError, EventFileFormatError
from bindpost.server.eventlog import EventRecord, evt, evtx
from bindpost.server.eventlog.saved import SavedEvent, from_event
from bindpost.server.eventlog.saved_file import read_events
from bindpost.server.eventlog.winlog import AUDIT_FAILURE, AUDIT_SUCCESS, CLASSIC
from bindpost.testing.evt import BIND_FAILED as EVT_BIND_FAILED
from bindpost.testing.saved import BIND_FAILED


def test_4007(bind_failed: EventRecord) -> None:
    """The event has the identifier, level, category, string and data of the original."""
    assert from_event(bind_failed, 1) == replace(
        BIND_FAILED, time=bind_failed.time, process_id=16982, thread_id=1
    )


def test_verbose_strings_tell_the_sentence(bind_failed: EventRecord) -> None:
    """A viewer without message DLL shows the sentence, which no template uses."""
    event = from_event(bind_failed, 1, verbose_strings=True)

    assert event.strings == ("10050", bind_failed.message)


def test_plain_text_is_no_event(bind_failed: EventRecord) -> None:
    """What is not of the catalogue has no number, so no event log takes it."""
    with pytest.raises(ValueError, match="not an event of the catalogue: plain"):
        from_event(replace(bind_failed, definition=None, message="plain"), 1)


@pytest.mark.parametrize(
    ("name", "value"), [("id", 65536), ("level", 256), ("process_id", 1 << 32), ("number", -1)]
)
def test_a_number_without_room_is_named(name: str, value: int) -> None:
    """What the files have no room for is refused when the event is made, by its name."""
    numbers: dict[str, Any] = {name: value}

    with pytest.raises(ValueError, match=f"^{name} must be below"):
        replace(BIND_FAILED, **numbers)


@pytest.mark.parametrize(
    ("level", "keywords", "name"),
    [
        (0, CLASSIC, "information"),
        (1, CLASSIC, "critical"),
        (2, CLASSIC, "error"),
        (3, CLASSIC, "warning"),
        (4, CLASSIC, "information"),
        (5, CLASSIC, "verbose"),
        (0, CLASSIC | AUDIT_SUCCESS, "audit success"),
        (0, CLASSIC | AUDIT_FAILURE, "audit failure"),
    ],
)
def test_levels_have_names(level: int, keywords: int, name: str) -> None:
    """A level is named as Windows names it; an audit's name is in its keywords."""
    assert replace(BIND_FAILED, level=level, keywords=keywords).level_name == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (0, "information"),  # EVENTLOG_SUCCESS
        (1, "error"),
        (2, "warning"),
        (4, "information"),
        (8, "audit success"),
        (16, "audit failure"),
    ],
)
def test_the_types_of_evt_are_levels(kind: int, name: str) -> None:
    """What an .evt file calls type is a level or a keyword here."""
    assert evt.to_saved(replace(EVT_BIND_FAILED, type=kind)).level_name == name


def test_both_kinds_of_file_give_the_same(tmp_path: Path) -> None:
    """An event of an .evt file and the same of an .evtx file are told apart by nothing."""
    facts = replace(
        BIND_FAILED,
        time=datetime(1999, 1, 19, 0, 0, 1, tzinfo=UTC),  # .evt has whole seconds
        process_id=0,
        thread_id=0,
        sid="S-1-5-18",
    )
    sid = bytes.fromhex("010100000000000512000000")
    old, new = tmp_path / "1", tmp_path / "2"  # names don't matter
    evt.export([replace(EVT_BIND_FAILED, sid=sid)], old)
    evtx.export([facts], new)

    read: list[list[SavedEvent]] = [list(read_events(path)) for path in (old, new)]

    assert read == [[facts], [facts]]


def test_what_is_no_event_log_is_told(tmp_path: Path) -> None:
    """Another file, none at all and a folder each get an error that names it."""
    text = tmp_path / "notes.evtx"
    text.write_text("not a log")

    with pytest.raises(EventFileFormatError, match=r"notes\.evtx is no event log file"):
        list(read_events(text))
    with pytest.raises(EventFileError, match=r"absent\.evtx cannot be read: No such file"):
        list(read_events(tmp_path / "absent.evtx"))
    with pytest.raises(EventFileError, match="cannot be read: Is a directory"):
        list(read_events(tmp_path))
