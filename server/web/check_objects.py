"""The JSON objects of the checks in bindpost's own API: what mail programs show, what links do."""

from __future__ import annotations

import msgspec

from ..htmlcheck.check import Checked
from ..htmlcheck.counting import Place
from ..htmlcheck.figures import Figures, Tested
from ..htmlcheck.rating import Rated, rate
from ..htmlcheck.score import Score, Support, support_of
from ..linkcheck.result import LinkResult


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Shares in per cent, of the versions of mail programs that were tested."""

    supported: float
    partial: float
    unsupported: float


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """A place: a line of the HTML, from 1, and in what: `<td>` or `style sheet`."""

    line: int
    where: str


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What a version of a mail program does with a feature; `notes` are the keys of its notes."""

    name: str
    family: str
    platform: str
    version: str
    support: Support
    notes: list[str]


class FeatureFound(msgspec.Struct, frozen=True, kw_only=True):
    """
    A feature that the mail uses. `found` counts its elements; `places` are the first of them.

    `description` and `notes` are Markdown. `programs` are in the order of the source, the newest
    version of each last.
    """

    slug: str
    title: str
    description: str
    category: str
    url: str
    tags: tuple[str, ...]
    found: int
    places: list[Where]
    score: Shares
    programs: list[Program]
    notes: dict[str, str]


class FiguresUsed(msgspec.Struct, frozen=True, kw_only=True):
    """Whose figures these are, and of which day."""

    url: str
    date: str
    commit: str


class HtmlCheck(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much of a mail's HTML mail programs support.

    `features` begin with the least supported. `is_complete` is false if the mail was too long or
    too hard to read to be looked at as a whole; `nodes` counts its elements.
    """

    total: Shares
    nodes: int
    is_complete: bool
    features: list[FeatureFound]
    figures: FiguresUsed


class LinkCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What came of each link, and how many have something to mend."""

    errors: int
    links: list[LinkResult]


def link_check(results: list[LinkResult]) -> LinkCheck:
    """Make the LinkCheck of results."""
    return LinkCheck(errors=sum(result.is_error for result in results), links=results)


def html_check(checked: Checked, figures: Figures) -> HtmlCheck:
    """Make the HtmlCheck of what was found."""
    rated, total = rate(checked, figures, support_of)
    return HtmlCheck(
        total=_shares(total),
        nodes=checked.nodes,
        is_complete=checked.is_complete,
        features=[_feature(each, figures) for each in rated],
        figures=FiguresUsed(url=figures.source, date=figures.date, commit=figures.commit),
    )


def _shares(score: Score) -> Shares:
    supported, partial, unsupported = (round(share, 2) for share in score)
    return Shares(supported=supported, partial=partial, unsupported=unsupported)


def _feature(rated: Rated, figures: Figures) -> FeatureFound:
    finding, feature, results, score = rated
    return FeatureFound(
        slug=feature.slug,
        title=feature.title,
        description=feature.description,
        category=feature.category,
        url=feature.url,
        tags=feature.tags,
        found=finding.found,
        places=[_where(place) for place in finding.places],
        score=_shares(score),
        programs=[_program(result, figures) for result in results],
        notes=feature.notes,
    )


def _where(place: Place) -> Where:
    return Where(line=place.line, where=place.where)


def _program(tested: Tested, figures: Figures) -> Program:
    return Program(
        name=figures.program(tested.family, tested.platform),
        family=tested.family,
        platform=tested.platform,
        version=tested.version,
        support=support_of(tested.said),
        notes=tested.notes,
    )
