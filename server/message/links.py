"""Finds the links of a message: what its HTML form points to, and the addresses in its text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from .snippet import strip_markup

LINK_LIMIT: Final = 500
"""Links that are given of a message."""
URL_LIMIT: Final = 4_000
"""Characters of a link that are looked at."""
_LABEL_LIMIT: Final = 200

# An anchor's start tag, its href, and what stands in it up to the next tag that could end it.
# Nothing is looked at twice, so the time is linear.
_ANCHOR: Final = re.compile(
    r"<(?:a|area)(?=\s)[^<>]*?\shref\s*=\s*(?:\"([^\"<>]*+)\"|'([^'<>]*+)'|([^\s\"'<>]++))"
    r"[^<>]*+>",
    re.IGNORECASE,
)
_END: Final = re.compile(r"</a\b", re.IGNORECASE)
_URL: Final = re.compile(r"\b(?:https?://|mailto:)[^\s<>\"'`{}|\\^]++", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)]"


class Link(msgspec.Struct, frozen=True):
    """A link and the words that it stands behind; `label` is empty for one that is only text."""

    url: str
    label: str


def find_links(text: str, markup: str) -> list[Link]:
    """Give each link once, those of the HTML form first; never raises."""
    found: dict[str, Link] = {}
    for link in (*_anchors(markup), *(Link(url, "") for _, url in cut_at_urls(text) if url)):
        found.setdefault(link.url, link)
        if len(found) == LINK_LIMIT:
            break
    return list(found.values())


def cut_at_urls(text: str) -> Iterator[tuple[str, str]]:
    """
    Cut a text at its URLs: pairs of what stands before one, and the URL; empty at the end.

    The pieces in order are the text. A full stop or bracket behind a URL isn't taken as its part.
    """
    position = 0
    for match in _URL.finditer(text):
        url = match[0].rstrip(_TRAILING)
        if len(url) > URL_LIMIT:
            continue
        yield text[position : match.start()], url
        position = match.start() + len(url)
    yield text[position:], ""


def _anchors(markup: str) -> Iterator[Link]:
    for match in _ANCHOR.finditer(markup):
        written = match[1] or match[2] or match[3] or ""
        url = html.unescape(written[:URL_LIMIT]).strip()
        if not url or url.startswith("#"):
            continue
        window = markup[match.end() : match.end() + 2_000]
        end = _END.search(window)
        label = strip_markup(window[: end.start()] if end else window[:_LABEL_LIMIT])
        yield Link(url, " ".join(label.split())[:_LABEL_LIMIT])
