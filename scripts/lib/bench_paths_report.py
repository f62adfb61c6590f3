"""What scripts/bench paths found, as Markdown: the figures, how sure they are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench_picture import Groups
from bench_report import made, table

BASE: Final = "`loop.create_server`"
AGAIN: Final = f"{BASE} again"
"""The base in the place of a path: what its ratios show is noise."""
DIRECT: Final = "`direct:`"


class Measured(NamedTuple):
    """What one client found: sessions a second, and connections that were turned away."""

    rate: float
    turned_away: int


class Pair(NamedTuple):
    """The base and a path, measured one right after the other."""

    base: Measured
    path: Measured


@dataclass(slots=True)
class Run:
    """Rounds of measurements, each of all paths; `other_ends` says what each path met."""

    sessions: int
    other_ends: Mapping[str, str]
    rounds: list[Mapping[str, Pair]] = field(default_factory=list)

    @property
    def base_rates(self) -> list[float]:
        """The base's rates, in sessions a second."""
        return [pair.base.rate for measured in self.rounds for pair in measured.values()]

    def rates(self, name: str) -> list[float]:
        """Give a path's rates, in sessions a second."""
        return [measured[name].path.rate for measured in self.rounds]

    def ratios(self, name: str) -> list[float]:
        """Give a path's rates as parts of the base's that was measured beside it."""
        pairs = [measured[name] for measured in self.rounds]
        return [pair.path.rate / pair.base.rate for pair in pairs]

    def turned_away(self, name: str) -> float:
        """Give how often a session was turned away before it was taken, on the average."""
        times = sum(measured[name].path.turned_away for measured in self.rounds)
        return times / (self.sessions * len(self.rounds))


def report(run: Run, loop: str) -> str:
    """Give the results as Markdown, with the machine described so that nobody knows which."""
    return "\n".join(
        [
            made(
                f"Rounds: {len(run.rounds)}; sessions in each, on each path: {run.sessions}; "
                f"event loop {loop}."
            ),
            "",
            table(
                ["path", "other end"],
                ["sessions/s, median", "ratio, median", "ratio, min to max", "turned away"],
                _rows(run),
            ),
            "",
            _verdict(run),
        ]
    )


def _rows(run: Run) -> Iterator[list[str]]:
    yield [BASE, "", f"{statistics.median(run.base_rates):.0f}", "1.00", "", ""]
    for name, other_end in run.other_ends.items():
        ratios = run.ratios(name)
        yield [
            name,
            other_end,
            f"{statistics.median(run.rates(name)):.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            f"{run.turned_away(name):.2f}",
        ]


def picture(run: Run) -> Groups:
    """Give what is drawn: each path's ratio."""
    ratios = {name: statistics.median(run.ratios(name)) for name in run.other_ends}
    return {"sessions/s as a part of `loop.create_server`'s": ratios}


def _verdict(run: Run) -> str:
    """Say whether `direct:` differs from the base by more than the base does from itself."""
    noise, direct = run.ratios(AGAIN), statistics.median(run.ratios(DIRECT))
    inside = min(noise) <= direct <= max(noise)
    return (
        f"{AGAIN} is the noise of this run: {min(noise):.2f} to {max(noise):.2f}. "
        f"The median of {DIRECT}, {direct:.2f}, is {'within' if inside else 'outside of'} it."
    )
