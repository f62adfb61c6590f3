"""Reads address lists for display, leniently: `Jane Doe <jane@x.org>, a@b` (RFC 5322, 3.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from .text import decode_field, decode_words

LIST_LIMIT: Final = 256 * 1024
"""Bytes of a field that are looked at."""
COUNT_LIMIT: Final = 2_000
"""Addresses that are given of a field."""

# A quoted string, an angle-bracketed address, a domain literal, one special, or a run of the rest.
# Possessive throughout, so the time is linear in the length.
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"?+|<[^<>]*+>?+|\[[^][]*+\]?+|\\.|[(),:;]|[^"<[(),:;\\]++|.', re.DOTALL
)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*+)"?+', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_SPACES: Final = re.compile(r"\s+")


class Address(msgspec.Struct, frozen=True):
    """A mailbox as a header field shows it; `name` is empty when none is given."""

    name: str
    address: str


def parse_addresses(value: bytes) -> tuple[Address, ...]:
    """
    Read an address list; never raises.

    Members of a group are given without its name. What is no address is given as a name, so that
    nothing of the field is hidden.
    """
    found = []
    for mailbox in _mailboxes(decode_field(value[:LIST_LIMIT])):
        if mailbox.name or mailbox.address:
            found.append(mailbox)
        if len(found) == COUNT_LIMIT:
            break
    return tuple(found)


def _mailboxes(text: str) -> Iterator[Address]:
    """Cut the list at the commas, and at colon and semicolon around a group's members."""
    draft = _Draft()
    depth = 0  # of comments, which nest (RFC 5322, 3.2.2)
    for match in _TOKEN.finditer(text):
        part = match[0]
        if part == "(":
            depth += 1
        elif part == ")" and depth:
            depth -= 1
        elif depth:
            draft.comment.append(part)
        elif part in (",", ";"):
            yield draft.finish()
            draft = _Draft()
        elif part == ":" and draft.angle is None:
            draft = _Draft()  # what came before is a group's name
        elif part.startswith("<"):
            draft.angle = part
        else:
            draft.words.append(part)
    yield draft.finish()


class _Draft:
    """The tokens of one mailbox."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comment: list[str] = []
        self.angle: str | None = None

    def finish(self) -> Address:
        """Tell name from address."""
        written = "".join(self.words).strip()
        comment = _unquote("".join(self.comment))
        if self.angle is not None:
            # A source route is no part of the address (RFC 5322, 4.4).
            address = _squeeze(re.sub(r"^@[^:]*:", "", self.angle.strip("<> \t")))
            return Address(_unquote(written) or comment, address)
        if "@" in written:
            return Address(comment, _squeeze(written))
        return Address(_unquote(written) or comment, "")


def _squeeze(address: str) -> str:
    """Take the white space out of an address, except in a quoted local part."""
    return decode_words(address if '"' in address else _SPACES.sub("", address))


def _unquote(phrase: str) -> str:
    """Give a display name without quotes; words that are encoded inside quotes are decoded too."""
    plain = _QUOTED.sub(_first_group, phrase)
    return _SPACES.sub(" ", decode_words(_QUOTED_PAIR.sub(_first_group, plain)))


def _first_group(match: re.Match[str]) -> str:
    return match[1]  # a function is three times as fast as a template
