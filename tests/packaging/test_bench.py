"""`scripts/bench` answers each of its questions, and fills docs/performance.md in."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)  # one question makes an environment
ROWS = [
    "`loop.create_server`",
    "`loop.create_server` again",
    "`direct:`",
    "`inherit:`",
    "`direct:`, PROXY protocol",
    "`winsock://`",
    "`socks5://`",
    "`socks5://`, Dante",
    "`ssh://`",
]
FORMS = [
    "plain `logging`",
    "plain `logging` again",
    "a line, console",
    "a line, JSON",
    "the record alone",
    "console form",
    "JSON form",
    "RFC 5424 form",
    "RFC 5424, sent by UDP",
    "journald form",
    "event XML",
    "`.evt`, appended to a log",
    "`.evtx`, a file of 100",
]

OTHERS = ["Postfix `smtp-sink`", "Postfix `smtp-sink` again", "aiosmtpd `Sink`"]
OURS = ["bindpost, null", "bindpost, memory", "bindpost, durable"]
STARTS = [
    "`python -c pass`",
    "`python -c pass` again",
    "`aiosmtpd -n`",
    "`bindpost serve --web off`",
    "`bindpost serve`",
]
STORES = [
    ["1", "1 KiB", "full"],
    ["10", "1 KiB", "full"],
    ["100", "1 KiB", "full"],
    ["100", "1 KiB", "normal"],
    ["100", "64 KiB", "full"],
    ["1", "1024 KiB", "full"],
    ["100", "1024 KiB", "full"],
]
QUESTIONS = [
    *("paths", "events", "store", "ingest", "latency"),
    *("memory", "start", "soak", "inbox", "nodes"),
]
INBOXES = ["SQLite", "PostgreSQL, 1 node", "PostgreSQL, 3 nodes"]

NO_POSTGRES = """
import sys
sys.path.insert(0, sys.argv.pop())
import bench_nodes
bench_nodes.program = lambda name: None
bench_nodes.main()
"""
"""Runs it as on a machine where no program is installed."""

ASKED = [
    *(("newest 50", by) for by in ("own API", "Mailpit's API", "page")),
    *(
        (question, by)
        for question in ("next 50", "50 from anywhere", "open a message")
        for by in ("own API", "Mailpit's API")
    ),
    ("its HTML", "Mailpit's API"),
    *(
        (f"search, {what}", by)
        for what in (
            *("a rare term", "a common term", "two terms"),
            *("`from:`", "`tag:`", "`is:unread`"),
        )
        for by in ("own API", "Mailpit's API")
    ),
]


def bench(checkout: Path, *options: str, patience: float = 200) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [str(checkout / "scripts" / "bench"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)


def parts(page: str, name: str = "paths") -> tuple[str, str, str]:
    """Give what stands before, between and after the page's markers of that name."""
    form = rf"(.*<!-- {name}: [^\n]*-->\n)(.*)(<!-- end of {name} -->.*)"
    found = re.fullmatch(form, page, re.DOTALL)
    assert found is not None
    return found[1], found[2], found[3]


def tables(text: str) -> list[list[list[str]]]:
    """Give the cells of each table, its head first."""
    found = re.findall(r"^\|.*\n\|---[-:|]+\n(?:\|.*(?:\n|\Z))*", text, re.MULTILINE)
    return [
        [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in lines.splitlines()
            if not line.startswith("|---")
        ]
        for lines in found
    ]


def table(text: str) -> list[list[str]]:
    """Give the cells of the only table, without its head."""
    ((_, *rows),) = tables(text)
    return rows


def bars(folder: Path, question: str) -> int:
    """Count the bars in the picture of a question."""
    return (folder / f"bench-{question}.svg").read_text(encoding="utf-8").count("<rect")


@pytest.fixture
def page(checkout: Path) -> str:
    """Give docs/performance.md."""
    return (checkout / "docs" / "performance.md").read_text(encoding="utf-8")


def test_a_small_run(
    checkout: Path, page: str, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Each path carries its sessions; the page's other text stays, and no machine is named."""
    program("danted")
    program("sshd")
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(checkout, "paths", "--rounds", "1", "--sessions", "3", "--page", str(copy))

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"))
    assert (before, after) == (parts(page)[0], parts(page)[2])
    rows = table(between)
    assert [row[0] for row in rows] == ROWS
    assert all(int(row[2]) > 0 and float(row[3]) > 0 for row in rows)
    assert rows[-2][1].startswith("Dante ")
    assert rows[-1][1].startswith("OpenSSH ")
    assert platform.node() not in between
    assert str(tmp_path) not in between


def test_a_small_run_of_events(checkout: Path, page: str, tmp_path: Path) -> None:
    """Each form is made; the page's other text stays, and no machine is named."""
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(checkout, "events", "--rounds", "2", "--events", "100", "--page", str(copy))

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "events")
    assert (before, after) == (parts(page, "events")[0], parts(page, "events")[2])
    rows = table(between)
    assert [row[0] for row in rows] == FORMS
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in rows)
    assert platform.node() not in between
    assert str(tmp_path) not in between


def test_a_small_run_of_the_store(checkout: Path, page: str, tmp_path: Path) -> None:
    """Each case is measured; the page's other text stays, and no machine is named."""
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(checkout, "store", "--rounds", "1", "--messages", "1", "--page", str(copy))

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "store")
    assert (before, after) == (parts(page, "store")[0], parts(page, "store")[2])
    rows = table(between)
    assert [row[:3] for row in rows] == STORES
    assert all(int(row[3]) > 0 and int(row[4]) > 0 and float(row[5]) > 0 for row in rows)
    assert platform.node() not in between
    assert str(tmp_path) not in between


@pytest.mark.long
def test_a_small_run_of_ingest(
    checkout: Path, page: str, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Each server takes its mail, a peer too, and a picture is drawn; the other text stays."""
    sink = program("smtp-sink")
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")
    user = "-u nobody " if os.geteuid() == 0 else ""

    done = bench(
        checkout,
        *("ingest", "--rounds", "1", "--seconds", "0.02", "--only", "1 KiB, 100 sessions, many"),
        *("--page", str(copy), "--pictures", str(tmp_path)),
        *("--peer", f"a|peer={sink} {user}127.0.0.1:{{smtp}} 100"),
    )

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "ingest")
    assert (before, after) == (parts(page, "ingest")[0], parts(page, "ingest")[2])
    summary, *ratios, rates, costs = tables(between)
    names = rates[0][1:]
    own = [name for name in names if name.startswith("bindpost, ")]
    assert names == [*OTHERS, *own, "a/peer"]
    assert set(OURS) <= set(own)
    assert [row[0] for row in summary[1:]] == own
    assert all(float(cell) > 0 for cell in [*rates[1][1:], *costs[1][1:]])
    assert [len(rows) for rows in ratios] == [2] * len(own)
    for cell in ratios[0][1][1:]:
        ratio, _, behind = cell.partition(" ")
        assert (float(ratio) < 1) == (behind == "behind")
    assert bars(tmp_path, "ingest") == len(names)
    assert platform.node() not in between
    assert str(tmp_path) not in between


@pytest.mark.long
def test_a_small_run_of_an_inbox(checkout: Path, page: str, tmp_path: Path) -> None:
    """Each question is answered; the page's other text stays, and no machine is named."""
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(checkout, "inbox", "--messages", "200", "--questions", "3", "--page", str(copy))

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "inbox")
    assert (before, after) == (parts(page, "inbox")[0], parts(page, "inbox")[2])
    rows = table(between)
    assert [(row[0], row[1]) for row in rows] == ASKED
    assert all(float(figure) > 0 for row in rows for figure in row[2:])
    assert platform.node() not in between
    assert str(tmp_path) not in between


@pytest.mark.long
def test_a_small_run_of_latency(
    checkout: Path, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Every server answers mail of both sizes, and the generator says what it can do itself."""
    program("smtp-sink")

    done = bench(
        checkout,
        *("latency", "--rounds", "1", "--seconds", "0.2", "--only", "1 MiB"),
        *("--pictures", str(tmp_path)),
    )

    assert done.returncode == 0, done.stderr
    ((_, *rows),) = tables(done.stdout)
    assert [row[0] for row in rows if not row[0].startswith("bindpost")] == OTHERS
    assert "bindpost, durable" in [row[0] for row in rows]
    for row in rows:
        half, most, all_of_them = map(float, row[1:4])
        assert 0 < half <= most <= all_of_them
    brings = re.search(r"it brings (\d+) messages a second", done.stdout)
    assert brings is not None
    assert int(brings[1]) > 0
    assert bars(tmp_path, "latency") == len(rows)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="it reads Linux's /proc")
def test_a_small_run_of_memory(
    checkout: Path, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Memory is told of each server, and a message goes through beside idle sessions."""
    program("smtp-source")

    done = bench(
        checkout,
        *("memory", "--sessions", "100", "--messages", "3", "--pictures", str(tmp_path)),
    )

    assert done.returncode == 0, done.stderr
    rows = table(done.stdout)
    assert {"aiosmtpd `Sink`", "aiosmtpd `Sink` again", "bindpost, durable"} <= {
        row[0] for row in rows
    }
    assert all(float(row[1]) > 0 and float(row[4]) > 0 and float(row[5]) > 0 for row in rows)
    assert bars(tmp_path, "memory") == 3 * len(rows)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="it reads Linux's /proc")
def test_a_small_run_of_start(checkout: Path, tmp_path: Path) -> None:
    """Each program starts, in an environment without what tests need; imports are told."""
    done = bench(
        checkout,
        *("start", "--rounds", "1", "--profiles", "1", "--pictures", str(tmp_path)),
        patience=290,
    )

    assert done.returncode == 0, done.stderr
    (_, *rows), (_, *imports) = tables(done.stdout)
    assert [row[0] for row in rows] == STARTS
    assert all(float(row[1]) > 0 and float(row[3]) > 0 for row in rows)
    assert all(float(row[2]) > 0 for row in rows[-2:])
    assert len(imports) == 15
    assert bars(tmp_path, "start") == len(STARTS)


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_small_run_of_nodes(
    checkout: Path, page: str, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """One and three nodes take mail beside SQLite; the page's other text stays."""
    program("initdb")
    program("smtp-source")
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(
        checkout,
        *("nodes", "--rounds", "1", "--seconds", "0.02", "--only", "1 KiB, 100"),
        *("--page", str(copy), "--pictures", str(tmp_path)),
        patience=190,
    )

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "nodes")
    assert (before, after) == (parts(page, "nodes")[0], parts(page, "nodes")[2])
    (rates, ratios), (_, *costs) = tables(between)
    assert rates[1:4] == INBOXES
    assert all(float(cell.split()[0]) > 0 for cell in ratios[1:])
    assert [row[1] for row in costs] == INBOXES[1:]
    assert all(float(row[2]) > 0 and float(row[3]) > 0 and float(row[5]) > 0 for row in costs)
    assert bars(tmp_path, "nodes") == 2
    assert platform.node() not in between
    assert str(tmp_path) not in between


def test_without_postgresql_nodes_are_not_measured(checkout: Path) -> None:
    """That is said by name, and is no failure."""
    command = [sys.executable, "-c", NO_POSTGRES, str(checkout / "scripts" / "lib")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (0, "")
    assert "initdb and pg_ctl are not installed" in done.stderr


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="it reads Linux's /proc")
def test_a_small_soak(checkout: Path, tmp_path: Path) -> None:
    """A load that is small enough is borne: every message is there once."""
    done = bench(
        checkout,
        *("soak", "--minutes", "0.02", "--rate", "50", "--margin", "9"),
        *("--pictures", str(tmp_path)),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "It held: each of 60 messages is there exactly once" in done.stdout
    (row,) = table(done.stdout)
    assert row[:2] == ["1", "60"]
    assert all(float(cell) > 0 for cell in row[2:])
    assert bars(tmp_path, "soak") == 2


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="it reads Linux's /proc")
def test_a_soak_that_does_not_hold(checkout: Path) -> None:
    """A load that nothing can bear ends with status 1, and is called so."""
    done = bench(checkout, "soak", "--minutes", "0.01", "--rate", "100000", "--margin", "99")

    assert done.returncode == 1
    assert "**It did not hold**" in done.stdout
    assert "were never answered" in done.stdout


def test_the_page_has_results(page: str) -> None:
    """What is under version control was measured: every question, path, form, case and start."""
    assert [row[:3] for row in table(parts(page, "store")[1])] == STORES
    assert [row[0] for row in table(parts(page)[1])] == ROWS
    assert [row[0] for row in table(parts(page, "events")[1])] == FORMS
    for inbox in tables(parts(page, "inbox")[1]):
        assert [tuple(row[:2]) for row in inbox[1:]] == ASKED
    assert [row[0] for row in tables(parts(page, "start")[1])[0][1:]][: len(STARTS)] == STARTS
    assert all(tables(parts(page, question)[1]) for question in QUESTIONS)


def test_the_page_shows_each_picture(checkout: Path, page: str) -> None:
    """Each question has one, and the page shows it."""
    pictures = {path.name for path in (checkout / "docs" / "pictures").glob("bench-*.svg")}

    assert set(re.findall(r"\(pictures/(bench-[\w-]+\.svg)\)", page)) == pictures
    assert pictures == {f"bench-{question}.svg" for question in QUESTIONS}


@pytest.mark.parametrize("question", [*QUESTIONS, "all"])
def test_each_question_tells_its_options(checkout: Path, question: str) -> None:
    """And what it is about."""
    done = bench(checkout, question, "--help")

    assert done.returncode == 0, done.stderr
    assert "--page" in done.stdout


def test_an_unknown_question(checkout: Path) -> None:
    """It is told what can be asked."""
    done = bench(checkout, "colour")

    assert done.returncode == 1
    assert all(question in done.stderr for question in [*QUESTIONS, "all"])


@pytest.mark.parametrize(
    ("question", "option"),
    [
        ("paths", ("--rounds", "0")),
        ("paths", ("--sessions", "-1")),
        ("paths", ("--loop", "none")),
        ("events", ("--rounds", "0")),
        ("events", ("--events", "0")),
        ("events", ("--events", "150")),
        ("ingest", ("--rounds", "0")),
        ("ingest", ("--seconds", "0")),
        ("ingest", ("--only", "2 KiB")),
        ("ingest", ("--peer", "nameless")),
        ("store", ("--messages", "0")),
        ("inbox", ("--messages", "5")),
        ("inbox", ("--questions", "1")),
        ("latency", ("--seconds", "0")),
        ("memory", ("--sessions", "0")),
        ("soak", ("--minutes", "0")),
        ("nodes", ("--rounds", "0")),
        ("nodes", ("--only", "2 KiB")),
        ("all", ("--peer", "no-port=true")),
    ],
)
def test_a_run_of_nothing_is_refused(
    checkout: Path, question: str, option: tuple[str, ...]
) -> None:
    """It ends with its usage, and measures nothing."""
    done = bench(checkout, question, *option)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"usage: scripts/bench {question}" in done.stderr
