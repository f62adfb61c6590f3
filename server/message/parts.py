"""Looks at a message's parts one by one: how they hang together, and one of them decoded."""

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


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A part's decoded bytes, and what it calls itself."""

    content_type: str
    file_name: str
    octets: bytes


def tree(raw: bytes) -> list[Branch]:
    """Give all parts, each multipart before its parts; linear in the size, never raises."""
    return [_branch(part) for part in walk(raw)]


def find_leaf(raw: bytes, part_id: str) -> Leaf | None:
    """Give the part of this id, decoded; None if there is none, or if it only holds others."""
    for part in walk(raw):
        if part.id == part_id and not part.is_container:
            return Leaf(
                content_type=part.content_type[0],
                file_name=file_name(part),
                octets=part.decoded(),
            )
    return None


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
