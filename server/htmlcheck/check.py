"""The check itself: a mail's HTML in, and which features are in it, how often and where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .counting import Count, Index, Place
from .deadline import Deadline, TimeUpError
from .features import MARKS
from .markup import Document, Element, TooManyError
from .style import picture_kind, read_declarations, read_sheet

MARKUP_LIMIT: Final = 1024 * 1024
"""Characters of the HTML that are looked at; Gmail shows a tenth of that."""
CSS_LIMIT: Final = 256 * 1024
"""Characters of all style sheets together that are looked at, and of all `style` attributes."""
SECONDS: Final = 5.0
"""What a check may take; ordinary mail takes some milliseconds."""
_PICTURES: Final = frozenset({"img", "source", "video", "input", "image"})
_NO_NODES: Final = frozenset({"html", "head", "meta"})


class Finding(NamedTuple):
    """A feature that a mail uses: how often, and where the first places are."""

    slug: str
    found: int
    places: list[Place]


class Checked(NamedTuple):
    """
    What was found in a mail. `scripts` are elements that would run something; no program does.

    `nodes` are its elements but for html, head and meta. `is_complete` says whether all was looked
    at: what is too long or takes too long is looked at in part.
    """

    findings: list[Finding]
    scripts: Finding
    nodes: int
    is_complete: bool


def check(markup: str, *, seconds: float = SECONDS) -> Checked:
    """
    Look for every feature in an HTML text; may take so many seconds, so run it in an executor.

    Never raises, and asks for nothing over the network: a style sheet elsewhere is not looked at.
    """
    counting = _Counting(Deadline(seconds))
    is_complete = counting.run(markup)
    findings = [
        Finding(slug, count.found, sorted(count.places))
        for slug, count in counting.counts.items()
        if count.found
    ]
    scripts = counting.scripts
    return Checked(
        findings=findings,
        scripts=Finding("html-script", scripts.found, scripts.places),
        nodes=sum(each.name not in _NO_NODES for each in counting.document.elements),
        is_complete=is_complete,
    )


class _Allowance:
    """How much CSS is looked at."""

    def __init__(self, characters: int) -> None:
        self._left = characters
        self.is_spent = False

    def takes(self, text: str) -> bool:
        """Say whether a text is still looked at."""
        self._left -= len(text)
        self.is_spent = self.is_spent or self._left < 0
        return not self.is_spent


class _Counting:
    def __init__(self, deadline: Deadline) -> None:
        self.counts = {slug: Count() for slug in MARKS}
        self.scripts = Count()
        self.document = Document(deadline)
        self._deadline = deadline
        self._features = _features_by_mark()
        self._attributes = _Allowance(CSS_LIMIT)
        self._sheets = _Allowance(CSS_LIMIT)

    def run(self, markup: str) -> bool:
        """Count; say whether all was looked at."""
        is_complete = len(markup) <= MARKUP_LIMIT
        try:
            try:
                self.document.read(markup[:MARKUP_LIMIT])
            except TooManyError:
                is_complete = False
            self._count_elements()
            self._count_loose()
            self._count_sheets()
        except TimeUpError:
            return False
        return is_complete and not (self._attributes.is_spent or self._sheets.is_spent)

    def _slugs(self, marks: Iterator[str]) -> set[str]:
        return {slug for mark in marks for slug in self._features.get(mark, ())}

    def _count_elements(self) -> None:
        for number, element in enumerate(self.document.elements):
            self._deadline.check()
            place = Place(element.line, f"<{element.name[:40]}>")
            for slug in self._slugs(self._of_element(element)):
                self.counts[slug].elements.append(number)
                self.counts[slug].note(place)
            if element.name == "script" and "json" not in element.attributes.get("type", ""):
                self.scripts.loose += 1
                self.scripts.note(place)

    def _of_element(self, element: Element) -> Iterator[str]:
        yield from marks_of(element)
        style = element.attributes.get("style", "")
        if style and self._attributes.takes(style):
            yield from read_declarations(style)

    def _count_loose(self) -> None:
        """Count what is no element: comments and the document type."""
        for comment in self.document.comments:
            self._note("html comment", comment.line, "comment")
        for doctype in self.document.doctypes[:1]:
            if doctype.text.split() and doctype.text.lower().split() == ["doctype", "html"]:
                self._note("doctype html", doctype.line, "<!DOCTYPE>")

    def _note(self, mark: str, line: int, where: str) -> None:
        for slug in self._features.get(mark, ()):
            self.counts[slug].loose += 1
            self.counts[slug].note(Place(line, where))

    def _count_sheets(self) -> None:
        index = Index(self.document.elements)
        for text, line in self.document.sheets:
            if not self._sheets.takes(text):
                return
            sheet = read_sheet(text, self._deadline)
            for mark, at in sheet.marks:
                self._note(mark, line + at - 1, "style sheet")
            for rule in sheet.rules:
                self._deadline.check()
                elements = index.select(rule.compounds)
                for mark, at in rule.marks if elements else ():
                    for slug in self._features.get(mark, ()):
                        self.counts[slug].of_rules |= elements
                        self.counts[slug].note(Place(line + at - 1, "style sheet"))


def marks_of(element: Element) -> Iterator[str]:
    """Give the marks of an element, but for those of its `style`."""
    name, attributes, _ = element
    yield f"element {name}"
    yield from (f"attribute {each}" for each in attributes)
    kind = attributes.get("type", "submit" if name == "button" else "text").strip().lower()
    yield f"type {name}:{kind}"
    address = attributes.get("href", "").strip()
    if address[:7].lower() == "mailto:":
        yield "link mailto"
    elif address.startswith("#") and name == "a":
        yield "link local"
    if name == "meta":
        yield f"meta {attributes.get('name', '').strip().lower()}"
    if name in _PICTURES and "src" in attributes:
        yield f"picture {picture_kind(attributes['src'].strip())}"
    if attributes.get("background"):
        yield f"picture {picture_kind(attributes['background'].strip())}"
    if "srcset" in attributes:
        for candidate in attributes["srcset"].split(","):
            yield f"picture {picture_kind(candidate.strip().partition(' ')[0])}"


def _features_by_mark() -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for slug, marks in MARKS.items():
        for mark in marks:
            found[mark].append(slug)
    return found
