"""What scripts/bench ingest found, as Markdown: rates, and ratios within one round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from bench_contestants import AIOSMTPD, SINK, SINK_AGAIN
from bench_report import machine


class Cell(NamedTuple):
    """A kind of load: size of a message, sessions at once, one or many messages a connection."""

    size: str
    sessions: int
    many: bool

    def __str__(self) -> str:
        sessions = f"{self.sessions} session{'s' if self.sessions > 1 else ''}"
        return f"{self.size}, {sessions}, {'many' if self.many else 'one'}"


@dataclass(slots=True)
class Results:
    """Messages a second of each server, by cell and round."""

    rounds: int
    seconds: float
    loop: str
    rounds_of: dict[Cell, list[Mapping[str, float]]] = field(default_factory=dict)

    def add(self, cell: Cell, rates: Mapping[str, float]) -> None:
        """Take a round of a cell."""
        self.rounds_of.setdefault(cell, []).append(rates)

    @property
    def names(self) -> list[str]:
        """The servers, in the order of the table."""
        return list(next(iter(self.rounds_of.values()))[0])

    def rate(self, cell: Cell, name: str) -> float:
        """Give a server's median rate."""
        return statistics.median(rates[name] for rates in self.rounds_of[cell])

    def ratios(self, cell: Cell, name: str, base: str) -> list[float]:
        """Give a server's rate as a part of the base's, in each round."""
        return [rates[name] / rates[base] for rates in self.rounds_of[cell]]

    def pictures(self) -> Iterator[tuple[str, str, Mapping[str, float]]]:
        """Give what is drawn: a file's name, its title, and the median ratio of each server."""
        for cell in self.rounds_of:
            if cell.sessions == 100 and cell.many:
                size = cell.size.lower().replace(" ", "-")
                yield (
                    f"ingest-{size}.svg",
                    f"{cell.size}, 100 sessions, many messages each: messages/s, smtp-sink = 1",
                    {name: statistics.median(self.ratios(cell, name, SINK)) for name in self.names},
                )


def report(results: Results) -> str:
    """Give the results as Markdown, with the machine described so that nobody knows which."""
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}. Rounds: {results.rounds}, of about {results.seconds:g} "
            f"s for each server. {machine()}; our event loop {results.loop}.",
            "",
            "Medians of the ratio to `smtp-sink` in the same round:",
            "",
            *_ratios(results, SINK),
            "",
            "Medians of the ratio to aiosmtpd in the same round:",
            "",
            *_ratios(results, AIOSMTPD),
            "",
            "Messages a second, medians:",
            "",
            *_table(results, lambda cell, name: f"{results.rate(cell, name):.0f}"),
            "",
            *_noise(results),
        ]
    )


def _ratios(results: Results, base: str) -> Iterator[str]:
    def median(cell: Cell, name: str) -> str:
        return f"{statistics.median(results.ratios(cell, name, base)):.2f}"

    return _table(results, median)


def _table(results: Results, value: Callable[[Cell, str], str]) -> Iterator[str]:
    yield f"| load | {' | '.join(results.names)} |"
    yield f"|---|{'---:|' * len(results.names)}"
    for cell in results.rounds_of:
        yield f"| {cell} | {' | '.join(value(cell, name) for name in results.names)} |"


def _noise(results: Results) -> Iterator[str]:
    """Say how far two processes of the same server are apart."""
    if SINK_AGAIN not in results.names:
        return
    noise = [
        statistics.median(results.ratios(cell, SINK_AGAIN, SINK)) for cell in results.rounds_of
    ]
    single = [
        ratio for cell in results.rounds_of for ratio in results.ratios(cell, SINK_AGAIN, SINK)
    ]
    yield (
        f"{SINK_AGAIN} is the noise of this run: its medians are {min(noise):.2f} to "
        f"{max(noise):.2f}, its single rounds {min(single):.2f} to {max(single):.2f}."
    )
