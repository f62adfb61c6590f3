r"""
Finds what a test looks for in a message: its links and its one-time codes.

A **link** is an `http` or `https` URL: written out in the text, or the `href` of an `<a>` or
`<area>` in the HTML. Punctuation that ends a sentence is no part of it, nor is a closing bracket
that it doesn't open.

A **code** is a number of 4 to 8 digits near a word that announces one: code, passcode, PIN, OTP,
TAN, 2FA, one-time, verification, password, and the word code in some other languages. It may be
written in two equal halves (`123 456`, `1234-5678`), or behind a letter (`G-123456`). What is a
piece of something longer, a date, an amount or a phone number, is none. Each word announces one
number at most:

1. the first behind it in its sentence, no more than 60 characters away;
2. else the last before it in its sentence, no more than 40 away: `123456 is your code`;
3. else the first behind it, no more than 60 away: `Here is your code.` and then a line of its own.

These rules are ours; they find a code where people would, and are wrong where people would ask.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from .parse import ParsedMessage
from .snippet import strip_markup

TEXT_LIMIT: Final = 256 * 1024
"""Characters of the text, and of the HTML, that are looked at."""
LINK_LIMIT: Final = 1_000
CODE_LIMIT: Final = 100
_WORD_LIMIT: Final = 1_000
"""Words that announce a code, of each part."""
URL_LIMIT: Final = 4_096
"""Characters of a link; a longer one is left out."""
_AHEAD: Final = 60
_BEHIND: Final = 40

URL: Final = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]++", re.IGNORECASE)
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
ANCHOR: Final = re.compile(r"<(?:a|area)\s([^<>]*+)>", re.IGNORECASE)
HREF: Final = re.compile(
    r"(?:^|[\s\"'])href\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))", re.IGNORECASE
)
_CLOSERS: Final = {")": "(", "]": "[", "}": "{"}
_ANNOUNCED: Final = re.compile(
    r"\b(?:pass)?code\b|\bpin\b|\botp\b|\btan\b|\b2fa\b|\bone-time\b|\bverification\b|\bpassword\b"
    r"|\bcódigo\b|\bcodice\b|\bkod\b|\bbestätigungscode\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    r"(?:(?<![\w.,:/#$€£+-])|(?<=\b[A-Za-z]-))"
    r"(?:\d{3}[ -]\d{3}|\d{4}[ -]\d{4}|\d{4,8})"
    r"(?![\w/%€£$]|[.,:-]\d)"
)
_LONGEST: Final = 20
"""Characters that decide about a number, and more."""
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s)")


class Found(msgspec.Struct, frozen=True):
    """Links and one-time codes of a message, in order of appearance, each once."""

    links: tuple[str, ...]
    codes: tuple[str, ...]


def find(message: ParsedMessage) -> Found:
    """
    Find links and codes: in the subject (codes only), then in the text, then in the HTML.

    Never raises; its time is linear in the length of what it looks at.
    """
    text, markup = message.text[:TEXT_LIMIT], message.html[:TEXT_LIMIT]
    links = dict.fromkeys([*_written(text), *_linked(markup)])
    codes = dict.fromkeys(
        code for part in (message.subject, text, strip_markup(markup)) for code in _codes(part)
    )
    return Found(tuple(links)[:LINK_LIMIT], tuple(codes)[:CODE_LIMIT])


def _written(text: str) -> Iterator[str]:
    """Give the URLs that are written out in a text."""
    for match in URL.finditer(text):
        url = without_ending(match[0][: URL_LIMIT + 1])
        if len(url) <= URL_LIMIT and not url.endswith("//"):
            yield url


def without_ending(url: str) -> str:
    """Cut off what belongs to the sentence around a URL."""
    counts = {bracket: url.count(bracket) for bracket in "()[]{}"}
    end = len(url)
    while end:
        last = url[end - 1]
        unopened = last in _CLOSERS and counts[last] > counts[_CLOSERS[last]]
        if last not in ".,;:!?'*_" and not unopened:
            break
        if unopened:
            counts[last] -= 1
        end -= 1
    return url[:end]


def _linked(markup: str) -> Iterator[str]:
    """Give the URLs that an HTML text links to."""
    for tag in ANCHOR.finditer(_COMMENT.sub(" ", markup)):
        if href := HREF.search(tag[1]):
            url = html.unescape(href[1] or href[2] or href[3] or "").strip()
            if len(url) <= URL_LIMIT and URL.fullmatch(url):
                yield url


def _codes(text: str) -> Iterator[str]:
    for word in islice(_ANNOUNCED.finditer(text), _WORD_LIMIT):
        number = _announced(text, word.start(), word.end())
        if number is not None:
            yield re.sub(r"\D", "", number)


def _announced(text: str, start: int, end: int) -> str | None:
    """Give the number that a word announces; see the rules at the top."""
    reach = end + _AHEAD
    stop = _SENTENCE_END.search(text, end, reach)
    return (
        _number(text, end, stop.start() if stop else reach)
        or _last_number(text, max(0, start - _BEHIND), start)
        or _number(text, end, reach)
    )


def _number(text: str, start: int, stop: int) -> str | None:
    """Give the first number that begins between these places."""
    match = _NUMBER.search(text, start, stop + _LONGEST)
    return match[0] if match and match.start() < stop else None


def _last_number(text: str, start: int, stop: int) -> str | None:
    """Give the last number between these places, and of the sentence that the last is in."""
    for end in _SENTENCE_END.finditer(text, start, stop):
        start = end.end()
    numbers = _NUMBER.findall(text, start, stop)
    return numbers[-1] if numbers else None
