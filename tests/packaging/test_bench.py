"""`scripts/bench paths` measures every bind path, and fills docs/performance.md in."""

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
PARTS = re.compile(r"(.*<!-- paths: [^\n]*-->\n)(.*)(<!-- end of paths -->.*)", re.DOTALL)


def bench(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    command = [str(checkout / "scripts" / "bench"), "paths", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


def parts(page: str) -> tuple[str, str, str]:
    """Give what stands before, between and after the markers of the page."""
    found = PARTS.fullmatch(page)
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

    done = bench(checkout, "--rounds", "1", "--sessions", "3", "--page", str(copy))

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


def test_the_page_has_results(page: str) -> None:
    """What is under version control was measured, on every path."""
    assert [row[0] for row in table(parts(page)[1])] == ROWS


@pytest.mark.parametrize("options", [("--rounds", "0"), ("--sessions", "-1"), ("--loop", "none")])
def test_a_run_of_nothing_is_refused(checkout: Path, options: tuple[str, ...]) -> None:
    """It ends with its usage, and measures nothing."""
    done = bench(checkout, *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: scripts/bench paths" in done.stderr
