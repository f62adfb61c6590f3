"""What scripts/bench ingest found, as Markdown: rates, and ratios within one round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench_contestants import OURS, SINK, SINK_AGAIN
from bench_picture import Groups
from bench_report import made, table
from bench_rounds import median_ratio, noise

SIZES: Final = {"1 KiB": 1024, "10 KiB": 10 * 1024, "1 MiB": 1024 * 1024}


class Cell(NamedTuple):
    """A kind of load: size of a message, sessions at once, many or one message a connection."""

    size: str
    sessions: int
    many: bool

    def __str__(self) -> str:
        sessions = f"{self.sessions} session{'s' if self.sessions > 1 else ''}"
        return f"{self.size}, {sessions}, {'many' if self.many else 'one'}"


class Taken(NamedTuple):
    """What a run found: messages a second, and the server's processor time for each, in seconds."""

    rate: float
    cpu: float


@dataclass(slots=True)
class Results:
    """What was found of each server, by cell and round."""

    rounds: int
    seconds: float
    names: list[str]
    cells: dict[Cell, list[Mapping[str, Taken]]] = field(default_factory=dict)

    def rate(self, cell: Cell, name: str) -> float:
        """Give a server's median rate."""
        return statistics.median(taken[name].rate for taken in self.cells[cell])

    def cpu(self, cell: Cell, name: str) -> float:
        """Give the median of a server's processor time for a message, in seconds."""
        return statistics.median(taken[name].cpu for taken in self.cells[cell])

    def rates(self, cell: Cell) -> list[Mapping[str, float]]:
        """Give the rates of each round."""
        return [{name: each.rate for name, each in taken.items()} for taken in self.cells[cell]]

    def ratio(self, cell: Cell, name: str, base: str) -> float:
        """Give the median of a server's rate as a part of another's in the same round."""
        return median_ratio(self.rates(cell), name, base)

    @property
    def own(self) -> list[str]:
        """Our own servers."""
        return [name for name in self.names if name.startswith(OURS)]

    @property
    def others(self) -> list[str]:
        """Those that ours are compared with."""
        return [name for name in self.names if name not in self.own and name != SINK_AGAIN]


def picture(results: Results) -> Groups:
    """Give what is drawn: each size at 100 sessions with many messages, else every cell."""
    drawn = [cell for cell in results.cells if cell.sessions == 100 and cell.many]
    return {
        str(cell): {name: results.ratio(cell, name, SINK) for name in results.names}
        for cell in drawn or results.cells
    }


def report(results: Results) -> str:
    """Give the results as Markdown, with the machine described so that nobody knows which."""
    return "\n".join(
        [
            made(f"Rounds: {results.rounds}, of about {results.seconds:g} s for each server."),
            "",
            "How many times as fast as each other server, over all loads: least, median and most, "
            "and how many loads ours was behind in.",
            "",
            table(["ours"], [f"/ {name}" for name in results.others], _summary(results)),
            "",
            *_ratios(results),
            "Messages a second, medians:",
            "",
            table(["load"], results.names, _rows(results, results.rate)),
            "",
            "Processor time of the server for a message in µs, medians; a busy machine disturbs it "
            "less than the rate:",
            "",
            table(
                ["load"],
                results.names,
                _rows(results, lambda cell, name: 1e6 * results.cpu(cell, name)),
            ),
            "",
            noise(_rounds(results), SINK_AGAIN, SINK),
        ]
    )


def _rounds(results: Results) -> Iterator[Mapping[str, float]]:
    for cell in results.cells:
        yield from results.rates(cell)


def _summary(results: Results) -> Iterator[list[str]]:
    for name in results.own:
        yield [name, *(_in_all_cells(results, name, other) for other in results.others)]


def _in_all_cells(results: Results, name: str, other: str) -> str:
    ratios = [results.ratio(cell, name, other) for cell in results.cells]
    behind = sum(ratio < 1 for ratio in ratios)
    figures = " … ".join(f"{f(ratios):.2f}" for f in (min, statistics.median, max))
    return f"{figures}; behind in {behind} of {len(ratios)}"


def _ratios(results: Results) -> Iterator[str]:
    """Give a table for each of ours; where it is behind the other, that is said in the cell."""
    for name in results.own:
        yield f"**{name}**, its rate as a ratio to that of each other in the same round, medians:"
        yield ""
        rows = (
            [str(cell), *(_told(results.ratio(cell, name, other)) for other in results.others)]
            for cell in results.cells
        )
        yield table(["load"], [f"/ {other}" for other in results.others], rows)
        yield ""


def _told(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 1 else f"{ratio:.2f} behind"


def _rows(results: Results, figure: Callable[[Cell, str], float]) -> Iterator[list[str]]:
    for cell in results.cells:
        yield [str(cell), *(f"{figure(cell, name):.0f}" for name in results.names)]
