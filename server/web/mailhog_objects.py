"""MailHog's JSON objects (API v1 and v2): a message with its bytes as text, cut into its parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from ..message.mime import Part, walk
from ..message.parse import VALUE_LIMIT
from ..message.text import decode_field
from ..store.store import MessageRow

_TIMES: Final = 3
"""How often the bytes of a message may stand in the bodies of its parts."""


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Keys as Go spells them."""


class Path(_Object, frozen=True):
    """A forward-path or reverse-path, cut at its last `@`."""

    mailbox: str
    domain: str
    relays: None = None
    params: str = ""


class Content(_Object, frozen=True):
    """Header and body of a message or a part, not decoded."""

    headers: dict[str, list[str]]
    body: str
    size: int
    mime: Parts | None = msgspec.field(name="MIME", default=None)


class Parts(_Object, frozen=True):
    """What a multipart is made of."""

    parts: list[Content]


class Raw(_Object, frozen=True):
    """The envelope as it was, and the bytes as text."""

    from_: str = msgspec.field(name="From")
    to: list[str]
    data: str
    helo: str


class Message(_Object, frozen=True):
    """A message."""

    id: str = msgspec.field(name="ID")
    from_: Path = msgspec.field(name="From")
    to: list[Path]
    content: Content
    created: datetime
    mime: Parts | None = msgspec.field(name="MIME")
    raw: Raw


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, newest first."""

    total: int
    count: int
    start: int
    items: Sequence[Message]


def message(row: MessageRow, raw: bytes) -> Message:
    """Make the Message of a message; reads all of its bytes, so not for the event loop."""
    parts = list(walk(raw))
    top = parts[0]
    room = _Room(_TIMES * len(raw))
    content = _content(top, None, room)
    inner = _parts(parts[1:], "", room) if top.is_container else None
    envelope = row.envelope
    recipients = [recipient.address for recipient in envelope.recipients]
    return Message(
        id=row.id,
        from_=_path(envelope.reverse_path),
        to=[_path(address) for address in recipients],
        content=content,
        created=row.received,
        mime=inner,
        raw=Raw(
            from_=envelope.reverse_path,
            to=recipients,
            data=raw.decode("utf-8", "replace"),
            helo=row.session.helo or "",
        ),
    )


def _path(address: str) -> Path:
    mailbox, at, domain = address.rpartition("@")
    return Path(mailbox=mailbox, domain=domain) if at else Path(mailbox=address, domain="")


class _Room:
    """How many bytes of bodies are still given: a part stands in each that it is inside of, too."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, body: memoryview) -> bytes:
        """Give a body if there is room for it, nothing otherwise."""
        if len(body) > self._left:
            return b""
        self._left -= len(body)
        return bytes(body)


def _parts(waiting: Sequence[Part], above: str, room: _Room) -> Parts:
    """Take the parts below one from those that are left, which are in order, parents first."""
    direct = [part for part in waiting if part.id.rpartition(".")[0] == above]
    found = []
    for part in direct:
        below = [other for other in waiting if other.id.startswith(f"{part.id}.")]
        inner = _parts(below, part.id, room) if part.is_container else None
        found.append(_content(part, inner, room))
    return Parts(parts=found)


def _content(part: Part, mime: Parts | None, room: _Room) -> Content:
    headers: dict[str, list[str]] = {}
    for name, value in part.fields:
        shown = decode_field(value[:VALUE_LIMIT])
        headers.setdefault(name[:VALUE_LIMIT].decode("ascii"), []).append(shown)
    body = room.take(part.body).decode("utf-8", "replace")
    return Content(headers=headers, body=body, size=len(part.body), mime=mime)
