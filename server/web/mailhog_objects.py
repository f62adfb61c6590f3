"""MailHog's JSON objects (API v1 and v2): a message with its bytes as text, cut into its parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from ..message.mime import Part, walk
from ..message.text import decode_field
from ..store.store import MessageRow


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
    inner = _parts(iter(parts[1:]), "") if top.is_container else None
    envelope = row.envelope
    recipients = [recipient.address for recipient in envelope.recipients]
    return Message(
        id=row.id,
        from_=_path(envelope.reverse_path),
        to=[_path(address) for address in recipients],
        content=_content(top, None),
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


def _parts(left: Iterator[Part], above: str) -> Parts:
    """Take the parts below one from those that are left, which are in order, parents first."""
    waiting = list(left)
    direct = [part for part in waiting if part.id.rpartition(".")[0] == above]
    found = []
    for part in direct:
        below = [other for other in waiting if other.id.startswith(f"{part.id}.")]
        found.append(_content(part, _parts(iter(below), part.id) if part.is_container else None))
    return Parts(parts=found)


def _content(part: Part, mime: Parts | None) -> Content:
    headers: dict[str, list[str]] = {}
    for name, value in part.fields:
        headers.setdefault(name.decode("ascii"), []).append(decode_field(value))
    body = bytes(part.body)
    return Content(headers=headers, body=body.decode("utf-8", "replace"), size=len(body), mime=mime)
