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
    end = _header_end(raw)
    while lines and end < len(raw):
        # By slices: a message may have millions of lines.
        found = raw.count(b"\n", end, end + SLICE)
        if found < lines:
            lines -= found
            end += SLICE
            continue
        for _ in range(lines):
            end = raw.find(b"\n", end) + 1
        lines = 0
    return raw[:end]


def _header_end(raw: bytes) -> int:
    """Give where the header and its blank line end."""
    for blank in (b"\n", b"\r\n"):
        if raw.startswith(blank):
            return len(blank)
    ends = ((raw.find(blank), len(blank)) for blank in (b"\n\n", b"\n\r\n"))
    return min((at + length for at, length in ends if at != -1), default=len(raw))


def _lines(piece: bytes) -> bytes:
    """Give whole lines as they go out: ending in CRLF, a dot before a first dot."""
    text = _BARE_LF.sub(b"\r\n", piece)
    if not text.endswith(b"\n"):
        text += b"\r\n"
    text = text.replace(b"\n.", b"\n..")
    return b"." + text if text.startswith(b".") else text
