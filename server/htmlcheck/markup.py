"""Reads the HTML of a mail: its elements, its style sheets, and what else has a place in it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final, NamedTuple

from .deadline import Deadline

ELEMENT_LIMIT: Final = 50_000
"""Elements that are looked at."""


class TooManyError(Exception):
    """There are more elements than are looked at; what was found until then stands."""


class Element(NamedTuple):
    """An element: its name and attributes in lower case, and the line of its tag, from 1."""

    name: str
    attributes: dict[str, str]
    line: int


class Piece(NamedTuple):
    """A text of the source, and the line that it begins in."""

    text: str
    line: int


class Document(HTMLParser):
    """
    What stands in an HTML text, in its order.

    Python's own parser makes tokens and no tree, which is what is wanted here: an element's place
    in the source, and no limit to how deep a mail may nest.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(convert_charrefs=False)
        self._deadline = deadline
        self._sheet: list[str] | None = None
        self.elements: list[Element] = []
        self.sheets: list[Piece] = []
        self.comments: list[Piece] = []
        self.doctypes: list[Piece] = []

    def read(self, markup: str) -> None:
        """Read a whole text. Raises `TimeUpError` and `TooManyError`, with what was found kept."""
        self.feed(markup)
        if self._sheet is not None:  # the parser gives the rest of an open one to nobody
            self.feed("</style>")
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element; a doubled attribute counts as it came first, as in browsers."""
        self._deadline.check()
        if len(self.elements) == ELEMENT_LIMIT:
            raise TooManyError
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        self.elements.append(Element(tag, attributes, self.getpos()[0]))
        if tag == "style":
            self._end_sheet()
            self.sheets.append(Piece("", self.getpos()[0]))
            self._sheet = []

    def handle_endtag(self, tag: str) -> None:
        """End a style sheet."""
        self._deadline.check()
        if tag == "style":
            self._end_sheet()

    def handle_data(self, data: str) -> None:
        """Note a style sheet's text."""
        self._deadline.check()
        if self._sheet is not None:
            if not self._sheet:
                self.sheets[-1] = Piece("", self.getpos()[0])
            self._sheet.append(data)

    def handle_comment(self, data: str) -> None:
        """Note a comment; what only Outlook reads in one is not looked at."""
        self._deadline.check()
        self.comments.append(Piece(data, self.getpos()[0]))

    def handle_decl(self, decl: str) -> None:
        """Note a document type."""
        self._deadline.check()
        self.doctypes.append(Piece(decl, self.getpos()[0]))

    def handle_entityref(self, name: str) -> None:
        """Look at the time: these may be many."""
        self._deadline.check()

    def handle_charref(self, name: str) -> None:
        """Look at the time: these may be many."""
        self._deadline.check()

    def unknown_decl(self, data: str) -> None:
        """Look at the time: these may be many."""
        self._deadline.check()

    def handle_pi(self, data: str) -> None:
        """Look at the time: these may be many."""
        self._deadline.check()

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Read `<![if mso]>` and the like; what is none is a comment, where Python gives up."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self.sheets[-1] = self.sheets[-1]._replace(text="".join(self._sheet))
            self._sheet = None
