"""Files of the .evtx format: the bytes of one event, chunks, what doesn't fit, what fails."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from bindpost.errors import EventFileError
from bindpost.server.eventlog.evtx import EvtxReader, export, write
from bindpost.server.eventlog.evtx.binary_xml import hash_of
from bindpost.server.eventlog.evtx.classic import pack_sid
from bindpost.server.eventlog.evtx.layout import (
    CHUNK_SIZE,
    FILE_HEADER_SIZE,
    filetime,
    is_sound_chunk,
    pack_file_header,
)
from bindpost.server.eventlog.fitting import MARK, MAX_DATA, MAX_NAME, MAX_STRING, MAX_STRINGS
from bindpost.server.eventlog.saved import SavedEvent
from bindpost.testing.saved import BIND_FAILED, ONE_OF_EACH


def written(events: Sequence[SavedEvent]) -> bytes:
    """Give the file of these events."""
    file = BytesIO()
    assert write(events, file) == len(events)
    return file.getvalue()


def chunks_of(content: bytes) -> Iterator[bytes]:
    """Give a file's chunks."""
    for at in range(FILE_HEADER_SIZE, len(content), CHUNK_SIZE):
        yield content[at : at + CHUNK_SIZE]


def read_back(tmp_path: Path, events: Sequence[SavedEvent]) -> list[SavedEvent]:
    """Write events and read them."""
    path = tmp_path / "saved.evtx"
    export(events, path)
    with EvtxReader(path) as reader:
        return list(reader)


@pytest.mark.parametrize(
    ("name", "number"), [("Event", 0x0CBA), ("System", 0x546F), ("Data", 0x6F8A), ("xmlns", 0x0FBC)]
)
def test_names_are_hashed_as_windows_does(name: str, number: int) -> None:
    """The hashes are those that stand beside these names in files of Windows 10."""
    assert hash_of([ord(character) for character in name]) == number


def test_4007() -> None:
    """The file of one event has always the same bytes; other readers than ours have read these."""
    content = written([BIND_FAILED])

    assert len(content) == FILE_HEADER_SIZE + CHUNK_SIZE
    assert hashlib.sha256(content).hexdigest() == (
        "6956848014c99f51f7c529c9330b4e695105fc50ae32e07810f3027ef2b7cba1"
    )


def test_all_facts_are_read_back(tmp_path: Path) -> None:
    """What an event says is what is read, of every level, with and without strings and data."""
    assert read_back(tmp_path, ONE_OF_EACH) == list(ONE_OF_EACH)


def test_chunks_follow_each_other(tmp_path: Path) -> None:
    """A thousand events fill several chunks, each sound, and the headers tell the numbers."""
    many = [replace(BIND_FAILED, number=number) for number in range(41, 1041)]
    content = written(many)
    chunks = list(chunks_of(content))
    numbers = [struct.unpack_from("<4Q", chunk, 8) for chunk in chunks]

    assert content[:FILE_HEADER_SIZE] == pack_file_header(chunks=len(chunks), next_number=1041)
    assert len(chunks) > 2
    assert all(is_sound_chunk(chunk) for chunk in chunks)
    assert all(first == first_id and last == last_id for first, last, first_id, last_id in numbers)
    assert [first for first, *_ in numbers] == [41, *(last + 1 for _, last, *_ in numbers[:-1])]
    assert numbers[-1][1] == 1040
    assert read_back(tmp_path, many) == many


def test_what_does_not_fit_leaves_no_trace() -> None:
    """A chunk is the same whether it was closed by the end or by an event too large for it."""
    large = replace(BIND_FAILED, source="bindpost", strings=("x" * 30_000,))

    (alone,) = chunks_of(written(ONE_OF_EACH))
    first, _ = chunks_of(written([*ONE_OF_EACH, large]))

    assert first == alone


def test_no_record_ends_with_its_chunk() -> None:
    """Libevtx sees nothing of a record that ends where its chunk does, so none ends there."""

    def free_after(length: int) -> int:
        """Give where free space begins behind two records, the second with so many data."""
        first, second = (replace(BIND_FAILED, data=bytes(size)) for size in (5000, length))
        first_chunk = next(chunks_of(written([first, second])))
        return int(struct.unpack_from("<I", first_chunk, 48)[0])

    exactly = CHUNK_SIZE - free_after(8) + 8

    assert free_after(exactly - 8) == CHUNK_SIZE - 8
    assert free_after(exactly) == free_after(MAX_DATA)  # in the next chunk


def test_an_event_of_greatest_size_fits(tmp_path: Path) -> None:
    """Names, user, strings and data at their greatest lengths still make a record in a chunk."""
    greatest = replace(
        BIND_FAILED,
        number=2,
        source="s" * MAX_NAME,
        channel="c" * MAX_NAME,
        computer="c" * MAX_NAME,
        sid="-".join(["S-1-5", *["4294967295"] * 15]),
        strings=("a" * MAX_STRING, *["b" * 200] * MAX_STRINGS),
        data=bytes(2 * MAX_DATA),
    )

    _, event, last = read_back(tmp_path, [BIND_FAILED, greatest, replace(BIND_FAILED, number=3)])

    assert (event.source, event.channel, event.sid) == (
        greatest.source,
        greatest.channel,
        greatest.sid,
    )
    assert len(event.strings) == MAX_STRINGS
    assert event.strings[0].endswith(MARK)
    assert last == replace(BIND_FAILED, number=3)


def test_events_are_numbered_on_from_the_first(tmp_path: Path) -> None:
    """Numbers have no gap, wherever the events come from; a first one without gets 1."""
    numbered = [replace(BIND_FAILED, number=number) for number in (5, 5, 900)]

    assert [event.number for event in read_back(tmp_path, numbered)] == [5, 6, 7]
    assert [event.number for event in read_back(tmp_path, [replace(BIND_FAILED, number=0)])] == [1]


def test_an_empty_log_is_a_file_too(tmp_path: Path) -> None:
    """No events make a file with one chunk that has none."""
    content = written([])

    (chunk,) = chunks_of(content)
    assert is_sound_chunk(chunk)
    assert read_back(tmp_path, []) == []


@pytest.mark.parametrize(
    ("time", "number"),
    [
        (datetime(1601, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, tzinfo=UTC), 116_444_736_000_000_000),
        (datetime(1970, 1, 1, 0, 0, 0, 1, UTC) + timedelta(days=1), 116_445_600_000_000_010),
        (datetime(1, 1, 1, tzinfo=UTC), 0),
    ],
)
def test_times_are_counted_from_1601(time: datetime, number: int) -> None:
    """A FILETIME counts 100 nanoseconds from 1601; a wrong clock costs no event."""
    assert filetime(time) == number


@pytest.mark.parametrize(
    "text", ["x", "S-1", "S-1-5-x", "S-1-5-4294967296", "S-300-5", f"S-1-{2**48}"]
)
def test_a_wrong_sid_is_named(text: str) -> None:
    """A security identifier that is none is refused by its text."""
    with pytest.raises(ValueError, match="is no security identifier"):
        pack_sid(text)


def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    """An error among the events leaves the former file, and nothing beside it."""

    def broken() -> Iterator[SavedEvent]:
        yield BIND_FAILED
        raise RuntimeError("gone")

    path = tmp_path / "saved.evtx"
    export([BIND_FAILED], path)
    before = path.read_bytes()

    with pytest.raises(RuntimeError, match="gone"):
        export(broken(), path)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder that isn't there is told, with what to do."""
    with pytest.raises(EventFileError, match=r"saved\.evtx cannot be written: No such file"):
        export([BIND_FAILED], tmp_path / "absent" / "saved.evtx")
