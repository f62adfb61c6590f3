"""What the tables of awkward mail are written with: a row, and pieces of MIME."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Make = Callable[[int], bytes]
"""Makes a message of about so many bytes."""


@dataclass(frozen=True, kw_only=True)
class Awkward:
    """
    A message that has broken mail programs, why, and what a reader must be shown of it.

    `text`, `html` and `note` must be found in what is shown; `files` are the names of all that is
    attached. None stands for: whatever, if only the message is there.
    """

    name: str
    why: str
    make: Make
    subject: str | None = None
    sender: str | None = None
    text: str | None = None
    html: str | None = None
    files: tuple[str, ...] | None = None
    note: str | None = None


def whole(raw: bytes) -> Make:
    """Give what makes always the same message, which ends as one does that came by SMTP."""
    return lambda size: raw if raw.endswith(b"\r\n") or not raw else raw + b"\r\n"


def grown(before: bytes, piece: bytes | Callable[[int], bytes], after: bytes = b"\r\n") -> Make:
    """Give what repeats a piece, or pieces made by their number, until the message is as large."""

    def make(size: int) -> bytes:
        if isinstance(piece, bytes):
            return before + piece * max(1, size // len(piece)) + after
        pieces: list[bytes] = []
        left = size
        while left > 0:
            pieces.append(piece(len(pieces)))
            left -= len(pieces[-1])
        return before + b"".join(pieces) + after

    return make


def entity(kind: str, body: bytes = b"words", **fields: str) -> bytes:
    """Give a message, or a part of one, of this content type."""
    lines = [f"Content-Type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def multipart(*parts: bytes, boundary: str = "b", kind: str = "mixed", end: bool = True) -> bytes:
    """Give a multipart of these parts; without its `end` nothing closes it."""
    delimiter = b"\r\n--" + boundary.encode()
    body = b"".join(delimiter + b"\r\n" + part for part in parts)
    return entity(f'multipart/{kind}; boundary="{boundary}"', body + (delimiter + b"--") * end)


def attached(parameter: str, body: bytes = b"words", kind: str = "application/x-thing") -> bytes:
    """Give a message with a text and one attachment of this `filename` parameter."""
    file = entity(kind, body, Content_Disposition=f"attachment; {parameter}")
    return b"Subject: a file\r\n" + multipart(entity("text/plain", b"see the file"), file)
