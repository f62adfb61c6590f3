"""The HTML check as a page shows it: the programs that fail, one line for each."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from ..htmlcheck.check import Checked
from ..htmlcheck.figures import Feature, Figures, Tested
from ..htmlcheck.rating import Rated, rate
from ..htmlcheck.score import EVERYWHERE, UNKNOWN, Score, Support, support_of


class Failing(NamedTuple):
    """A program that doesn't support a feature, its versions that don't, and the notes on them."""

    name: str
    support: Support
    versions: list[str]
    notes: list[str]


class Shown(NamedTuple):
    """
    A feature that a mail uses.

    `places` are lines of the HTML by what they are in: `<td>`, `style sheet`.
    `failing` are programs whose newest version doesn't support it as a whole, `older` those of
    which only older versions don't. `notes` are the texts that they refer to, by number.
    """

    rated: Rated
    places: dict[str, list[int]]
    failing: list[Failing]
    older: list[Failing]
    notes: list[tuple[str, str]]


class Page(NamedTuple):
    """
    The check of a mail: what fails somewhere, what is supported everywhere, what nobody tested.

    `families` are those that were tested at all, with their names; `family` is the one chosen.
    """

    checked: Checked
    figures: Figures
    total: Score
    shown: list[Shown]
    fine: list[Feature]
    untested: list[Feature]
    families: dict[str, str]
    family: str


def make_page(checked: Checked, figures: Figures, family: str) -> Page:
    """Sort what was found; with a family only its programs count, an unknown one is none."""
    tested = {key for feature in figures.features for key in feature.support}
    families = {key: name for key, name in figures.families.items() if key in tested}
    family = family if family in families else ""
    rated, total = rate(checked, figures, support_of, family=family)
    worse = [each for each in rated if each.score.unsupported or each.score.partial]
    fine = [each.feature for each in rated if each.score == EVERYWHERE]
    untested = [each.feature for each in rated if each.score == UNKNOWN]
    for features in (fine, untested):
        features.sort(key=lambda feature: feature.title)
    shown = [_show(each, figures) for each in worse]
    return Page(checked, figures, total, shown, fine, untested, families, family)


def _show(rated: Rated, figures: Figures) -> Shown:
    programs: defaultdict[str, list[Tested]] = defaultdict(list)
    for result in rated.results:
        programs[figures.program(result.family, result.platform)].append(result)
    failing: list[Failing] = []
    older: list[Failing] = []
    for name, results in programs.items():
        bad = [each for each in results if support_of(each.said) in ("no", "partial")]
        if not bad:
            continue
        newest = support_of(results[-1].said)
        numbers = list(dict.fromkeys(note for each in bad for note in each.notes))
        (failing if newest in ("no", "partial") else older).append(
            Failing(name, newest, [each.version for each in bad], numbers)
        )
    failing.sort(key=lambda each: each.support)  # "no" comes before "partial"
    used = {note for each in (*failing, *older) for note in each.notes}
    notes = [(number, text) for number, text in rated.feature.notes.items() if number in used]
    places: defaultdict[str, list[int]] = defaultdict(list)
    for line, where in rated.finding.places:
        places[where].append(line)
    return Shown(rated, places, failing, older, notes)
