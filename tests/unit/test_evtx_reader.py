"""Reading .evtx files of others: what is no classic event, what is damaged, what is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from bindpost.errors import EventFileError, EventFileFormatError
from bindpost.server.eventlog.evtx import EvtxReader, export
from bindpost.server.eventlog.evtx.binary_xml import Element, Instance, Place, Template, Type
from bindpost.server.eventlog.evtx.chunk import Chunk
from bindpost.server.eventlog.evtx.layout import (
    CHUNK_HEADER_SIZE,
    CHUNK_SIZE,
    FILE_HEADER_SIZE,
    pack_file_header,
)
from bindpost.server.eventlog.saved import SavedEvent
from bindpost.testing.saved import BIND_FAILED

Values = Sequence[tuple[int, bytes]]
SYSTEM = Element(
    "System",
    (
        Element("Provider", attributes=[("Name", "Service Control Manager")]),
        Element("EventID", ["7036"]),
        Element("TimeCreated", attributes=[("SystemTime", Place(0, Type.FILETIME))]),
        Element("Channel", ["System"]),
        Element("Computer", ["PC"]),
    ),
)
NAME_HEADER = 8
"""Bytes of the next name's offset, the hash and the length, which stand before a name."""
TIME = (Type.FILETIME, (116_444_736_000_000_000).to_bytes(8, "little"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a file of 1,000 events in several chunks."""
    path = tmp_path / "saved.evtx"
    export([replace(BIND_FAILED, number=number) for number in range(1, 1001)], path)
    return path


def read(path: Path) -> tuple[list[SavedEvent], str]:
    """Give the events that can be read, and what is told of the damage."""
    events = []
    with EvtxReader(path) as reader:
        try:
            for event in reader:
                events.append(event)  # noqa: PERF402 (those before the error count)
        except EventFileFormatError as error:
            return events, str(error)
    return events, ""


def foreign(tmp_path: Path, body: Element, values: Values = ()) -> SavedEvent:
    """Give an event of another shape, as it is read."""
    template = Template(UUID(int=1), Element("Event", [SYSTEM, body]))
    chunk = Chunk(1)
    assert chunk.add(Instance(template, [TIME, *values]), BIND_FAILED.time)
    path = tmp_path / "foreign.evtx"
    path.write_bytes(pack_file_header(chunks=1, next_number=2) + chunk.pack())
    (event,), damage = read(path)
    assert not damage
    return event


def change(path: Path, at: int, data: bytes) -> None:
    """Put these bytes at an offset of a file."""
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


def test_named_values_are_strings(tmp_path: Path) -> None:
    """An event of a manifest has its values as strings, in order, numbers as text."""
    body = Element(
        "EventData",
        [
            Element("Data", [Place(1, Type.U32)], [("Name", "param1")]),
            Element("Data", ["stopped"], [("Name", "param2")]),
            Element("Data", attributes=[("Name", "param3")]),
        ],
    )

    event = foreign(tmp_path, body, [(Type.U32, b"\x42\x27\0\0")])

    assert event.strings == ("10050", "stopped", "")
    assert (event.source, event.id, event.qualifiers) == ("Service Control Manager", 7036, 0)
    assert (event.level, event.keywords, event.sid, event.data) == (0, 0, "", b"")


def test_user_data_are_strings(tmp_path: Path) -> None:
    """The texts of an event's own elements are told too, however deep they are."""
    body = Element(
        "UserData", [Element("Outer", [Element("Inner", ["one"]), Element("Other", ["two"])])]
    )

    assert foreign(tmp_path, body).strings == ("one", "two")


def test_control_characters_are_read(tmp_path: Path) -> None:
    """Characters that XML has none for are what the file has."""
    body = Element("EventData", [Element("Data", ["a\x01b\x1bc\r\n"], [("Name", "x")])])

    assert foreign(tmp_path, body).strings == ("a\x01b\x1bc\r\n",)


def test_a_changed_byte_is_told(log: Path) -> None:
    """A chunk that doesn't fit its checksum is read all the same, and named."""
    change(log, FILE_HEADER_SIZE + CHUNK_SIZE - 1 - CHUNK_HEADER_SIZE, b"\xff")

    events, damage = read(log)

    assert len(events) == 1000
    assert damage == (
        f"{log} is damaged: chunk 0 is not as it was written (checksum); "
        "what could be read has been given"
    )


def test_a_destroyed_chunk_costs_its_own_events(log: Path) -> None:
    """What stands in other chunks is read."""
    whole, _ = read(log)
    change(log, FILE_HEADER_SIZE + CHUNK_SIZE, bytes(range(256)) * 256)

    events, damage = read(log)

    assert events[0] == whole[0]
    assert events[-1] == whole[-1]
    assert 500 < len(events) < 1000
    assert "chunk 1" in damage


def test_a_cut_file_is_told(log: Path) -> None:
    """A file that ends early gives what is there, and says how much is not."""
    log.write_bytes(log.read_bytes()[: FILE_HEADER_SIZE + CHUNK_SIZE + 30_000])

    events, damage = read(log)

    assert 250 < len(events) < 500
    assert "chunk 1 is cut" in damage
    assert "2 of its chunks are missing at the end" in damage


def test_names_that_lead_in_a_circle_do_no_harm(log: Path) -> None:
    """Two names that lead to each other would keep the package evtx busy for ever."""
    content = log.read_bytes()
    first, second = (
        content.index(f"{name}\0".encode("utf-16-le")) - NAME_HEADER - FILE_HEADER_SIZE
        for name in ("Event", "Security")
    )
    change(log, FILE_HEADER_SIZE + first, second.to_bytes(4, "little"))
    change(log, FILE_HEADER_SIZE + second, first.to_bytes(4, "little"))

    events, damage = read(log)

    assert len(events) == 1000
    assert "chunk 0 is not as it was written (checksum)" in damage


def test_a_copied_live_log_is_no_damaged_one(log: Path) -> None:
    """A dirty file's checksums are stale and it has grown ahead, which is as it should be."""
    change(log, FILE_HEADER_SIZE + 52, b"\xff")  # the first chunk's checksum
    change(log, 120, b"\x01")  # dirty
    log.write_bytes(log.read_bytes() + bytes(CHUNK_SIZE))

    events, damage = read(log)

    assert (len(events), damage) == (1000, "")


@pytest.mark.parametrize("content", [b"", b"ElfFile\0", b"not a log" * 1000])
def test_what_is_no_such_file_is_named(tmp_path: Path, content: bytes) -> None:
    """An empty file, a cut header and something else are no .evtx files."""
    path = tmp_path / "x.evtx"
    path.write_bytes(content)

    with pytest.raises(EventFileFormatError, match=r"x\.evtx is no \.evtx file"):
        EvtxReader(path)


def test_without_the_extra_the_error_says_how_to_get_it(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading needs a package that bindpost does without otherwise."""
    monkeypatch.setitem(sys.modules, "evtx", None)

    with pytest.raises(EventFileError, match=r'pip install "bindpost\[evtx\]"'):
        EvtxReader(log)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error has the name and the reason."""
    with pytest.raises(EventFileError, match=r"absent\.evtx cannot be read: No such file"):
        EvtxReader(tmp_path / "absent.evtx")
