"""Mailpit's JSON objects of its checks, exactly: its keys, its types, its way to count."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import field

from ..htmlcheck.check import Checked
from ..htmlcheck.features import MARKS
from ..htmlcheck.figures import Figures, Tested
from ..htmlcheck.rating import Rated, rate
from ..htmlcheck.score import Support, mailpit_support_of
from ..linkcheck.result import LinkResult
from .markdown import as_html

BLOCKED: Final = "Blocked private/reserved address"
"""Mailpit's words for a link that leads inside; its status is 451."""


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Keys as Go spells them."""


class Shares(_Object, frozen=True):
    """The score of a feature."""

    found: int
    supported: float
    partial: float
    unsupported: float


class Total(_Object, frozen=True):
    """The score of a mail; `tests` are the features that are looked for."""

    tests: int
    nodes: int
    supported: float
    partial: float
    unsupported: float


class Result(_Object, frozen=True):
    """What a version of a mail program does; without a note its number is empty."""

    name: str
    platform: str
    family: str
    version: str
    support: Support
    note_number: str


class Warning(_Object, frozen=True):
    """A feature that was found, whether all programs support it or not; texts are HTML."""

    slug: str
    title: str
    description: str
    url: str = field(name="URL")
    category: str
    tags: tuple[str, ...]
    keywords: str
    results: list[Result]
    notes_by_number: dict[str, str]
    score: Shares


class HtmlCheck(_Object, frozen=True):
    """The whole answer; `platforms` have the names of their programs."""

    warnings: list[Warning]
    platforms: dict[str, list[str]]
    total: Total


class Link(_Object, frozen=True):
    """What came of a link: 0 without an answer, 451 for one that leads inside."""

    url: str = field(name="URL")
    status_code: int
    status: str


class LinkCheck(_Object, frozen=True):
    """The whole answer."""

    errors: int
    links: list[Link]


def link_check(results: list[LinkResult]) -> LinkCheck:
    """Make the LinkCheck of results."""
    return LinkCheck(
        errors=sum(result.is_error for result in results),
        links=[_link(result) for result in results],
    )


def _link(result: LinkResult) -> Link:
    if result.outcome == "refused":
        return Link(url=result.url, status_code=451, status=BLOCKED)
    if result.status is None:
        return Link(url=result.url, status_code=0, status=result.reason)
    known = result.status in HTTPStatus.__members__.values()
    phrase = HTTPStatus(result.status).phrase if known else ""
    return Link(url=result.url, status_code=result.status, status=phrase)


def html_check(checked: Checked, figures: Figures) -> HtmlCheck:
    """Make the HtmlCheck of what was found."""
    rated, total = rate(checked, figures, mailpit_support_of)
    return HtmlCheck(
        warnings=[_warning(each, figures) for each in rated],
        platforms=_platforms(figures),
        total=Total(tests=len(MARKS) + 1, nodes=checked.nodes, **total._asdict()),
    )


def _warning(rated: Rated, figures: Figures) -> Warning:
    finding, feature, results, score = rated
    return Warning(
        slug=feature.slug,
        title=feature.title,
        description=str(as_html(feature.description)),
        url=feature.url,
        category=feature.category,
        tags=feature.tags,
        keywords="",  # Mailpit has the key and leaves it empty
        results=[_result(each, figures) for each in results],
        notes_by_number={number: str(as_html(text)) for number, text in feature.notes.items()},
        score=Shares(found=finding.found, **score._asdict()),
    )


def _result(tested: Tested, figures: Figures) -> Result:
    support = mailpit_support_of(tested.said)
    return Result(
        name=f"{figures.program(tested.family, tested.platform)} ({tested.version})",
        platform=tested.platform,
        family=tested.family,
        version=tested.version,
        support=support,
        note_number=tested.notes[-1] if support == "partial" and tested.notes else "",
    )


def _platforms(figures: Figures) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for feature in figures.features:
        for family, platforms in feature.support.items():
            for platform in platforms:
                found[platform].add(figures.families[family])
    return {platform: sorted(names) for platform, names in sorted(found.items())}
