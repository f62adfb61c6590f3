"""docs/socks.md: its table is made from the matrix, and its numbers are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.proxy.socks.address import LONGEST_LOGIN, PORT
from bindpost.proxy.socks.matrix import MATRIX, Row
from bindpost.proxy.socks.timing import KEEPALIVE, Keepalive, Timing, keepalive_of

PAGE = Path(__file__).parents[2] / "docs" / "socks.md"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.key)
def test_every_row_is_there(page: str, row: Row) -> None:
    """Each situation has its line, with what to do or what comes of it."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {row.situation} |"))

    assert line.endswith(f"| {row.hint or row.outcome} |")
    assert line.count("|") == 8


def test_the_times_are_the_codes(page: str) -> None:
    """The pauses, times and limits that the page tells are those of the code."""
    timing = Timing()
    small = ", ".join(f"{pause * 1000:.0f}" for pause in timing.pauses if pause < 1)
    large = ", ".join(f"{pause:.0f}" for pause in timing.pauses if pause >= 1)
    idle, interval, count = timing.keepalive

    assert f"after {small} ms, {large} s, then every {timing.pauses[-1]:.0f} s" in page
    assert f"in the way, every {timing.slow:.0f} s" in page
    assert f"lost again within {timing.slow:.0f} s" in page
    assert f"waits {timing.linger:.0f} s for that" in page
    assert f"{timing.step:.0f} s for each step at most, and {timing.total:.0f} s in all" in page
    assert f"({idle} s, {interval} s, {count} times)" in page
    assert idle + interval * count == 120
    assert f"The port is {PORT} if none is said" in page
    assert f"{LONGEST_LOGIN} bytes each at most" in page


@pytest.mark.parametrize(
    ("seconds", "keepalive"),
    [(60, KEEPALIVE), (1, (1, 1, 1)), (2, (2, 1, 2)), (4, (4, 1, 4)), (9, (9, 2, 5))],
)
def test_the_probes_of_a_keepalive(seconds: int, keepalive: Keepalive) -> None:
    """As many seconds go by with probes as without; one interval more where it doesn't divide."""
    assert keepalive_of(seconds) == keepalive
