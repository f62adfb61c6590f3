"""`scripts/bench` measures every bind path and event form, and fills docs/performance.md in."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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

SERVERS = [
    "Postfix `smtp-sink`",
    "Postfix `smtp-sink` again",
    "aiosmtpd, null",
    "stock engine, null",
    "fast engine, null",
    "fast engine, memory",
    "`bindpost serve`, durable",
]


def bench(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [str(checkout / "scripts" / "bench"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


def parts(page: str, name: str = "paths") -> tuple[str, str, str]:
    """Give what stands before, between and after the page's markers of that name."""
    form = rf"(.*<!-- {name}: [^\n]*-->\n)(.*)(<!-- end of {name} -->.*)"
    found = re.fullmatch(form, page, re.DOTALL)
    assert found is not None
    return found[1], found[2], found[3]


def table(text: str) -> list[list[str]]:
    """Give the cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


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


@pytest.mark.long
def test_a_small_run_of_ingest(
    checkout: Path, page: str, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """Each server takes its mail, and a picture is drawn; the page's other text stays."""
    program("smtp-source")
    copy = tmp_path / "performance.md"
    copy.write_text(page, encoding="utf-8")

    done = bench(
        checkout,
        *("ingest", "--rounds", "1", "--seconds", "0.02", "--only", "1 KiB, 100 sessions, many"),
        *("--page", str(copy), "--pictures", str(tmp_path)),
    )

    assert done.returncode == 0, done.stderr
    before, between, after = parts(copy.read_text(encoding="utf-8"), "ingest")
    assert (before, after) == (parts(page, "ingest")[0], parts(page, "ingest")[2])
    head = next(line for line in between.splitlines() if line.startswith("| load"))
    assert [cell.strip() for cell in head.strip("|").split("|")][1:] == SERVERS
    assert (tmp_path / "ingest-1-kib.svg").read_text(encoding="utf-8").count("<rect") == len(
        SERVERS
    )
    assert platform.node() not in between
    assert str(tmp_path) not in between


def test_the_page_has_results(page: str) -> None:
    """What is under version control was measured, on every path and of every form."""
    assert [row[0] for row in table(parts(page)[1])] == ROWS
    assert [row[0] for row in table(parts(page, "events")[1])] == FORMS


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
        ("ingest", ("--loop", "none")),
    ],
)
def test_a_run_of_nothing_is_refused(
    checkout: Path, question: str, option: tuple[str, ...]
) -> None:
    """It ends with its usage, and measures nothing."""
    done = bench(checkout, question, *option)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"usage: scripts/bench {question}" in done.stderr
