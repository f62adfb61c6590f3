"""Tells how the parts of a message hang together."""

from __future__ import annotations

import msgspec

from .mime import Part, walk
from .parse import VALUE_LIMIT, content_id, file_name
from .text import decode_field


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """
    A part where it hangs in the tree of MIME parts; `depth` is 0 for the message itself.

    `size` is in bytes as they came, before any transfer encoding is undone.
    """

    id: str
    depth: int
    content_type: str
    charset: str
    encoding: str
    disposition: str
    file_name: str
    content_id: str
    size: int
    is_container: bool


def tree(raw: bytes) -> list[Branch]:
    """Give all parts, each multipart before its parts; linear in the size, never raises."""
    return [_branch(part) for part in walk(raw)]


def _branch(part: Part) -> Branch:
    kind, parameters = part.content_type
    return Branch(
        id=part.id,
        depth=0 if part.id == "0" else part.id.count(".") + 1,
        content_type=kind,
        charset=parameters.get("charset", ""),
        encoding=decode_field(part.first(b"content-transfer-encoding")[:VALUE_LIMIT]).lower(),
        disposition=part.disposition[0],
        file_name=file_name(part),
        content_id=content_id(part),
        size=len(part.body),
        is_container=part.is_container,
    )
