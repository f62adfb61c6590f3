"""Builds a message out of what a client of the API wants sent, as bytes (RFC 5322, MIME)."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, SMTPUTF8, EmailPolicy
from email.utils import format_datetime, make_msgid
from typing import Final

import msgspec

OVERWRITTEN: Final = (
    *("To", "From", "Cc", "Bcc", "Reply-To", "Date", "Subject", "Content-Type", "Mime-Version"),
    *("Content-Transfer-Encoding", "Return-Path"),
)
"""Header fields that are made here."""

_ADDRESS: Final = re.compile(r'[^\s<>"(),:;@\\\[\]\x00-\x1f\x7f]+@[^\s<>"(),:;@\\\x00-\x1f\x7f]+')
_FIELD_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_TYPE: Final = re.compile(r"([A-Za-z0-9!#$&^_.+-]+)/([A-Za-z0-9!#$&^_.+-]+)(?:;.*)?", re.DOTALL)
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_LONGEST_ADDRESS: Final = 254


class Mailbox(msgspec.Struct, frozen=True):
    """A name and an address."""

    email: str = ""
    name: str = ""


class Enclosure(msgspec.Struct, frozen=True):
    """An attachment, `content` in base64 or as a `data:` URL; with a Content-ID it is inline."""

    content: str = ""
    filename: str = ""
    contenttype: str = ""
    contentid: str = ""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent; the keys are Mailpit's, in lower case."""

    from_: Mailbox = msgspec.field(name="from", default=Mailbox())
    to: Sequence[Mailbox] | None = None
    cc: Sequence[Mailbox] | None = None
    bcc: Sequence[str] | None = None
    replyto: Sequence[Mailbox] | None = None
    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: Sequence[Enclosure] | None = None
    tags: Sequence[str] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def recipients(self) -> list[str]:
        """The addresses of To, Cc and Bcc, each once."""
        named = [box.email for box in (*(self.to or ()), *(self.cc or ()))]
        return list(dict.fromkeys([*named, *(self.bcc or ())]))


def compose(draft: Draft, now: datetime) -> bytes:
    """
    Build the message, with CRLF line ends.

    Texts come out byte for byte as they went in. Raises `ValueError` with Mailpit's sentences.
    """
    message = EmailMessage(policy=_policy(draft))
    message["Return-Path"] = f"<{_checked(draft.from_.email, 'From')}>"
    message["From"] = _address(draft.from_, "From")
    for name, boxes in (("To", draft.to), ("Cc", draft.cc), ("Reply-To", draft.replyto)):
        if boxes:
            message[name] = [_address(box, name) for box in boxes]
    if draft.bcc:
        message["Bcc"] = [_address(Mailbox(email), "Bcc") for email in draft.bcc]
    _put(message, "Subject", draft.subject)
    message["Date"] = format_datetime(now)
    own: tuple[str, ...] = OVERWRITTEN
    if draft.tags:
        own = (*own, "X-Tags")
        _put(message, "X-Tags", ", ".join(draft.tags))
    for name, value in (draft.headers or {}).items():
        _put_custom(message, name, value, own)
    if "Message-ID" not in message:
        message["Message-ID"] = make_msgid(domain="bindpost.invalid")
    message["MIME-Version"] = "1.0"
    _fill(message, draft)
    return message.as_bytes()


def _policy(draft: Draft) -> EmailPolicy[EmailMessage]:
    """Take UTF-8 into the header only where an address needs it (RFC 6532)."""
    addresses = [draft.from_.email, *draft.recipients, *(box.email for box in draft.replyto or ())]
    return SMTP if all(address.isascii() for address in addresses) else SMTPUTF8


def _checked(email: str, field: str) -> str:
    if not (_ADDRESS.fullmatch(email) and email.isprintable() and len(email) <= _LONGEST_ADDRESS):
        raise ValueError(f"invalid {field} address: {ascii(email)[1:-1][:_LONGEST_ADDRESS]}")
    return email


def _address(box: Mailbox, field: str) -> Address:
    try:
        local, _, domain = _checked(box.email, field).rpartition("@")
        name = "".join(char if char.isprintable() else " " for char in box.name)
        return Address(" ".join(name.split()), local, domain)
    except Exception as error:  # the parser behind it raises more than it documents
        raise ValueError(f"invalid {field} address: {ascii(box.email)[1:-1]}") from error


def _put_custom(message: EmailMessage, name: str, value: str, own: Sequence[str]) -> None:
    if name.lower() in [known.lower() for known in own]:
        raise ValueError(f'cannot overwrite header: "{name}"')
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError(f"invalid header name: {ascii(name)[:100]}")
    _put(message, name, value)


def _put(message: EmailMessage, name: str, value: str) -> None:
    """Add a field; a line break in its value would begin another one."""
    if any(not (char.isprintable() or char == "\t") for char in value):
        raise ValueError(f"invalid value of header: {name}")
    try:
        message[name] = value
    except Exception as error:  # as above
        raise ValueError(f"invalid value of header: {name}") from error


def _fill(part: MIMEPart, draft: Draft) -> None:
    """Put the body into a part: mixed around alternative around related, as far as needed."""
    inline = [each for each in draft.attachments or () if each.contentid]
    attached = [each for each in draft.attachments or () if not each.contentid]
    if attached or (inline and not draft.html):
        part.make_mixed()
        body = _part_in(part)
        for each in attached if draft.html else [*attached, *inline]:
            _enclose(_part_in(part), each)
        part = body
    if not draft.html:
        _write_text(part, draft.text, "plain")
        return
    part.make_alternative()
    _write_text(_part_in(part), draft.text, "plain")
    markup = _part_in(part)
    if inline:
        markup.make_related()
        for each in inline:
            _enclose(_part_in(markup), each)
        related = markup.get_payload()
        assert isinstance(related, list)
        markup = MIMEPart(policy=part.policy)
        related.insert(0, markup)
    _write_text(markup, draft.html, "html")


def _part_in(part: MIMEPart) -> MIMEPart:
    inner: MIMEPart = MIMEPart(policy=part.policy)
    part.attach(inner)
    return inner


def _write_text(part: MIMEPart, text: str, subtype: str) -> None:
    """Write a text in quoted-printable as if it were binary, so that its line ends stay."""
    part["Content-Type"] = f"text/{subtype}; charset=utf-8"
    part["Content-Transfer-Encoding"] = "quoted-printable"
    octets = text.encode("utf-8", "replace")
    part.set_payload(binascii.b2a_qp(octets, quotetabs=False, istext=False).decode("ascii"))


def _enclose(part: MIMEPart, enclosure: Enclosure) -> None:
    name = "".join(char for char in enclosure.filename if char.isprintable())[:255]
    content = _content(enclosure, name)
    main, sub = _content_type(enclosure, name, content)
    part.set_content(
        content,
        maintype=main,
        subtype=sub,
        disposition="inline" if enclosure.contentid else "attachment",
        filename=name or None,
        cid=f"<{_content_id(enclosure)}>" if enclosure.contentid else None,
    )


def _content_id(enclosure: Enclosure) -> str:
    found = re.fullmatch(r"<?([!-;=?-~]{1,200})>?", enclosure.contentid)
    if not found:
        raise ValueError(f"invalid ContentID: {ascii(enclosure.contentid)[:100]}")
    return found[1]


def _content(enclosure: Enclosure, name: str) -> bytes:
    digits = "".join(enclosure.content.rpartition(",")[2].split())
    try:
        return base64.b64decode(digits, validate=True)
    except ValueError as error:
        raise ValueError(f'error decoding base64 attachment "{name}": {error}') from None


def _content_type(enclosure: Enclosure, name: str, content: bytes) -> tuple[str, str]:
    """Give the content type: as it was told, or what bytes and name look like."""
    looks_like = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    guessed = mimetypes.guess_type(name, strict=True)[0]
    kind = enclosure.contenttype or looks_like or guessed or "application/octet-stream"
    found = _TYPE.fullmatch(kind)
    if not found:
        raise ValueError(f"invalid ContentType: {ascii(kind)[:100]}")
    main, sub = found[1].lower(), found[2].lower()
    # A container can't be written as bytes (RFC 2045, 6.4).
    return ("application", "octet-stream") if main in ("multipart", "message") else (main, sub)
