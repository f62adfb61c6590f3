"""A process that dies while it appends: at whatever byte, one record is lost at most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from bindpost.server.eventlog.evt import EvtLog, EvtRecord
from bindpost.server.eventlog.evt.layout import Flag, unpack_header
from bindpost.server.eventlog.evt.ring import Ring
from bindpost.testing.evt import BIND_FAILED, CutError, MemoryStorage, record_of

SMALLEST = 0x10000


def log_of(*lengths: int, max_size: int = SMALLEST) -> MemoryStorage:
    """Give a log to which records of these lengths were written."""
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=max_size)
    for length in lengths:
        log.append(record_of(length))
    return storage


def opened(storage: MemoryStorage) -> EvtLog:
    """Open a log that is not to be made larger."""
    return EvtLog(storage, max_size=SMALLEST)


def full(left: int) -> tuple[int, ...]:
    """Give the lengths of records after which so many bytes are left before the end."""
    return (8000,) * 7 + (SMALLEST - 48 - 7 * 8000 - left,)


SCENARIOS: dict[str, tuple[tuple[int, ...], int | EvtRecord]] = {
    "first record": ((), 200),
    "plain": ((200, 300), 160),
    "long names": ((200, 300), replace(BIND_FAILED, computer="x" * 200)),
    "growth": ((60_000, 5000), 1000),
    "one is dropped": (full(300), 300),
    "two are dropped": ((400, 400, *(8000,) * 7, SMALLEST - 48 - 57_100), 700),
    "split": (full(100), 200),
    "ends where the file ends": (full(200), 200),
    "eof record split": (full(220), 200),
    "end filled over an eof record": (full(48), 200),
    "end filled over half an eof record": (full(20), 200),
    "nothing left before the end": (full(0), 200),
    "wrapped before": ((*full(48), 200), 200),
    "all are dropped": (full(300), 65_000),
    "all are dropped, end filled": (full(20), 65_000),
}


def cuts(total: int) -> Iterator[int]:
    """Give each byte of a short write, and of a long one both ends whole and samples between."""
    return (n for n in range(total) if n < 600 or n > total - 600 or n % 997 == 0)


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> tuple[bytes, EvtRecord]:
    """Give the bytes of a log, and what is appended to it next."""
    lengths, last = SCENARIOS[request.param]
    size = 2 * SMALLEST if request.param == "growth" else SMALLEST
    record = record_of(last) if isinstance(last, int) else last
    return bytes(log_of(*lengths, max_size=size).content), record


def numbers(storage: MemoryStorage) -> list[int]:
    """Give the numbers of what a log holds, which must be clean."""
    log = opened(storage)
    assert not log.repaired
    return [record.number for record in log.records()]


def cut_at(content: bytes, record: EvtRecord, budget: int) -> MemoryStorage:
    """Give the file that is left when the process dies after so many bytes of an append."""
    storage = MemoryStorage(content)
    log = opened(storage)
    storage.budget = budget
    with suppress(CutError):
        log.append(record)
    return MemoryStorage(bytes(storage.content))


def test_at_most_one_record_is_lost(scenario: tuple[bytes, EvtRecord]) -> None:
    """Whatever byte was the last: what was there and need not go is there, and the log goes on."""
    content, record = scenario
    whole = MemoryStorage(content)
    log = opened(whole)
    whole.ends = [0]
    number = log.append(record)
    before, after = numbers(MemoryStorage(content)), numbers(whole)
    dropped = [n for n in after if n != number]

    seen = set()
    for budget in cuts(whole.written):
        storage = cut_at(content, record, budget)
        log = opened(storage)
        held = [found.number for found in log.records()]
        seen.add(tuple(held))
        assert held in (before, dropped, after), budget
        assert not unpack_header(bytes(storage.content)).flags & Flag.DIRTY
        assert len(list(Ring(storage, storage.size()).eof_records())) == 1, budget

        log.append(BIND_FAILED)
        assert numbers(storage)[-1] == log.next_number - 1
    assert tuple(after) in seen


def test_cut_repair_is_repaired(scenario: tuple[bytes, EvtRecord]) -> None:
    """A process that dies while it repairs leaves a file that can be repaired again."""
    content, record = scenario
    whole = MemoryStorage(content)
    log = opened(whole)
    whole.ends = [0]
    log.append(record)
    for budget in range(0, whole.written, max(whole.written // 15, 1)):
        broken = bytes(cut_at(content, record, budget).content)
        repaired = MemoryStorage(broken)
        opened(repaired)
        expected = numbers(MemoryStorage(bytes(repaired.content)))
        for second in range(0, repaired.written, 7):
            storage = MemoryStorage(broken, budget=second)
            with pytest.raises(CutError):
                opened(storage)
            again = MemoryStorage(bytes(storage.content))
            opened(again)
            assert numbers(again) == expected, (budget, second)


def test_cut_making_is_made_again() -> None:
    """A new file that was not finished is no damaged one."""
    whole = MemoryStorage()
    opened(whole)
    for budget in range(whole.written):
        storage = MemoryStorage(budget=budget)
        with pytest.raises(CutError):
            opened(storage)
        again = MemoryStorage(bytes(storage.content))
        opened(again)
        assert again.content == whole.content


def test_stale_header_as_nt_leaves_it() -> None:
    """NT keeps only the EOF record up to date; that is enough, wrapped or not."""
    for lengths in ((200,) * 5, (*full(48), 200), full(100) + (200,) * 100):
        storage = log_of(*lengths)
        expected = numbers(storage)
        stale = bytearray(log_of().content[:48])  # as it was when the log was opened
        stale[36] |= Flag.DIRTY
        storage.content[:48] = stale
        log = opened(storage)

        assert log.repaired
        assert [record.number for record in log.records()] == expected


def test_data_that_look_like_an_eof_record_lead_nobody_astray() -> None:
    """What a record holds is not searched for its end."""
    storage = log_of(200)
    header = unpack_header(bytes(storage.content))
    at = header.bounds.end + 120 - 8  # where the record's data will stand
    at += -at % 4
    forged = bytes.fromhex("28000000 11111111 22222222 33333333 44444444")
    for n in (at, at, 5000, 0):
        forged += n.to_bytes(4, "little")
    log = opened(storage)
    log.append(replace(BIND_FAILED, data=forged + (40).to_bytes(4, "little")))
    storage.content[36] |= Flag.DIRTY
    log = opened(storage)

    assert [record.number for record in log.records()] == [1, 2]
