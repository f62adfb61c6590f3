"""Rating: what was found in a mail beside the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .check import Checked, Finding
from .checker import SCRIPT
from .figures import Feature, Figures, Tested
from .score import Score, Support, score_of, total_of


class Rated(NamedTuple):
    """A feature that was found: where, what the tests of mail programs say, and their sum."""

    finding: Finding
    feature: Feature
    results: list[Tested]
    score: Score


def rate(
    checked: Checked, figures: Figures, read: Callable[[str], Support], *, family: str = ""
) -> tuple[list[Rated], Score]:
    """
    Give what was found, the least supported first, and the score of the whole mail.

    `read` reads a figure, see score.py. With a `family` only its programs count.
    """
    known = {feature.slug: feature for feature in figures.features}
    rated = [
        _rate(finding, known[finding.slug], read, family=family) for finding in checked.findings
    ]
    if checked.scripts.found:
        rated.append(Rated(checked.scripts, SCRIPT, [], Score(0.0, 0.0, 100.0)))
    rated.sort(key=_burden, reverse=True)
    total = total_of(((each.score, each.finding.found) for each in rated), checked.nodes)
    return rated, total


def _rate(
    finding: Finding, feature: Feature, read: Callable[[str], Support], *, family: str
) -> Rated:
    results = [each for each in feature.results() if family in ("", each.family)]
    return Rated(finding, feature, results, score_of(read(each.said) for each in results))


def _burden(rated: Rated) -> float:
    """Give how much a feature weighs: how badly it is supported, and how often it is there."""
    return (rated.score.unsupported + rated.score.partial) * rated.finding.found
