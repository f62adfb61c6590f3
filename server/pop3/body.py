"""
Body: a message as a multi-line response (RFC 1939, section 3).

POP3 has lines that end in CRLF, and clients read lines by their LF. So a bare LF of a message goes
out as CRLF: sent as it is, the three octets LF . LF would be the end of the response to some
clients, and what follows a response that the message's sender wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

SLICE: Final = 64 * 1024
"""Octets that are sent at a time, more where a line is longer."""
END: Final = b".\r\n"

_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_HEADER_END: Final = re.compile(rb"(?:\A|\n)\r?\n")


def slices(raw: bytes, size: int = SLICE) -> Iterator[bytes]:
    """Give what goes out for a message, with its last line; all slices end in CRLF."""
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start + size - 1) + 1 or len(raw)
        yield _lines(raw[start:end])
        start = end
    yield END


def top(raw: bytes, lines: int) -> bytes:
    """Give the header, the blank line and the first lines of the body (RFC 1939, TOP)."""
    header = _HEADER_END.search(raw)
    if header is None:
        return raw
    end = header.end()
    for _ in range(lines):
        end = raw.find(b"\n", end) + 1
        if not end:
            return raw
    return raw[:end]


def _lines(piece: bytes) -> bytes:
    """Give whole lines as they go out: ending in CRLF, a dot before a first dot."""
    text = _BARE_LF.sub(b"\r\n", piece)
    if not text.endswith(b"\n"):
        text += b"\r\n"
    text = text.replace(b"\n.", b"\n..")
    return b"." + text if text.startswith(b".") else text
