"""docs/troubleshooting.md: it has every row of every matrix, and each is met by a test."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bindpost.events import BIND_FAILED
from bindpost.proxy import matrix as local_matrix
from bindpost.proxy.haproxy import matrix as haproxy_matrix
from bindpost.proxy.socks import matrix as socks_matrix
from bindpost.proxy.ssh import matrix as ssh_matrix
from bindpost.proxy.troubleshooting import Line, paths
from bindpost.proxy.winsock.failures import Failures

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "troubleshooting.md"
TABLES = {
    "socks5://": TESTS / "wire" / "test_socks_matrix.py",
    "ssh://": TESTS / "wire" / "test_ssh_failing.py",
}
"""Files whose `Scenario("key", ...)` rows are a path's; else a test has `pytest.mark.meets`."""

FAILURES = {
    name
    for name, member in vars(Failures).items()
    if inspect.isfunction(member) and not name.startswith("_")
}
ROWS = {
    "direct:": set(local_matrix.DIRECT),
    "inherit:": set(local_matrix.INHERITED),
    "socks5://": {row.key for row in socks_matrix.MATRIX},
    "ssh://": set(ssh_matrix.ROWS),
    "winsock://": FAILURES - {"all_unusable"},  # that one joins the others
    "proxy_protocol": {*haproxy_matrix.ROWS, "unexpected"},
}
"""The keys of each path's matrix."""
NO_FAILURES = {row.key for row in socks_matrix.MATRIX if not row.is_logged}
"""Rows of what the log tells nothing of, the self-test's among them; they are in docs/socks.md."""
LINES = {path.name.split()[0]: path.lines for path in paths()}
EACH = [(path, line) for path, lines in LINES.items() for line in lines]


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


def rows(page: str, path: str) -> list[tuple[str, ...]]:
    """Give the cells of a path's table as the page has it."""
    section = re.split(r"\n(?=###? |<!-- end)", page.partition(f"\n### `{path}`")[2])[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [tuple(re.split(r" \| ", line[2:-2])) for line in lines[2:]]


@pytest.mark.parametrize("path", ROWS)
def test_every_row_of_a_matrix_is_there(page: str, path: str) -> None:
    """The page has a table for each path, with a row for each of the matrix."""
    keys = [line.key for line in LINES[path]]

    assert sorted(keys) == sorted(ROWS[path] - NO_FAILURES)
    assert len(rows(page, path)) == len(keys)


def test_no_path_is_left_out() -> None:
    """Each path has a matrix, and each matrix is in the table."""
    assert set(LINES) == set(ROWS)


@pytest.mark.parametrize(("path", "line"), EACH, ids=[f"{p}-{line.key}" for p, line in EACH])
def test_a_row_says_where_why_and_what_to_do(page: str, path: str, line: Line) -> None:
    """It stands in its path's table as it is, whole, and with nothing left to fill in."""
    assert line[1:] in rows(page, path)
    assert line.reason
    assert line.hint
    assert not set("{}") & set("".join(line))


def test_rows_can_be_told_apart() -> None:
    """No two rows of a path have the same hop and reason."""
    seen = [(path, line.hop, line.reason) for path, line in EACH]

    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("path", ROWS)
def test_every_row_is_met_by_a_test(path: str) -> None:
    """A test meets it, in its path's table of scenarios or by its mark; no mark names no row."""
    met = {key for marked, *keys in marks() if marked == path for key in keys}
    if path in TABLES:
        met |= set(scenarios(TABLES[path]))

    assert met == ROWS[path]


def test_marks_name_paths() -> None:
    """A mark with a mistyped path would count for nothing."""
    assert {path for path, *_ in marks()} <= set(ROWS)


def calls(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Give the name and the leading texts among the arguments of each call in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield name, [text for text in texts if isinstance(text, str)]


@cache
def marks() -> list[list[str]]:
    """Give the arguments of each `pytest.mark.meets`."""
    files = sorted(TESTS.rglob("test_*.py"))
    return [texts for file in files for name, texts in calls(file) if name == "meets" and texts]


def scenarios(file: Path) -> list[str]:
    """Give the key of each `Scenario` of a table."""
    return [texts[0] for name, texts in calls(file) if name == "Scenario"]


def test_the_numbers_are_those_of_4007(page: str) -> None:
    """The table at the top has each number that a local bind or a proxy path may end with."""
    named = set(re.findall(r"^\| (1\d{4}) \|", page, re.MULTILINE))

    assert named == {"10050", "10048", "10013", "10049", "11001"}
    assert f"Event {BIND_FAILED.id} comes" in page
