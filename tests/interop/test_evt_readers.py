"""Other people's readers open our event log files: libevt, dissect, Samba, grokevt."""

from __future__ import annotations

import csv
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path

import pytest
from dissect.eventlog.evt import Evt  # type: ignore[import-untyped]

from bindpost.server.eventlog.evt import EvtLog, EvtReader, EvtRecord, export
from bindpost.server.eventlog.evt.layout import FIXED_SIZE, Flag
from bindpost.testing.evt import BIND_FAILED, CutError, MemoryStorage, record_of

Program = Callable[[str], Path]
SMALLEST = 0x10000
SENTENCE = "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
TEMPLATE = "The following error occurred while trying to bind the TCP/IP listener socket (%1)\r\n"
ASCII = (
    BIND_FAILED,
    replace(BIND_FAILED, number=2, identifier=0xC0000FB4, strings=(), data=b""),
    replace(
        BIND_FAILED, number=3, type=2, category=4, sid=bytes.fromhex("010100000000000512000000")
    ),
)
ALL = (
    *ASCII,
    replace(
        BIND_FAILED,
        number=4,
        computer="ΕΡΜΗΣ-сервер",
        strings=("10050", "prøxy „grüße“ 日本語", "", "nul\u2400inside", "x" * 5000),
        data=bytes(range(7)),
        sid=bytes.fromhex("010500000000000515000000c0a8175253b18e14abcd93cbf4010000"),
    ),
    replace(BIND_FAILED, number=5, type=4, time_generated=0, time_written=1),
)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Give the export of one record of each kind."""
    path = tmp_path / "saved.evt"
    export(ALL, path)
    return path


def run(*command: str | Path) -> str:
    """Give what a program prints; it must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def evtexport(program: Program, path: Path) -> list[dict[str, list[str]]]:
    """Give the records that libevt reads, each as its lines by name."""
    records = []
    for block in run(program("evtexport"), path).split("Event number\t")[1:]:
        record: dict[str, list[str]] = {}
        for line in f"Event number\t{block}".splitlines():
            name, *value = re.split(r"\t+: ?", line, maxsplit=1)
            if value:
                record.setdefault(re.sub(r": \d+", "", name), []).append(value[0])
        records.append(record)
    return records


def dissected(content: bytes, most: int = 2000) -> list[EvtRecord]:
    """Give the records that dissect reads; it can't tell a SID."""
    return [
        replace(
            BIND_FAILED,
            number=found.RecordNumber,
            time_generated=int(found.TimeGenerated.timestamp()),
            time_written=int(found.TimeWritten.timestamp()),
            identifier=found.EventID,
            type=found.EventType,
            category=found.EventCategory,
            source=found.SourceName,
            computer=found.Computername,
            strings=tuple(found.Strings or ()),
            data=found.Data or b"",
        )
        for found in islice(Evt(BytesIO(content)), most)
    ]


def without_sids(records: Iterable[EvtRecord]) -> list[EvtRecord]:
    """Give records as dissect can tell them."""
    return [replace(record, sid=b"") for record in records]


def test_evtexport_reads_the_export(program: Program, exported: Path) -> None:
    """libevt reads every field of every record; its times are printed in UTC."""
    found = evtexport(program, exported)

    assert [record["Event number"] for record in found] == [[str(r.number)] for r in ALL]
    for record, ours in zip(found, ALL, strict=True):
        assert record["Event identifier"] == [f"0x{ours.identifier:08x} ({ours.identifier})"]
        assert record["Event category"] == [str(ours.category)]
        assert record["Source name"] == [ours.source]
        assert record["Computer name"] == [ours.computer]
        assert tuple(record.get("String", ())) == ours.strings
        assert record.get("User security identifier", [""]) == [ours.sid_text]
    assert found[0]["Event type"] == ["Error event (1)"]
    assert found[0]["Creation time"] == ["Jan 19, 1999 00:00:01 UTC"]


def test_evtinfo_finds_nothing_to_recover(program: Program, exported: Path) -> None:
    """libevt takes the export for whole."""
    text = run(program("evtinfo"), exported)

    assert re.search(r"Version\s+: 1\.1\n", text)
    assert re.search(rf"Number of records\s+: {len(ALL)}\n", text)
    assert re.search(r"Number of recovered records\s+: 0\n", text)
    assert "corrupt" not in text.lower()


def test_dissect_reads_the_export(exported: Path) -> None:
    """dissect reads every field but the SID."""
    assert dissected(exported.read_bytes()) == without_sids(ALL)


def test_samba_reads_the_export(program: Program, tmp_path: Path) -> None:
    """Samba's parser, generated from an interface definition, takes each field for what it is."""
    path = tmp_path / "saved.evt"
    export(ASCII, path)
    settings = tmp_path / "smb.conf"  # Debian's is in a package that we don't need
    settings.write_text("")

    text = run(program("net"), "-s", settings, "eventlog", "dump", path)
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r"^\s+(\w+) +: (.*)$", text, re.MULTILINE):
        fields.setdefault(name, []).append(value.strip("'"))

    assert fields["Flags"][0].endswith("(0)")
    assert int(fields["MaxSize"][0].split()[0], 16) == path.stat().st_size
    assert [value.split()[0] for value in fields["EventID"]] == [
        f"0x{record.identifier:08x}" for record in ASCII
    ]
    assert fields["EventType"][0].startswith("EVENTLOG_ERROR_TYPE")
    assert fields["EventType"][2].startswith("EVENTLOG_WARNING_TYPE")
    assert fields["SourceName"] == ["MSExchangeIMC"] * 3
    assert fields["Computername"] == ["EXCH55"] * 3
    assert fields["TimeGenerated"] == ["Tue Jan 19 00:00:01 1999 UTC"] * 3
    assert fields["UserSid"][2] == "S-1-5-18"
    assert fields["Strings"] == ["10050", "10050"]
    assert fields["Data"][0] == "42270000"
    assert fields["Length"] == fields["Length2"]


GROKEVT_DATABASE = """
import dbm.ndbm, sys
folder, template = sys.argv[1:]
with dbm.ndbm.open(f"{folder}/messages/imcmsg", "n") as messages:
    messages["0409-C0000FA7"] = template.encode()
for kind in ("category", "event", "parameter"):
    with dbm.ndbm.open(f"{folder}/services/Application/{kind}", "n") as service:
        if kind == "event":
            service["msexchangeimc"] = "imcmsg"
"""
"""Makes what grokevt-builddb makes of a registry: grokevt runs on the system's Python only."""


def test_grokevt_tells_the_sentence(program: Program, tmp_path: Path, exported: Path) -> None:
    """With the template, grokevt makes of identifier and string the sentence of KB Q203116."""
    script = program("grokevt-parselog")
    folder = tmp_path / "database"
    for name in ("messages", "services/Application", "logs"):
        (folder / name).mkdir(parents=True)
    (folder / "logs" / "Application.evt").write_bytes(exported.read_bytes())
    python = script.read_text().splitlines()[0].removeprefix("#!")
    run(python, "-c", GROKEVT_DATABASE, folder, TEMPLATE)

    rows = list(csv.DictReader(run(script, folder, "Application").splitlines()))

    assert [int(row["MSG_NUM"]) for row in rows] == [record.number for record in ALL]
    assert rows[0] | {"MESSAGE": rows[0]["MESSAGE"].removesuffix("%0D%0A")} == {
        "MSG_NUM": "1",
        "EVENT_TYPE": "Error",
        "DATE_CREATED": "1999-01-19 00:00:01",
        "DATE_WRITTEN": "1999-01-19 00:00:01",
        "SOURCE": "MSExchangeIMC",
        "CATEGORY": "1",
        "EVENT_ID": "4007",
        "EVENT_RVA": "0x3221229479",
        "USER": "N/A",
        "COMPUTER": "EXCH55",
        "MESSAGE": SENTENCE,
        "STRINGS": "10050",
        "DATA": "B'%00%00",
    }
    assert rows[3]["COMPUTER"] == "ΕΡΜΗΣ-сервер"
    assert rows[2]["USER"] == "S-1-5-18"


def random_log(seed: int, path: Path) -> None:
    """Write a random log of 64 KiB."""
    chance = random.Random(seed)
    with EvtLog.open(path, max_size=SMALLEST) as log:
        for _ in range(chance.randrange(20, 600)):
            text = "x" * chance.choice([3, 30, 300, 3000])
            data = chance.randbytes(chance.randrange(9))
            log.append(replace(BIND_FAILED, strings=("10050", text), data=data))


@pytest.mark.parametrize("seed", range(25))
def test_random_logs(program: Program, seed: int, tmp_path: Path) -> None:
    """A live log is read by dissect, wrapped or not; its export by libevt too."""
    live, saved = tmp_path / "AppEvent.Evt", tmp_path / "saved.evt"
    random_log(seed, live)
    with EvtReader(live) as reader:
        records = list(reader)
        export(reader, saved)

    if reader.header.bounds.end <= SMALLEST - FIXED_SIZE:  # else dissect doesn't see the end
        assert dissected(live.read_bytes()) == records
    assert dissected(saved.read_bytes()) == records
    found = evtexport(program, saved)
    assert [int(record["Event number"][0]) for record in found] == [r.number for r in records]
    assert [tuple(record["String"]) for record in found] == [r.strings for r in records]


CUT = {
    "first record": ((), 200),
    "plain": ((200, 300), 160),
    "growth": ((60_000, 5000), 1000),
    "one is dropped": ((*(8000,) * 7, 9440 - 252), 300),
    "split": ((*(8000,) * 7, 9440 - 52), 200),
    "all are dropped": ((*(8000,) * 7, 9440 - 252), 65_000),
}


@pytest.mark.parametrize("case", CUT)
def test_cut_append(program: Program, case: str, tmp_path: Path) -> None:
    """
    A process that dies between two writes of an append leaves a file that others can read.

    It is dirty and lacks one record at most, beside those that had to go.
    """
    lengths, last = CUT[case]
    storage = MemoryStorage()
    log = EvtLog(storage, max_size=2 * SMALLEST if case == "growth" else SMALLEST)
    for length in lengths:
        log.append(record_of(length))
    before = bytes(storage.content)
    held = [record.number for record in log.records()]
    storage.ends = [0]
    number = log.append(record_of(last))
    after = [record.number for record in log.records()]
    allowed = (held, [n for n in after if n != number], after)
    longest = max(pairwise(storage.ends), key=lambda write: write[1] - write[0])

    seen = set()
    for budget in [*storage.ends, sum(longest) // 2]:
        cut = MemoryStorage(before)
        log = EvtLog(cut, max_size=SMALLEST)
        cut.budget = budget
        if budget < storage.written:
            with pytest.raises(CutError):
                log.append(record_of(last))
            assert budget == 0 or cut.content[36] & Flag.DIRTY
        else:
            log.append(record_of(last))
        path = tmp_path / f"{budget}.evt"
        path.write_bytes(cut.content)
        by_libevt = [int(found["Event number"][0]) for found in evtexport(program, path)]
        by_dissect = [found.number for found in dissected(bytes(cut.content))]

        assert by_libevt in allowed, budget
        assert by_dissect in allowed, budget
        seen |= {tuple(by_libevt), tuple(by_dissect)}
    assert tuple(after) in seen


WRITER = """
import pathlib, sys
from bindpost.server.eventlog.evt import EvtLog
from bindpost.testing.evt import record_of
with EvtLog.open(pathlib.Path(sys.argv[1]), max_size=0x10000) as log:
    for number in range(1, 10**9):
        assert log.append(record_of(120 + number % 50 * 4)) == int(sys.argv[2]) + number
        print(log.next_number - 1, flush=True)
"""


def test_killed_writer(tmp_path: Path) -> None:
    """A writer that is killed, over and over, has lost no record that it had told of."""
    path = tmp_path / "AppEvent.Evt"
    last = 0
    for killed_at in (1, 30, 400, 3, 1000, 77):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(last)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            told = [int(line) for line in islice(writer.stdout, killed_at)]
            writer.send_signal(signal.SIGKILL)
            told += [int(line) for line in writer.stdout if line.endswith("\n")]
        with EvtLog.open(path, max_size=SMALLEST) as log:
            numbers = [record.number for record in log.records()]
        last = numbers[-1]

        assert last - told[-1] in (0, 1)
        assert numbers == list(range(numbers[0], last + 1))
        if last > 500:
            assert len(numbers) > 150
