"""
The links of a message as a page shows them: whatever its HTML form points to, with its words, and
the URLs in its text. `found` has those that tests want.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from .found import ANCHOR, HREF, URL, URL_LIMIT, without_ending
from .snippet import strip_markup

LINK_LIMIT: Final = 500
"""Links that are given of a message."""
_ANCHOR_LIMIT: Final = 50_000
"""Anchors that are looked at, most of which may point to the same."""
_LABEL_LIMIT: Final = 200
_WINDOW: Final = 2_000
"""Characters behind an anchor that are looked at for its end."""

_EMBEDDED: Final = re.compile(r"<(img|link)\s([^<>]*+)>", re.IGNORECASE)
_SRC: Final = re.compile(HREF.pattern.replace("href", "src"), re.IGNORECASE)
_SHEET: Final = re.compile(r"\brel\s*+=\s*+[\"']?stylesheet\b", re.IGNORECASE)
_END: Final = re.compile(r"</a\b", re.IGNORECASE)


class Link(msgspec.Struct, frozen=True):
    """A link and the words that it stands behind; `label` is empty for one that is only text."""

    url: str
    label: str


def find_links(text: str, markup: str) -> list[Link]:
    """Give each link once, those of the HTML form first; never raises."""
    found: dict[str, Link] = {}
    for match in islice(ANCHOR.finditer(markup), _ANCHOR_LIMIT):
        url = _target(match[1])
        if len(found) < LINK_LIMIT and url and url not in found:
            found[url] = Link(url, _label(markup, match.end()))
    for _, url in cut_at_urls(text):
        if len(found) == LINK_LIMIT:
            break
        if url:
            found.setdefault(url, Link(url, ""))
    return list(found.values())


def find_addresses(links: Iterable[Link], markup: str) -> list[str]:
    """Give each URL of the web that a message needs, once: its links, pictures, style sheets."""
    wanted = [link.url for link in links]
    for tag in _EMBEDDED.finditer(markup):
        source = (HREF if tag[1].lower() == "link" else _SRC).search(tag[2])
        if source and (tag[1].lower() == "img" or _SHEET.search(tag[2])):
            wanted.append(html.unescape(source[1] or source[2] or source[3] or "").strip())
    found = (url for url in wanted if len(url) <= URL_LIMIT and URL.fullmatch(url))
    return list(islice(dict.fromkeys(found), LINK_LIMIT))


def cut_at_urls(text: str) -> Iterator[tuple[str, str]]:
    """
    Cut a text at its URLs: pairs of what stands before one, and the URL; empty at the end.

    The pieces in order are the text.
    """
    position = 0
    for match in URL.finditer(text):
        url = without_ending(match[0][: URL_LIMIT + 1])
        if len(url) > URL_LIMIT or url.endswith("//"):
            continue
        yield text[position : match.start()], url
        position = match.start() + len(url)
    yield text[position:], ""


def _target(attributes: str) -> str:
    """Give what an anchor points to; empty if that is nothing, or in the mail itself."""
    href = HREF.search(attributes)
    url = html.unescape(href[1] or href[2] or href[3] or "").strip() if href else ""
    return "" if len(url) > URL_LIMIT or url.startswith("#") else url


def _label(markup: str, start: int) -> str:
    """Give the words of the anchor whose content begins here."""
    window = markup[start : start + _WINDOW]
    end = _END.search(window)
    label = strip_markup(window[: end.start()] if end else window[:_LABEL_LIMIT])
    return " ".join(label.split())[:_LABEL_LIMIT]
