"""Cuts what an event log file has no room for, the same way in `.evt` and in `.evtx`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

MAX_STRING: Final = 31_839
"""Characters of a string, in UTF-16 units (ReportEvent)."""
MAX_STRINGS: Final = 256
MAX_DATA: Final = 61_440
"""Bytes of data (ReportEvent, Vista and later; NT allowed more)."""
MAX_NAME: Final = 255
"""Characters of a source or computer name; a source is the name of a registry key."""
MARK: Final = " [cut]"
"""What a text ends with when the rest of it did not fit."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NO_XML: Final = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def fit_name(text: str) -> str:
    """Give a source's or a computer's name as a file can hold it."""
    return _cut(storable(text), MAX_NAME)


def fit_content(strings: Iterable[str], data: bytes, *, room: int) -> tuple[tuple[str, ...], bytes]:
    """
    Give insertion strings, each with its NUL, and data as `room` bytes can hold them.

    NUL becomes U+2400, half a surrogate pair U+FFFD. A text that is too long is cut and ends with
    `MARK`; data that are too long are cut. Where strings and data together are too much, the
    longest are cut, to one length. `room` must be enough for the NULs of `MAX_STRINGS`.
    """
    strings = tuple(strings)
    if len(strings) > MAX_STRINGS:
        strings = (*strings[: MAX_STRINGS - 1], MARK.strip())
    strings = tuple(_cut(storable(string), MAX_STRING) for string in strings)
    data = data[:MAX_DATA]

    sizes = [2 * _units(string) for string in strings]
    share = _share([*sizes, len(data)], room - 2 * len(strings))
    return tuple(_cut(string, share // 2) for string in strings), data[:share]


def storable(text: str) -> str:
    """Replace what would end the string early, and what UTF-16 can't say."""
    return _UNSTORABLE.sub(lambda match: "\u2400" if match[0] == "\0" else "\ufffd", text)


def xml_storable(text: str) -> str:
    """Replace what XML 1.0 has no character for, too: by U+FFFD (Char, production 2)."""
    return _NO_XML.sub("\ufffd", storable(text))


def terminated(texts: Sequence[str]) -> bytes:
    """Give texts in UTF-16, each with its NUL."""
    return "".join(f"{text}\0" for text in texts).encode("utf-16-le")


def _share(sizes: Sequence[int], room: int) -> int:
    """Give the greatest size to which all that is longer must be cut for the sum to fit."""
    for index, size in enumerate(sorted(sizes)):
        share = room // (len(sizes) - index)
        if size > share:
            return max(share, 0)
        room -= size
    return max(sizes, default=0)


def _cut(text: str, units: int) -> str:
    if len(text) <= units and _units(text) <= units:
        return text
    kept = text[:units].encode("utf-16-le")[: 2 * max(units - len(MARK), 0)]
    return (kept.decode("utf-16-le", "ignore") + MARK)[:units]  # half a pair is left out


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
