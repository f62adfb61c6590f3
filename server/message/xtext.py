"""xtext: printable ASCII inside a parameter's value, where `+3D` stands for `=` (RFC 3461, 4)."""

from __future__ import annotations

import re
from typing import Final

_XTEXT: Final = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")
_ENCODED: Final = re.compile(r"\+([0-9A-F]{2})")


def decoded(text: str) -> str | None:
    """
    Give what an xtext stands for; None if it is none, or stands for what is not printable ASCII.

    So nothing that is decoded can break a line of a delivery status notification.
    """
    if not _XTEXT.fullmatch(text):
        return None
    plain = _ENCODED.sub(lambda code: chr(int(code[1], 16)), text)
    return plain if plain.isascii() and plain.isprintable() else None
