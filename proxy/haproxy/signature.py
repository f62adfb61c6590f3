"""How a PROXY header begins, and how one is told that nobody expects; all that SMTP has of it."""

from __future__ import annotations

import re
from typing import Final, Literal

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
"""What version 2 begins with (2.2)."""

_HINT_V1: Final = re.compile(rb"PROXY (TCP4|TCP6|UNKNOWN)([ \r\n]|\Z)")


def looks_like_header(line: bytes) -> Literal["v1", "v2"] | None:
    """
    Say whether a command line is from a header that nobody expects here; None for any other line.

    Version 2 arrives as several lines: two empty ones, one of a single zero byte, by which it is
    known, and a `QUIT`.
    """
    if _HINT_V1.match(line):
        return "v1"
    start = line.lstrip(b"\r\n")
    is_v2 = start.rstrip(b"\r\n") == b"\0" or start.startswith(SIGNATURE.lstrip(b"\r\n"))
    return "v2" if is_v2 else None
