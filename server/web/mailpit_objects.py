"""Mailpit's JSON objects, exactly: its keys, its types, nothing added (REST API v1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import field

from ..message import addresses, parse
from ..message.digest import Digest
from ..store.store import MessageRow

_LINK: Final = re.compile(r"<\s*+((?:https?://|mailto:)[^<>\s]++)\s*+>", re.IGNORECASE)


class _Object(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Keys as Go spells them."""


class Addr(_Object, frozen=True):
    """A mailbox."""

    name: str
    address: str


class Summary(_Object, frozen=True):
    """A row of a list."""

    id: str = field(name="ID")
    message_id: str = field(name="MessageID")
    read: bool
    from_: Addr | None = field(name="From")
    to: list[Addr]
    cc: list[Addr]
    bcc: list[Addr]
    reply_to: list[Addr]
    subject: str
    created: datetime
    username: str
    tags: list[str]
    size: int
    attachments: int
    snippet: str


class ListUnsubscribe(_Object, frozen=True):
    """What List-Unsubscribe says (RFC 2369, RFC 8058)."""

    header: str
    links: list[str]
    errors: str
    header_post: str


class Attachment(_Object, frozen=True):
    """A part with a file name or a Content-ID."""

    part_id: str = field(name="PartID")
    file_name: str
    content_type: str
    content_id: str = field(name="ContentID")
    size: int
    checksums: Checksums


class Checksums(msgspec.Struct, frozen=True, rename="upper"):
    """Of the decoded bytes, hexadecimal."""

    md5: str
    sha1: str
    sha256: str


class Message(_Object, frozen=True):
    """A whole message; it has no `Read`."""

    id: str = field(name="ID")
    message_id: str = field(name="MessageID")
    from_: Addr | None = field(name="From")
    to: list[Addr]
    cc: list[Addr]
    bcc: list[Addr]
    reply_to: list[Addr]
    return_path: str
    subject: str
    list_unsubscribe: ListUnsubscribe
    date: datetime
    tags: list[str]
    username: str
    text: str
    html: str = field(name="HTML")
    size: int
    inline: list[Attachment]
    attachments: list[Attachment]


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the inbox; `total` and `unread` are of the whole inbox."""

    total: int
    unread: int
    count: int
    messages_count: int
    messages_unread: int
    start: int
    tags: list[str]
    messages: list[Summary]


class RuntimeStats(_Object, frozen=True):
    """What happened since the start; `memory` is resident, in bytes."""

    uptime: int
    memory: int
    messages_deleted: int
    smtp_accepted: int = field(name="SMTPAccepted")
    smtp_accepted_size: int = field(name="SMTPAcceptedSize")
    smtp_rejected: int = field(name="SMTPRejected")
    smtp_ignored: int = field(name="SMTPIgnored", default=0)


class Info(_Object, frozen=True):
    """The server, and how much it keeps."""

    version: str
    latest_version: str
    database: str
    database_size: int
    messages: int
    unread: int
    tags: Mapping[str, int]
    runtime_stats: RuntimeStats


class MessageRelay(_Object, frozen=True):
    """Where released messages go."""

    enabled: bool = False
    smtp_server: str = field(name="SMTPServer", default="")
    return_path: str = ""
    allowed_recipients: str = ""
    blocked_recipients: str = ""
    override_from: str = ""
    preserve_message_ids: bool = field(name="PreserveMessageIDs", default=False)
    recipient_allowlist: str = ""


class WebUI(_Object, frozen=True):
    """What Mailpit's own pages want to know."""

    label: str
    message_relay: MessageRelay
    spam_assassin: bool = False
    chaos_enabled: bool = False
    duplicates_ignored: bool = False
    hide_delete_all_button: bool = False


def summary(row: MessageRow, digest: Digest) -> Summary:
    """Make the Summary of a message."""
    return Summary(
        id=row.id,
        message_id=row.fields.message_id.strip("<> "),
        read=row.read,
        from_=_first(digest.from_),
        to=_addrs(digest.to),
        cc=_addrs(digest.cc),
        bcc=_blind(row, digest.to + digest.cc),
        reply_to=_addrs(digest.reply_to),
        subject=row.fields.subject,
        created=row.received,
        username=row.session.login or "",
        tags=list(row.tags),
        size=row.size,
        attachments=digest.attachments,
        snippet=digest.snippet,
    )


def message(row: MessageRow, parsed: parse.ParsedMessage) -> Message:
    """Make the Message of a message."""
    return Message(
        id=row.id,
        message_id=parsed.message_id,
        from_=_first(parsed.from_),
        to=_addrs(parsed.to),
        cc=_addrs(parsed.cc),
        bcc=_blind(row, parsed.to + parsed.cc),
        reply_to=_addrs(parsed.reply_to),
        return_path=row.envelope.reverse_path,
        subject=parsed.subject,
        list_unsubscribe=_list_unsubscribe(parsed),
        date=parsed.date or row.received,
        tags=list(row.tags),
        username=row.session.login or "",
        text=parsed.text,
        html=parsed.html,
        size=row.size,
        inline=_attachments(parsed.inline),
        attachments=_attachments(parsed.attachments),
    )


def _addrs(mailboxes: tuple[addresses.Address, ...]) -> list[Addr]:
    return [Addr(name=mailbox.name, address=mailbox.address) for mailbox in mailboxes]


def _first(mailboxes: tuple[addresses.Address, ...]) -> Addr | None:
    return _addrs(mailboxes[:1])[0] if mailboxes else None


def _blind(row: MessageRow, named: tuple[addresses.Address, ...]) -> list[Addr]:
    """Give the recipients of the envelope that To and Cc don't name."""
    seen = {mailbox.address.casefold() for mailbox in named}
    blind = []
    for recipient in row.envelope.recipients:
        if recipient.address.casefold() not in seen:
            seen.add(recipient.address.casefold())
            blind.append(Addr(name="", address=recipient.address))
    return blind


def _attachments(parts: tuple[parse.Attachment, ...]) -> list[Attachment]:
    return [
        Attachment(
            part_id=part.part_id,
            file_name=part.file_name or part.content_id,
            content_type=part.content_type,
            content_id=part.content_id,
            size=part.size,
            checksums=Checksums(part.md5, part.sha1, part.sha256),
        )
        for part in parts
        if part.file_name or part.content_id
    ]


def _list_unsubscribe(parsed: parse.ParsedMessage) -> ListUnsubscribe:
    header = parsed.header("List-Unsubscribe")
    links = _LINK.findall(header)
    problem = f'"{header}" no valid unsubscribe links found' if header and not links else ""
    return ListUnsubscribe(
        header=header,
        links=links,
        errors=problem,
        header_post=parsed.header("List-Unsubscribe-Post"),
    )
