"""An event log file may hold any bytes: they are read, or refused by name, and soon."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bindpost.errors import EventFileFormatError
from bindpost.server.eventlog.evt import EvtLog, EvtReader
from bindpost.server.eventlog.evt.layout import EMPTY, Bounds, Flag, Header, pack_eof, pack_header
from bindpost.server.eventlog.evt.reader import examine, records_in
from bindpost.testing.evt import MemoryStorage, record_of

SMALLEST = 0x10000
INTERESTING = st.sampled_from(
    [0, 1, 4, 40, 47, 48, 56, 60, 64, 0x27, 0x30, 0x28, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF]
)


@cache
def logs() -> tuple[bytes, ...]:
    """Give the bytes of an empty, a short, a wrapped and a filled log."""
    made = []
    for lengths in ((), (200, 300, 400), (8000,) * 11, (8000,) * 7 + (9440, 200, 300)):
        storage = MemoryStorage()
        log = EvtLog(storage, max_size=SMALLEST)
        for length in lengths:
            log.append(record_of(length))
        made.append(bytes(storage.content))
    return tuple(made)


def read_all(content: bytes) -> int:
    """Read a file to its end or to the first error; nothing else may come of it."""
    storage = MemoryStorage(content)
    count = 0
    with suppress(EventFileFormatError):
        ring, _, bounds = examine(storage)
        for _ in records_in(ring, bounds):
            count += 1
    return count


def edit(content: bytes, edits: list[tuple[int, int]]) -> bytes:
    """Put 32-bit numbers at offsets."""
    changed = bytearray(content)
    for offset, value in edits:
        struct.pack_into("<I", changed, offset % (len(changed) - 4), value)
    return bytes(changed)


@given(st.binary(max_size=300))
@example(b"")
@example(pack_header(Header(bounds=EMPTY, max_size=SMALLEST)))
@example(pack_header(Header(bounds=EMPTY, max_size=0)) + pack_eof(EMPTY)[:39])
def test_any_bytes(content: bytes) -> None:
    """Bytes that nobody meant as an event log."""
    assert read_all(content) == 0


@given(
    st.builds(
        Bounds,
        start=INTERESTING,
        end=INTERESTING,
        next_number=INTERESTING,
        oldest_number=INTERESTING,
    ),
    st.integers(0, 15),
    st.binary(max_size=200),
)
def test_any_header(bounds: Bounds, flags: int, rest: bytes) -> None:
    """A header that points anywhere."""
    header = Header(bounds=bounds, max_size=SMALLEST, flags=Flag(flags))
    read_all(pack_header(header) + rest)


@given(
    st.integers(0, 3),
    st.lists(
        st.tuples(
            st.integers(0, 600) | st.integers(0, SMALLEST), INTERESTING | st.integers(0, 2**32 - 1)
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_any_damage(which: int, edits: list[tuple[int, int]]) -> None:
    """A log with numbers changed in it is read up to the damage, or mended, or refused."""
    content = edit(logs()[which], edits)
    read_all(content)

    storage = MemoryStorage(content)
    try:
        log = EvtLog(storage, max_size=SMALLEST)
    except EventFileFormatError:
        assert storage.content == content
        return
    with suppress(EventFileFormatError):
        log.append(record_of(500))
        for _ in log.records():
            pass


@given(st.integers(0, 3), st.integers(0, SMALLEST))
def test_any_length(which: int, length: int) -> None:
    """A file that was cut short."""
    read_all(logs()[which][:length])


def corpus() -> Iterator[tuple[str, bytes]]:
    """Give files that were made to be slow, endless or large."""
    size = 0x80000
    dirty = Header(bounds=EMPTY, max_size=size, flags=Flag.DIRTY)
    body = bytearray(size)
    body[:48] = pack_header(dirty)
    for offset in range(48, size - 40, 40):
        body[offset : offset + 40] = pack_eof(
            Bounds(start=48, end=offset, next_number=offset, oldest_number=2)
        )
    yield "EOF records everywhere", bytes(body)

    ring = bytearray(SMALLEST)
    loop = Bounds(start=48, end=52, next_number=9, oldest_number=1)
    ring[:48] = pack_header(Header(bounds=loop, max_size=SMALLEST))
    at, number = 48, 1
    while at + 64 <= SMALLEST:
        fixed = struct.pack(
            "<I4s4I4H6I", 64, b"LfLe", number, 0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 60, 0, 60
        )
        ring[at : at + 64] = fixed + bytes(4) + struct.pack("<I", 64)
        at, number = at + 64, number + 1
    yield "records without an end", bytes(ring)

    huge = bytearray(SMALLEST)
    huge[:48] = pack_header(
        Header(bounds=Bounds(start=48, end=4, next_number=2, oldest_number=1), max_size=SMALLEST)
    )
    struct.pack_into("<I4s", huge, 48, 0xFFFFFFFC, b"LfLe")
    yield "a record of 4 GiB", bytes(huge)


@pytest.mark.parametrize("content", [pytest.param(data, id=name) for name, data in corpus()])
@pytest.mark.timeout(20)
def test_corpus(content: bytes, tmp_path: Path) -> None:
    """None of them takes long, is opened to be written to, or is taken for whole."""
    path = tmp_path / "AppEvent.Evt"
    path.write_bytes(content)

    with (
        pytest.raises(EventFileFormatError, match=r"AppEvent\.Evt is damaged"),
        EvtReader(path) as reader,
    ):
        list(reader)
    with pytest.raises(EventFileFormatError, match=r"AppEvent\.Evt is damaged"):
        EvtLog.open(path)
    assert path.read_bytes() == content
