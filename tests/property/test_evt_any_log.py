"""Random logs equal a list from which the oldest fall off, in the file and after export."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.errors import EventLogFullError
from bindpost.server.eventlog.evt import EvtLog, EvtReader, EvtRecord, export, write
from bindpost.server.eventlog.evt.layout import Flag
from bindpost.server.eventlog.evt.record import fit, pack, unpack
from bindpost.testing.evt import BIND_FAILED, MemoryStorage

TEXTS = st.text(st.characters(codec=None), max_size=40)  # lone surrogates and NUL too
NUMBERS = st.integers(0, 0xFFFFFFFF)
RECORDS = st.builds(
    EvtRecord,
    number=st.integers(1, 0xFFFFFFFF),
    time_generated=NUMBERS,
    time_written=NUMBERS,
    identifier=NUMBERS,
    type=st.integers(0, 0xFFFF),
    category=st.integers(0, 0xFFFF),
    source=TEXTS,
    computer=TEXTS,
    sid=st.binary(max_size=68),
    strings=st.lists(TEXTS, max_size=8).map(tuple),
    data=st.binary(max_size=100),
)


class Model:
    """What a log of this size must hold: a queue that knows how many bytes its records take."""

    def __init__(self, max_size: int, retention: int) -> None:
        self.capacity = max_size - 48
        self.end = 0
        self.used = 0
        self.retention = retention
        self.number = 1
        self.records: deque[tuple[EvtRecord, int, int]] = deque()
        self.filled = 0

    def append(self, record: EvtRecord) -> bool:
        """Take a record, or tell that the log is full."""
        record = fit(replace(record, number=self.number), limit=self.capacity - 56 - 40)
        length = len(pack(record))
        room = self.capacity - self.end
        gap = room if room < 56 else 0  # no record begins in the last 55 bytes
        used, falling = self.used, 0
        while used + gap + length + 40 > self.capacity:
            oldest = self.records[falling][0]
            if record.time_written - oldest.time_written < self.retention:
                return False
            falling += 1
            used -= self.records[falling - 1][1]
            used -= self.records[falling][2] if falling < len(self.records) else 0
        for _ in range(falling):
            self.records.popleft()
        if not self.records:
            gap, used = 0, 0
        self.end = (self.end + (room if room < 56 else 0) + length) % self.capacity
        self.filled += room < 56
        self.used = used + gap + length
        self.records.append((record, length, gap))
        self.number += 1
        return True

    def held(self) -> list[EvtRecord]:
        """Give the records, the oldest first."""
        return [record for record, _, _ in self.records]


def random_record(chance: random.Random, time: int) -> EvtRecord:
    """Give an event as they come: mostly short, now and then long."""
    words = [
        "10050",
        "prøxy",
        "日本語",
        "😀",
        "",
        "nul\0inside",
        "x" * chance.choice([3, 300, 9000]),
    ]
    return replace(
        BIND_FAILED,
        time_generated=time,
        time_written=time,
        strings=tuple(chance.choices(words, k=chance.randrange(5))),
        data=chance.randbytes(chance.choice([0, 4, 7, 50, 2000])),
        sid=chance.choice([b"", bytes.fromhex("010100000000000512000000")]),
    )


def play(seed: int, path: Path) -> Model:
    """Write a random log, opening it anew now and then, and hold it against the model."""
    chance = random.Random(seed)
    size, retention = chance.choice([1, 1, 1, 2, 4]) * 0x10000, chance.choice([0, 0, 0, 3600])
    model = Model(size, retention)
    time = 916704001
    log = EvtLog.open(path, max_size=size, retention=retention)
    for _ in range(chance.randrange(20, 600)):
        time += chance.randrange(20)
        record = random_record(chance, time)
        if model.append(record):
            log.append(record)
        else:
            with pytest.raises(EventLogFullError):
                log.append(record)
        if chance.random() < 0.05:
            assert list(log.records()) == model.held()
            log.close()
            log = EvtLog.open(path, max_size=size, retention=retention)
            assert not log.repaired
    log.close()
    return model


def test_random_logs_equal_the_model(tmp_path: Path) -> None:
    """What is read is what the model holds, from the live file and from its export."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        live, exported = tmp_path / f"{seed}.Evt", tmp_path / "saved.evt"
        model = play(seed, live)

        with EvtReader(live) as reader:
            assert list(reader) == model.held(), seed
            seen["filled"] += model.filled > 0
            seen.update(str(flag.name) for flag in Flag if flag in reader.header.flags)
            export(reader, exported)
        with EvtReader(exported) as reader:
            assert list(reader) == model.held(), seed
            assert reader.header.max_size == exported.stat().st_size
            assert reader.header.flags == Flag.NONE
            assert reader.header.bounds.start == 48

    assert min(seen["filled"], seen["WRAP"], seen["LOGFULL_WRITTEN"]) >= 3, seen


@given(RECORDS)
def test_any_record_comes_back(record: EvtRecord) -> None:
    """What is read is what fits, and fits again without a change."""
    whole = fit(record)

    assert unpack(pack(record)) == whole
    assert fit(whole) == whole


@given(RECORDS, st.integers(2500, 4000))
def test_any_record_keeps_to_its_limit(record: EvtRecord, limit: int) -> None:
    """A record is cut to the room that there is, and can still be read."""
    record = replace(record, strings=tuple(string * 100 for string in record.strings))

    raw = pack(record, limit=limit)

    assert len(raw) <= limit
    assert pack(unpack(raw), limit=limit) == raw


@given(st.lists(RECORDS, max_size=5))
def test_any_export_comes_back(records: list[EvtRecord]) -> None:
    """Records of any numbers are exported under numbers that follow each other."""
    file = BytesIO()

    assert write(records, file) == len(records)
    log = EvtLog(MemoryStorage(file.getvalue()))
    found = list(log.records())
    assert [replace(record, number=1) for record in found] == [
        fit(replace(record, number=1)) for record in records
    ]
    assert [record.number for record in found[:1]] == [record.number for record in records[:1]]
