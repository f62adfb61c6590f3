"""What may be bounded of a message's make-up: its header, and the parts that it unfolds into."""

from __future__ import annotations

import asyncio

from bindpost.config.model import Limits

from ..message.mime import walk

_BLANK = b"\r\n\r\n"


def bounds_content(limits: Limits) -> bool:
    """Tell whether any of it is bounded; by default none is, as a message is kept as it came."""
    return bool(limits.header_size or limits.mime_parts or limits.mime_depth)


async def excess_of(raw: bytes, limits: Limits) -> str:
    """Say which limit a message is above, empty for none; parts are told apart in a thread."""
    if 0 < limits.header_size < _header_size(raw):
        return f"the header has more than {limits.header_size} bytes"
    if limits.mime_parts or limits.mime_depth:
        return await asyncio.to_thread(_excess_of_parts, raw, limits)
    return ""


def _header_size(raw: bytes) -> int:
    """Give the bytes of the header with the CRLF of its last field; all are, without a body."""
    if raw.startswith(b"\r\n"):
        return 0
    end = raw.find(_BLANK)
    return len(raw) if end < 0 else end + 2


def _excess_of_parts(raw: bytes, limits: Limits) -> str:
    for parts, part in enumerate(walk(raw)):  # the first of them is the message itself
        if 0 < limits.mime_parts < parts:
            return f"there are more than {limits.mime_parts} parts"
        if parts and 0 < limits.mime_depth < part.id.count(".") + 1:
            return f"parts are nested more than {limits.mime_depth} levels deep"
    return ""
