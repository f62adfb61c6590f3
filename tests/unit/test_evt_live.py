"""The live event log file: what it takes, drops and refuses, and who may open it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from bindpost.errors import (
    EventFileError,
    EventFileFormatError,
    EventFileInUseError,
    EventLogFullError,
)
from bindpost.server.eventlog.evt import EvtLog, EvtReader, export, write
from bindpost.server.eventlog.evt.layout import (
    EMPTY,
    FILL,
    Bounds,
    Flag,
    Header,
    pack_eof,
    pack_header,
    unpack_header,
)
from bindpost.server.eventlog.evt.record import pack
from bindpost.testing.evt import BIND_FAILED, CutError, MemoryStorage, record_of

SMALLEST = 0x10000
WEEK = 604_800
LENGTH = len(pack(BIND_FAILED))


def header_of(storage: MemoryStorage) -> Header:
    """Give the header as it is on disk."""
    return unpack_header(bytes(storage.content))


def numbers(log: EvtLog) -> list[int]:
    """Give the numbers of the records that are in a log."""
    return [record.number for record in log.records()]


def test_new_log_is_empty_and_64_kib(tmp_path: Path) -> None:
    """A new file is empty, clean, and as large as its first step."""
    path = tmp_path / "AppEvent.Evt"
    EvtLog.open(path).close()

    header = Header(bounds=EMPTY, max_size=0x80000)
    content = path.read_bytes()
    assert content == (pack_header(header) + pack_eof(EMPTY)).ljust(0x10000, b"\0")


def test_records_stay_over_restarts(tmp_path: Path) -> None:
    """A log that is opened again goes on where it ended."""
    path = tmp_path / "AppEvent.Evt"
    with EvtLog.open(path) as log:
        assert log.append(BIND_FAILED) == 1
    with EvtLog.open(path) as log:
        assert not log.repaired
        assert log.append(replace(BIND_FAILED, number=77)) == 2
        assert log.next_number == 3

    with EvtReader(path) as reader:
        assert list(reader) == [BIND_FAILED, replace(BIND_FAILED, number=2)]


def test_file_grows_in_steps() -> None:
    """The file grows by 64 KiB when it is full, and no further than its maximum."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=3 * SMALLEST)
    sizes = []
    for _ in range(10):
        log.append(record_of(32_000))
        sizes.append(storage.size() // SMALLEST)

    assert sizes == [1, 1, 2, 2, 3, 3, 3, 3, 3, 3]
    assert numbers(log) == [5, 6, 7, 8, 9, 10]


def test_file_is_clean_after_each_append() -> None:
    """Whoever copies the file between two events has one that can be opened."""
    storage = MemoryStorage()
    log = EvtLog(storage)
    log.append(BIND_FAILED)

    header = header_of(storage)
    assert header.flags == Flag.NONE
    assert header.bounds == Bounds(start=48, end=48 + LENGTH, next_number=2, oldest_number=1)
    assert storage.content[header.bounds.end :][:40] == pack_eof(header.bounds)


@pytest.mark.parametrize("left", [0, 4, 36, 40, 52, 56])
def test_end_of_file(left: int) -> None:
    """A record's fixed part is not split: where it doesn't fit the end is filled with 0x27."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=SMALLEST)
    log.append(record_of(30_000))
    log.append(record_of(SMALLEST - 48 - 30_000 - left))
    log.append(BIND_FAILED)

    assert numbers(log) == [2, 3]
    begins_at = 48 if left < 56 else SMALLEST - left
    assert log.append(BIND_FAILED) == 4
    assert header_of(storage).flags == Flag.WRAP
    assert storage.content[begins_at:][:4] == pack(BIND_FAILED)[:4]
    if left < 56:
        assert storage.content[SMALLEST - left :] == FILL * (left // 4)
    with_reopened = EvtLog(MemoryStorage(bytes(storage.content)), max_size=SMALLEST)
    assert not with_reopened.repaired
    assert numbers(with_reopened) == [2, 3, 4]


def test_largest_record_takes_the_whole_log() -> None:
    """A record that is too long for the log is cut to what fits, and all others go."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=SMALLEST)
    for _ in range(100):
        log.append(BIND_FAILED)
    log.append(replace(BIND_FAILED, strings=("x" * 31_000, "y" * 31_000)))
    (record,) = log.records()

    assert record.number == 101
    assert all(string.endswith(("x [cut]", "y [cut]")) for string in record.strings)
    log.append(BIND_FAILED)
    assert numbers(log) == [102]


def test_number_wraps_past_zero() -> None:
    """Behind record 4294967295 comes record 1."""
    file = BytesIO()
    write([replace(BIND_FAILED, number=0xFFFFFFFE)], file)
    log = EvtLog(MemoryStorage(file.getvalue()))

    assert [log.append(BIND_FAILED), log.append(BIND_FAILED)] == [0xFFFFFFFF, 1]
    assert numbers(log) == [0xFFFFFFFE, 0xFFFFFFFF, 1]


def test_retention_protects_young_records() -> None:
    """Nothing is dropped that is too young: the log is full, says so, and takes none of it."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=SMALLEST, retention=WEEK)
    for _ in range((SMALLEST - 48 - 40) // LENGTH):
        log.append(BIND_FAILED)
    with pytest.raises(EventLogFullError, match=r"\(memory\) is full") as full:
        log.append(BIND_FAILED)
    held = numbers(log)

    assert full.value.status == 0xC0000188
    assert header_of(storage).flags == Flag.LOGFULL_WRITTEN
    with pytest.raises(EventLogFullError):
        log.append(replace(BIND_FAILED, time_written=BIND_FAILED.time_written + WEEK - 1))

    log.append(replace(BIND_FAILED, time_written=BIND_FAILED.time_written + WEEK))
    assert numbers(log) == [*held[1:], held[-1] + 1]
    assert header_of(storage).flags == Flag.WRAP


def test_existing_log_is_made_larger_and_never_smaller() -> None:
    """The size asked for is for a new file; an old one may grow to it."""
    storage = MemoryStorage()
    EvtLog(storage, max_size=2 * SMALLEST).close()

    assert EvtLog(storage, max_size=SMALLEST).max_size == 2 * SMALLEST
    assert EvtLog(storage, max_size=4 * SMALLEST).max_size == 4 * SMALLEST
    assert header_of(storage).max_size == 4 * SMALLEST


def test_wrapped_log_keeps_its_size() -> None:
    """Readers wrap where the file ends, so a wrapped file can't be made larger."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=SMALLEST)
    while header_of(storage).bounds.start <= header_of(storage).bounds.end:
        log.append(record_of(3000))

    log = EvtLog(storage, max_size=2 * SMALLEST)
    before = numbers(log)

    assert log.max_size == SMALLEST
    log.append(record_of(3000))
    assert numbers(log) == [*before[1:], before[-1] + 1]


def test_exported_file_can_be_gone_on_with(tmp_path: Path) -> None:
    """A compact file becomes a live one when it is opened as such."""
    path = tmp_path / "saved.evt"
    export([BIND_FAILED], path)
    with EvtLog.open(path) as log:
        log.append(BIND_FAILED)
        assert numbers(log) == [1, 2]
    assert path.stat().st_size == SMALLEST


@pytest.mark.parametrize(
    "content", [b"0", b"ElfFile\0" + bytes(4088), b"text\n" * 20_000, bytes(100)]
)
def test_other_files_are_left_alone(content: bytes, tmp_path: Path) -> None:
    """A file that is no event log gets an error that names it, and keeps its bytes."""
    path = tmp_path / "AppEvent.Evt"
    path.write_bytes(content)

    with pytest.raises(EventFileFormatError, match=r"AppEvent\.Evt is no event log file"):
        EvtLog.open(path)
    assert path.read_bytes() == content


def test_damaged_log_is_left_alone(tmp_path: Path) -> None:
    """A log that is damaged in the middle is not cut down to what is before it."""
    path = tmp_path / "AppEvent.Evt"
    with EvtLog.open(path) as log:
        for _ in range(3):
            log.append(BIND_FAILED)
    content = bytearray(path.read_bytes())
    content[48 + LENGTH + 4] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(EventFileFormatError, match=r"AppEvent\.Evt is damaged: .*record 2"):
        EvtLog.open(path)
    assert path.read_bytes() == content


def test_folder_and_missing_folder_are_named(tmp_path: Path) -> None:
    """What the system says is passed on with the file's name."""
    with pytest.raises(EventFileError, match="cannot be opened: Is a directory"):
        EvtLog.open(tmp_path)
    with pytest.raises(EventFileError, match="cannot be opened: No such file"):
        EvtLog.open(tmp_path / "absent" / "AppEvent.Evt")
    with pytest.raises(EventFileError, match="cannot be opened: Is a directory"):
        EvtReader(tmp_path)


@pytest.mark.parametrize("size", [0, 1000, 0x10001, 1 << 32])
def test_max_size_must_be_steps(size: int) -> None:
    """The maximum is a multiple of 64 KiB that the header has room for."""
    with pytest.raises(ValueError, match="max_size must be a multiple of 65536"):
        EvtLog(MemoryStorage(), max_size=size)


def test_two_in_one_process_cannot_write(tmp_path: Path) -> None:
    """The second one is told who is meant; when the first closes it may."""
    path = tmp_path / "AppEvent.Evt"
    with EvtLog.open(path), pytest.raises(EventFileInUseError, match=r"AppEvent\.Evt is written"):
        EvtLog.open(path)
    EvtLog.open(path).close()


def test_two_processes_cannot_write(tmp_path: Path) -> None:
    """Another process is kept out while the log is open; a reader is not."""
    path = tmp_path / "AppEvent.Evt"
    writer = (
        "import pathlib, sys; from bindpost.server.eventlog.evt import EvtLog;"
        "EvtLog.open(pathlib.Path(sys.argv[1]))"
    )
    with EvtLog.open(path) as log:
        log.append(BIND_FAILED)
        second = subprocess.run(
            [sys.executable, "-c", writer, path], check=False, capture_output=True, text=True
        )
        with EvtReader(path) as reader:
            assert list(reader) == [BIND_FAILED]

    assert second.returncode == 1
    assert "EventFileInUseError: event log" in second.stderr


def test_closed_log_takes_nothing() -> None:
    """A closed log says that it is."""
    log = EvtLog(MemoryStorage())
    log.close()
    log.close()

    with pytest.raises(EventFileError, match="is closed"):
        log.append(BIND_FAILED)


def test_failed_write_costs_the_record_only() -> None:
    """After a write that failed, at whatever byte, the log is used on, and closes clean."""
    for room in range(200):
        storage = MemoryStorage()
        log = EvtLog(storage)
        log.append(BIND_FAILED)
        storage.budget = room
        with pytest.raises(CutError):
            log.append(BIND_FAILED)
        storage.budget = None
        if room % 2:
            log.append(BIND_FAILED)
        log.close()

        assert header_of(storage).flags == Flag.NONE
        again = EvtLog(storage)
        assert not again.repaired
        assert numbers(again) == [1, 2][: 1 + room % 2]


FULL_DISK = """
import pathlib, resource, signal, sys
from bindpost.errors import EventFileError
from bindpost.server.eventlog.evt import EvtLog
from bindpost.testing.evt import record_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with EvtLog.open(pathlib.Path(sys.argv[1])) as log:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0x12000, resource.RLIM_INFINITY))
    try:
        while True:
            log.append(record_of(4000))
    except EventFileError as error:
        print(error)
"""


def test_file_that_cannot_grow_is_named(tmp_path: Path) -> None:
    """When there is no more room the error names the file, and what is in it stays readable."""
    path = tmp_path / "AppEvent.Evt"
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], check=True, capture_output=True, text=True
    )

    assert f"event log {path} cannot be enlarged: File too large" in result.stdout
    with EvtReader(path) as reader:
        assert [record.number for record in reader] == list(range(1, 17))
        assert reader.header.flags == Flag.NONE
