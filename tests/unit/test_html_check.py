"""What the HTML check finds in a mail, what it makes of the figures, and what hostile mail does."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import pytest

from bindpost.server.htmlcheck import figures as source
from bindpost.server.htmlcheck.check import CSS_LIMIT, MARKUP_LIMIT, Checked, check
from bindpost.server.htmlcheck.counting import Place
from bindpost.server.htmlcheck.features import MARKS, NOT_DETECTED
from bindpost.server.htmlcheck.figures import Feature, Figures
from bindpost.server.htmlcheck.rating import rate
from bindpost.server.htmlcheck.score import (
    Score,
    mailpit_support_of,
    score_of,
    support_of,
    total_of,
)

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "html-check.md"
SNIPPETS: Final = {
    "element": "<{0}>",
    "attribute": "<b {0}=x>",
    "property": "<b style='{0}: 0'>",
    "value": "<b style='{0}'>",
    "keyword": "<b style='x: {0}'>",
    "unit": "<b style='x: 1{0}'>",
    "function": "<b style='x: {0}(1 2)'>",
    "picture": "<img src='https://e.test/a.{0}?x=1#y'>",
    "at": "<style>@{0} x {{ }}</style>",
    "media": "<style>@media screen and ({0}: 1) {{ }}</style>",
    "pseudo-class": "<style>b:{0} {{ }}</style>",
    "pseudo-element": "<style>b::{0} {{ }}</style>",
}
"""How a mark of each kind comes into a mail."""
SELECTORS: Final = {
    "selector adjacent-sibling": "a+b",
    "selector attribute": "[a]",
    "selector chaining": ".a.b",
    "selector child": "a>b",
    "selector class": ".a",
    "selector descendant": "a b",
    "selector general-sibling": "a~b",
    "selector grouping": "a,b",
    "selector id": "#a",
    "selector type": "a",
    "selector universal": "*",
}
SPECIAL: Final = {
    "css comment": "<style>/* x */</style>",
    "css nesting": "<style>a { b { gap: 0 } }</style>",
    "doctype html": "<!doctype HTML><b>",
    "html comment": "<!-- x -->",
    "important": "<b style='gap: 0 ! important'>",
    "link local": "<a href='#top'>",
    "link mailto": "<a href='MAILTO:a@b.test'>",
    "meta color-scheme": "<meta name=color-scheme content=light>",
    "picture base64": "<img src='data:image/png;base64,AAAA'>",
    "property --*": "<b style='--main: 0'>",
    "type button:reset": "<button type=reset>",
    "type button:submit": "<button>",
    "type input:text": "<input>",
    **{selector: f"<style>{text} {{ }}</style>" for selector, text in SELECTORS.items()},
}


def snippet_of(mark: str) -> str:
    """Give a mail that has a mark in it."""
    kind, _, what = mark.partition(" ")
    if mark in SPECIAL:
        return SPECIAL[mark]
    if kind == "type":
        return f"<input type={what.partition(':')[2].upper()}>"
    return SNIPPETS[kind].format(what)


def found_in(markup: str) -> dict[str, int]:
    """Give the features of a mail, and how often each was found."""
    return {finding.slug: finding.found for finding in check(markup).findings}


def places_of(checked: Checked, slug: str) -> list[Place]:
    """Give where a feature was found."""
    return next(finding.places for finding in checked.findings if finding.slug == slug)


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Give the figures."""
    return source.load()


def test_each_feature_is_looked_for_or_said_not_to_be(figures: Figures) -> None:
    """No feature of the source is left out in silence, and none is looked for that isn't there."""
    known = [feature.slug for feature in figures.features]

    assert len(known) == len(set(known)) == 307
    assert set(known) == set(MARKS) | set(NOT_DETECTED)
    assert set(MARKS).isdisjoint(NOT_DETECTED)
    assert len(MARKS) == 305


@pytest.mark.parametrize("slug", MARKS)
def test_each_mark_of_a_feature_finds_it(slug: str) -> None:
    """Whatever a feature may look like, a mail that looks so is said to use it."""
    for mark in MARKS[slug]:
        assert slug in found_in(snippet_of(mark)), mark


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>Words, and 10px of display:flex; gap: 1em</p>", {"html-p": 1}),
        ("<b title='style=\"gap:0\"'>x</b>", {}),
        ("<b style='content: \"display:flex 1rem clamp(1)\"'>", {}),
        ("<b style='background-color: red'>", {"css-background-color": 1}),
        ("<b style='GAP: 1EM'>", {"css-gap": 1, "css-unit-em": 1}),
        ("<b style='gap: 1em; gap: 2em; row-gap: 3em'>", {"css-gap": 1, "css-unit-em": 1}),
        ("<!--[if mso]><table><![endif]--><![if !mso]><i></i><![endif]>", {"html-comments": 1}),
        ("<![<p>x", {"html-comments": 1}),
        ("<script>'<p>'</script>", {}),
        ("<img src=a.png srcset='b.webp 1x, c.avif 2x'>", {
            "html-img": 1, "html-srcset": 1, "image-png": 1, "image-webp": 1, "image-avif": 1,
        }),
        ("<b style='background: url(a.gif)'>", {"css-background": 1, "image-gif": 1}),
        ("<b style=\"background: url('a.gif')\">", {"css-background": 1, "image-gif": 1}),
    ],
)  # fmt: skip
def test_what_is_there_is_found_and_nothing_else(markup: str, expected: dict[str, int]) -> None:
    """Text, comments, scripts and strings are none; case, doubles and spaces change nothing."""
    assert found_in(markup) == expected


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        ("td", 3),
        ("td.wide", 2),
        (".wide", 2),
        ("#one", 1),
        ("table td", 3),
        ("a, #one, .wide", 2),
        ("td.wide.red", 1),
        ("[align]", 1),
        ("td[align]:hover", 1),
        ("tr", 0),
        (".none td.other", 0),
        ("body", 1),
        (":root", 1),
        ("*", 5),
    ],
)
def test_a_rule_counts_for_the_elements_it_names(selector: str, count: int) -> None:
    """As often as a feature's elements are there, as if the style stood in each of them."""
    body = "<table><td id=one class='wide red'><td class=wide><td align=left></table>"
    markup = f"<style>{selector} {{ gap: 0 }}</style>{body}"

    assert found_in(markup).get("css-gap", 0) == count


def test_an_element_counts_once() -> None:
    """What a rule and the element itself say is one use."""
    markup = "<style>p { gap: 0 } .a { gap: 1 }</style><p class=a style='gap:2'><p>"

    assert found_in(markup)["css-gap"] == 2


def test_rules_in_rules_are_read() -> None:
    """What stands in @media, @supports and in another rule is about its own elements."""
    sheet = "@media screen { @supports (gap: 0) { p { gap: 0; &:hover { clear: both } } } }"

    assert found_in(f"<style>{sheet}</style><p><p>").items() >= {
        "css-at-media": 1,
        "css-at-supports": 1,
        "css-gap": 2,
        "css-clear": 2,
        "css-nesting": 1,
        "css-pseudo-class-hover": 1,
    }.items()  # fmt: skip


def test_an_open_style_sheet_is_read_to_the_end() -> None:
    """As browsers do."""
    assert found_in("<p><style>p { gap: 0 }")["css-gap"] == 1


def test_places_are_lines_of_the_html() -> None:
    """A line is that of the tag, or of the declaration in its style sheet."""
    checked = check("<p>\n<style>\na {}\np {\ngap: 0 }</style>\n<b\nstyle='gap:1'></b>")

    assert places_of(checked, "css-gap") == [Place(5, "style sheet"), Place(6, "<b>")]
    assert places_of(checked, "css-selector-type") == [
        Place(3, "style sheet"),
        Place(4, "style sheet"),
    ]


def test_scripts_are_counted_apart() -> None:
    """Data for mail programs is no script."""
    json = "<script type=application/ld+json>{}</script>"

    assert check(f"<p><script>1</script>{json}").scripts.found == 1
    assert check(json).scripts.found == 0


# The figures


def test_the_figures_say_where_they_are_from(figures: Figures) -> None:
    """Source, commit and day are in the file, and the licence is beside it."""
    licence = source.FILE.with_name("caniemail-licence.txt").read_text("utf-8")

    assert figures.source == "https://www.caniemail.com/"
    assert re.fullmatch(r"[0-9a-f]{40}", figures.commit)
    assert figures.date in DOCUMENT.read_text("utf-8")
    assert figures.commit in DOCUMENT.read_text("utf-8")
    assert licence.startswith("MIT License")
    assert "Rémi Parmentier" in licence


def test_each_figure_has_the_known_form(figures: Figures) -> None:
    """A letter and numbers of notes; each program has a name."""
    for feature in figures.features:
        for result in feature.results():
            assert re.fullmatch(r"[yanu]( #\d+)*", result.said), (feature.slug, result)
            assert figures.program(result.family, result.platform)


@pytest.mark.parametrize(
    ("said", "ours", "theirs"),
    [
        ("y", "yes", "yes"),
        ("n", "no", "no"),
        ("a", "partial", "partial"),
        ("y #1", "yes", "partial"),
        ("n #1 #2", "no", "partial"),
        ("a #3", "partial", "partial"),
        ("u", "unknown", "partial"),
    ],
)
def test_how_a_figure_is_read(said: str, ours: str, theirs: str) -> None:
    """We read the letter; Mailpit takes all that has a note, and what is unknown, for partial."""
    assert support_of(said) == ours
    assert mailpit_support_of(said) == theirs


def test_a_score_counts_what_is_known() -> None:
    """Shares are of the versions that were tested; without any, they are 0."""
    assert score_of(["yes", "yes", "partial", "no", "unknown"]) == Score(50, 25, 25)
    assert score_of(["unknown"]) == Score(0, 0, 0)


@pytest.mark.parametrize(
    ("scores", "total"),
    [
        ([], Score(100, 0, 0)),
        ([(Score(60, 30, 10), 5)], Score(80, 15, 5)),
        ([(Score(60, 30, 10), 5), (Score(50, 0, 50), 2)], Score(75, 15, 10)),
        ([(Score(0, 0, 100), 50)], Score(0, 0, 100)),
        ([(Score(0, 80, 20), 10), (Score(0, 0, 100), 10)], Score(0, 0, 100)),
    ],
)
def test_the_total_is_of_the_worst_features(scores: list[tuple[Score, int]], total: Score) -> None:
    """A feature weighs by its share of ten elements, and nothing falls below 0."""
    assert total_of(scores, 10) == total


def test_a_family_is_rated_by_itself(figures: Figures) -> None:
    """Of one family's programs only their own figures count; the worst feature comes first."""
    checked = check("<b style='display:flex'>x</b><p style='clip-path:none'>")
    rated, total = rate(checked, figures, support_of, family="outlook")

    assert {result.family for each in rated for result in each.results} == {"outlook"}
    burdens = [each.score.unsupported + each.score.partial for each in rated]
    assert burdens == sorted(burdens, reverse=True)
    assert rate(checked, figures, support_of)[1] != total


def test_a_feature_without_figures_has_no_page() -> None:
    """What isn't from the source has no address there."""
    keys = {"slug": "x", "title": "", "description": "", "category": "", "tested": ""}
    feature = Feature(**keys, tags=(), keywords="", support={}, notes={})

    assert feature.url == ""


# Hostile mail


@pytest.mark.parametrize("piece", ["<!--", "<", "<a ", '<a a="', "<![", "<!", "&", "</", "<p<p"])
def test_html_that_never_ends_takes_no_longer(piece: str) -> None:
    """Where the parser's time is quadratic, in some of Python's versions, the time bounds it."""
    begin = time.monotonic()

    check(piece * (MARKUP_LIMIT // len(piece)), seconds=0.2)

    assert time.monotonic() - begin < 20


@pytest.mark.parametrize(
    "piece", ["{", "(", "[", "a{", "@media x{", "a,", "&{", "a:b{", "\\", "/*"]
)
def test_css_may_nest_as_deep_as_it_likes(piece: str) -> None:
    """Nothing is recursive: what nests deeper than any stack is read, in a sheet and a style."""
    css = piece * 5_000

    assert found_in(f"<b><style>b {{ gap: 0 }} {css}</style>")["css-gap"] == 1
    assert found_in(f"<b style='gap: 0; {css}'>")["css-gap"] == 1


def test_elements_may_nest_as_deep_as_they_like() -> None:
    """There is no tree, and so no depth."""
    assert found_in("<div>" * 5_000)["html-div"] == 5_000


@pytest.mark.parametrize(
    "markup",
    [
        "x" * (MARKUP_LIMIT + 1),
        "<b>" * 50_001,
        f"<style>{'x' * (CSS_LIMIT + 1)}</style>",
        f"<b style='{'x' * (CSS_LIMIT + 1)}'>",
    ],
    ids=["long", "elements", "sheet", "styles"],
)
def test_what_is_too_much_is_looked_at_in_part(markup: str) -> None:
    """The answer says so."""
    assert not check(markup).is_complete
    assert check("<p>").is_complete


def test_the_time_is_bounded() -> None:
    """Many elements and many rules for them end when the time is up, with what was found."""
    markup = "<b class=a id=x>" * 40_000 + f"<style>{'b.a#x{gap:1px}' * 15_000}</style>"

    checked = check(markup, seconds=0.5)

    assert not checked.is_complete
    assert checked.nodes > 1_000
