"""What scripts/bench nodes found, as Markdown: rates, ratios to SQLite, and the database's part."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench_ingest_report import Cell
from bench_picture import Groups
from bench_report import made, table
from bench_rounds import median_ratio, noise

SQLITE: Final = "SQLite"
SQLITE_AGAIN: Final = f"{SQLITE} again"
NODES: Final = {"PostgreSQL, 1 node": 1, "PostgreSQL, 3 nodes": 3}
"""Inboxes in PostgreSQL, by how many nodes they have."""
COSTS: Final = [
    "messages a transaction",
    "bytes of log a message",
    "bytes of disk a message",
    "µs of the server's processor a message",
]


class Taken(NamedTuple):
    """What a run found: messages a second, and what each of them took of the database."""

    rate: float
    transactions: float
    log: float
    """Bytes."""
    disk: float
    """Bytes."""
    processor: float
    """Seconds."""


@dataclass(slots=True)
class Results:
    """What was found of each inbox, by load and round."""

    rounds: int
    seconds: float
    cells: dict[Cell, list[Mapping[str, Taken]]] = field(default_factory=dict)

    def rates(self, cell: Cell) -> list[Mapping[str, float]]:
        """Give the rates of each round."""
        return [{name: each.rate for name, each in taken.items()} for taken in self.cells[cell]]

    def median(self, cell: Cell, name: str) -> Taken:
        """Give the medians of an inbox's figures."""
        return Taken(
            *map(statistics.median, zip(*(taken[name] for taken in self.cells[cell]), strict=True))
        )


def picture(results: Results) -> Groups:
    """Give what is drawn: each load's ratios."""
    return {
        str(cell): {name: median_ratio(results.rates(cell), name, SQLITE) for name in NODES}
        for cell in results.cells
    }


def report(results: Results) -> str:
    """Give the results as Markdown."""
    ratios = [f"{name} / {SQLITE}" for name in NODES]
    every_round = (rates for cell in results.cells for rates in results.rates(cell))
    return "\n\n".join(
        [
            made(f"Rounds: {results.rounds}, of about {results.seconds:g} s for each inbox."),
            "Messages a second, medians; ratios within one round, median, minimum and maximum:",
            table(["load"], [SQLITE, *NODES, *ratios], _rates(results)),
            noise(every_round, SQLITE_AGAIN, SQLITE),
            "What a message takes of the database, medians; all its processes count, also those "
            "that tell the nodes, and the log has page images after a checkpoint:",
            table(["load", "inbox"], COSTS, _costs(results)),
        ]
    )


def _rates(results: Results) -> Iterator[list[str]]:
    for cell in results.cells:
        rates = [f"{results.median(cell, name).rate:.0f}" for name in (SQLITE, *NODES)]
        yield [str(cell), *rates, *(_ratio(results.rates(cell), name) for name in NODES)]


def _ratio(rounds: list[Mapping[str, float]], name: str) -> str:
    ratios = [rates[name] / rates[SQLITE] for rates in rounds]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _costs(results: Results) -> Iterator[list[str]]:
    for cell in results.cells:
        for name in NODES:
            taken = results.median(cell, name)
            yield [
                *(str(cell), name, f"{1 / taken.transactions:.1f}"),
                *(f"{figure:.0f}" for figure in (taken.log, taken.disk, 1e6 * taken.processor)),
            ]
