"""Plain: turns whatever a call site logs into harmless data, before any form is rendered."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Set
from itertools import islice
from typing import Final

from bindpost.config.redact import HIDDEN

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

MAX_TEXT: Final = 8192
"""Characters kept of one string: its first and its last half."""
MAX_KEY: Final = 64
MAX_ITEMS: Final = 64
"""Items kept of one collection."""
MAX_DEPTH: Final = 3
"""Levels of collections kept."""

_MARGIN: Final = 1024
# Bounded, so that a hostile text costs time in proportion to its length. A password may hold `@`,
# so everything up to the last `@` of the word is taken; a port is not a password.
_CREDENTIALS: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s:/@?#]{0,255}):(?![0-9]{1,5}[/?#\s])\S{0,512}@"
)
_SECRET_KEY: Final = re.compile("passw(or)?d|secret|token", re.IGNORECASE)
# C0, DEL, C1; marks that turn the direction of writing; line and paragraph separator; surrogates.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain_text(text: str) -> str:
    r"""
    Give a text that can be shown anywhere.

    Passwords in URLs become `***`, control characters and line breaks become escapes such as
    `\x1b`, lone surrogates U+FFFD, and of a text above `MAX_TEXT` characters the middle is cut out.
    """
    if len(text) <= MAX_TEXT and text.isprintable() and "://" not in text:
        return text  # the quick way for nearly every text
    return _UNSAFE.sub(_escape, _cut(text))


def plain_lines(text: str) -> str:
    """Give a text of several lines, a traceback, with its line breaks and otherwise as above."""
    return "\n".join(_UNSAFE.sub(_escape, line) for line in _cut(text).split("\n"))


def plain_fields(fields: Collection[tuple[object, object]], depth: int = 0) -> dict[str, Plain]:
    """Give a mapping's items as plain data; what is named password, secret or token is masked."""
    out: dict[str, Plain] = {}
    for key, value in islice(fields, MAX_ITEMS):
        name = _shown(key)
        masked = value is not None and _SECRET_KEY.search(name)
        out[name[:MAX_KEY]] = HIDDEN if masked else plain(value, depth)
    if len(fields) > MAX_ITEMS:
        out["..."] = f"{len(fields) - MAX_ITEMS} more"
    return out


def plain(value: object, depth: int = 0) -> Plain:
    """
    Give any value as data that JSON can carry; never raises.

    Bytes are read as UTF-8, integers above 64 bits become hexadecimal text, what JSON has no form
    for becomes its `str()`.
    """
    try:
        return _convert(value, depth)
    except Exception:
        # A value's own methods failed; the record must come out all the same.
        return plain_text(f"<{type(value).__name__} that cannot be shown>")


def _convert(value: object, depth: int) -> Plain:
    if isinstance(value, str):  # nearly every value
        return _shown(value)
    match value:
        case None | bool():
            return value
        case int():
            number = int(value)
            return number if -(2**63) <= number < 2**63 else plain_text(hex(number))
        case float():
            return float(value) if math.isfinite(value) else str(float(value))
        case Mapping() if depth < MAX_DEPTH:
            return plain_fields(value.items(), depth + 1)
        case list() | tuple() if depth < MAX_DEPTH:
            return _items(value, depth)
        case Set() if depth < MAX_DEPTH:
            return _items(sorted(value, key=_shown), depth)
        case Mapping() | list() | tuple() | Set():
            return f"<{len(value)} items>"
    return _shown(value)


def _items(values: Collection[object], depth: int) -> list[Plain]:
    out = [plain(value, depth + 1) for value in islice(values, MAX_ITEMS)]
    if len(values) > MAX_ITEMS:
        out.append(f"... {len(values) - MAX_ITEMS} more")
    return out


def _shown(value: object) -> str:
    """Give a single value as a text that can be shown."""
    match value:
        case str():
            return plain_text(str.__str__(value))  # not what a subclass makes of itself
        case bytes() | bytearray() | memoryview():
            return plain_text(bytes(value).decode("utf-8", "backslashreplace"))
        case BaseException():
            return plain_text(f"{type(value).__name__}: {value}")
    return plain_text(str(value))


def _cut(text: str) -> str:
    """Redact a text, and cut its middle out if it is too long."""
    half = MAX_TEXT // 2
    left_out = len(text) - MAX_TEXT
    if left_out <= 0:
        return _redact(text)
    # With a margin, so that a URL which the cut goes through is still seen as one.
    head = _redact(text[: half + _MARGIN])[:half]
    tail = _redact(text[-half - _MARGIN :])[-half:]
    return f"{head} [{left_out} characters cut] {tail}"


def _redact(text: str) -> str:
    return _CREDENTIALS.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
