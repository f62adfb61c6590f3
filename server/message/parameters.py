"""Reads a header field with parameters: `text/plain; charset=utf-8` (RFC 2045, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from .text import decode_charset, decode_field, decode_words

VALUE_LIMIT: Final = 16 * 1024
"""Characters of a field that are looked at."""

# Possessive throughout, so the time is linear in the length.
_PARAMETER: Final = re.compile(
    r';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]|\\.)*+"?+|[^;]*+)', re.DOTALL
)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
# RFC 2231: `name*0*`, `name*1`, `name*`; a number of more digits is nobody's.
_EXTENDED: Final = re.compile(r"([^*]++)(?:\*([0-9]{1,3}))?(\*?)")


def parse_parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """
    Give the value's first word in lower case and its parameters, names in lower case.

    Never raises. Values are decoded: quoted strings, the continuations and charsets of RFC 2231,
    and the encoded words that many mailers use instead. The first parameter of a name counts.
    """
    text = decode_field(value[:VALUE_LIMIT])
    first = re.split(r"[;\s]", text.strip(), maxsplit=1)[0].lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, found in _PARAMETER.findall(text):
        extended = _EXTENDED.fullmatch(name.lower())
        if extended is None or (extended[2] is None and not extended[3]):
            plain.setdefault(name.lower(), decode_words(_unquote(found)))
        else:
            number = int(extended[2] or 0)
            piece = (_unquote(found), bool(extended[3]))
            pieces.setdefault(extended[1], {}).setdefault(number, piece)
    # The extended form is the better one of a pair: RFC 6266, 4.3 for file names.
    return first, plain | {name: _join(numbered) for name, numbered in pieces.items()}


def _unquote(value: str) -> str:
    if value.startswith('"'):
        return _QUOTED_PAIR.sub(r"\1", value[1:].removesuffix('"'))
    return value.strip()


def _join(pieces: Mapping[int, tuple[str, bool]]) -> str:
    """Put the pieces of a parameter together (RFC 2231, section 3), up to the first gap."""
    charset = ""
    octets = b""
    for number in range(len(pieces)):
        if number not in pieces:
            break
        text, encoded = pieces[number]
        if number == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace")
    return decode_charset(octets, charset)
