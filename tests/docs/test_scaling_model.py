"""docs/scaling.md: what it computes follows from the figures that it has measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
SIZE = 4096
FIXED, EACH = 0.0021, 0.000125
"""Seconds that a transaction has the row: its fixed part, and a message's."""
TRANSACTION, MESSAGE = 0.0009, 0.000057
"""Seconds of the server's processor, of a transaction, and of a message of 4 KiB."""
WOKEN, SIGNAL, ASKS, READS, ROW = 44e-6, 10e-6, 30e-6, 70e-6, 4e-6
"""Of one more node that listens."""
ROWS = re.findall(r"^\| ([\d,]+), ([\d,]+) \| (.*) \|$", PAGE, re.MULTILINE)


def number(text: str) -> float:
    """Read a figure of the page."""
    return float(text.replace(",", ""))


def test_the_figures_stand_in_the_page() -> None:
    """The model is computed from what the page says was measured."""
    for said in (
        "| 2 |",
        "3,100 bytes and 1.09 times its size",
        "1,500 bytes and 1.2 times its size",
        "0.9 ms for a transaction; 45 µs for a message of 1 KiB, 80 µs for one of 10 KiB",
        "44 µs of the server for each transaction; and to the one who commits 10 µs",
        "30 µs more, for its question",
        "70 µs more for one message, 4 µs for each of hundreds",
        "*b* = 0.125 ms",
        "*a* is 2.1 ms",
    ):
        assert said in PAGE
    assert len(ROWS) == 3


@pytest.mark.parametrize(("nodes", "rate", "rest"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_of_the_model(nodes: str, rate: str, rest: str) -> None:
    """Each cell is what the formulae give, as exactly as it is written."""
    others, messages = number(nodes) - 1, number(rate)
    batch = max(1.0, messages * FIXED / (1 - messages * EACH))
    transactions = messages / batch
    wait = number(nodes) * (FIXED + EACH * batch)
    own = transactions * TRANSACTION + messages * MESSAGE
    idle = own + transactions * others * (WOKEN + SIGNAL + ASKS)
    looked = own + transactions * others * (WOKEN + SIGNAL + READS + ROW * (batch - 1))
    cells = [cell.strip() for cell in rest.split("|")]

    assert number(cells[0]) == pytest.approx(transactions, rel=0.01)
    assert number(cells[1]) == pytest.approx(batch, rel=0.01)
    unit = 0.001 if cells[2].endswith("ms") else 1.0
    assert float(cells[2].split()[-2]) * unit == pytest.approx(wait, rel=0.2)
    assert number(cells[3]) == pytest.approx(transactions * others, rel=0.01)
    for said, computed in zip(cells[4].split(" … "), (idle, looked), strict=True):
        assert number(said) == pytest.approx(computed, rel=0.02, abs=0.05)
    assert number(cells[5].split()[0]) * 1e6 == pytest.approx(
        messages * (3100 + 1.09 * SIZE), rel=0.06
    )
    assert number(cells[6].split()[0]) * 1e9 == pytest.approx(
        86400 * messages * (1500 + 1.2 * SIZE), rel=0.01
    )
    assert cells[7] == f"{5 * number(nodes):,.0f} to {8 * number(nodes):,.0f}"
