"""The order of measurements in scripts/bench, so that what else the machine does falls on all."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def orders(things: Iterable[_T], rounds: int) -> Iterator[list[_T]]:
    """Give the order of each round: every round begins with another one."""
    all_of_them = list(things)
    for turn in range(rounds):
        start = turn % len(all_of_them)
        yield all_of_them[start:] + all_of_them[:start]


def median_ratio(rounds: Sequence[Mapping[str, float]], name: str, base: str) -> float:
    """Give the median of what a figure is as a part of the base's in the same round."""
    return statistics.median(figures[name] / figures[base] for figures in rounds)


def noise(rounds: Iterable[Mapping[str, float]], again: str, base: str) -> str:
    """Say how far two processes of the same program were apart in single rounds."""
    ratios = [figures[again] / figures[base] for figures in rounds]
    return (
        f"{again} is the noise of this run: {min(ratios):.2f} to {max(ratios):.2f} times {base} "
        f"in single rounds, median {statistics.median(ratios):.2f}."
    )
