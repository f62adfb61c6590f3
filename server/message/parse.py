"""Parses a message for display: afterwards, away from the event loop, never refusing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from .addresses import COUNT_LIMIT, LIST_LIMIT, Address, parse_addresses
from .mime import FIELD_LIMIT, PART_FIELD_LIMIT, PART_LIMIT, Part, Walker
from .snippet import make_snippet
from .text import decode_charset, decode_field, decode_words

TEXT_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of all text parts together that are shown; the same again for HTML."""
VALUE_LIMIT: Final = 64 * 1024
"""Bytes of a header field that are shown."""
HEADER_LIMIT: Final = 1024 * 1024
"""Bytes of a whole header that are shown."""
_DATE_LIMIT: Final = 200
_ADDRESS_FIELDS: Final = (b"from", b"to", b"cc", b"bcc", b"reply-to")


class HeaderField(msgspec.Struct, frozen=True):
    """A header field: its value unfolded as it came, and decoded for a reader (RFC 2047)."""

    name: str
    raw: str
    text: str


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """
    A part that is no body text: where it is, what it calls itself, what its decoded bytes are.

    `size` is in decoded bytes; the checksums are hexadecimal. `content_id` has no angle brackets.
    """

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    size: int
    md5: str
    sha1: str
    sha256: str


class ParsedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a message shows to a reader; all text is valid Unicode.

    `date` is aware, None when the field is absent or unreadable. `inline` are the parts that the
    body refers to or shows in place. `defects` are sentences on what could not be shown.
    """

    subject: str = ""
    from_: tuple[Address, ...] = msgspec.field(name="from", default=())
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    message_id: str = ""
    date: datetime | None = None
    headers: tuple[HeaderField, ...] = ()
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    inline: tuple[Attachment, ...] = ()
    snippet: str = ""
    defects: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """Give the first field of this name (any case), decoded; empty when it is absent."""
        wanted = name.lower()
        return next((field.text for field in self.headers if field.name.lower() == wanted), "")


def parse(raw: bytes) -> ParsedMessage:
    """
    Parse a message; never raises and never refuses: what is no MIME is shown as text.

    Time and memory are linear in the size: at most `mime.PART_LIMIT` parts, `mime.DEPTH_LIMIT`
    levels, twice `TEXT_LIMIT` bytes of body text. A message of the largest size can take seconds,
    so run it in an executor. Not promised: that what can only be mended by guessing is mended.
    """
    try:
        return _parse(raw)
    except Exception:  # pragma: no cover - a fault of ours must not hide the message
        text = decode_charset(raw[:TEXT_LIMIT], "")
        return ParsedMessage(
            text=text,
            snippet=make_snippet(text, ""),
            defects=("The message could not be parsed; this is its source.",),
        )


def _parse(raw: bytes) -> ParsedMessage:
    walker = Walker(raw)
    parts = list(walker.walk())
    top = parts[0]
    text = _Body()
    markup = _Body()
    attachments: list[Attachment] = []
    inline: list[Attachment] = []
    for part in parts:
        kind = _kind_of(part)
        if kind == "text":
            text.add(part)
        elif kind == "html":
            markup.add(part)
        elif kind:
            (inline if kind == "inline" else attachments).append(_attachment(part))
    shown = text.shown, markup.shown
    lists = {name: parse_addresses(top.first(name)) for name in _ADDRESS_FIELDS}
    return ParsedMessage(
        subject=_value(top, b"subject"),
        from_=lists[b"from"],
        to=lists[b"to"],
        cc=lists[b"cc"],
        bcc=lists[b"bcc"],
        reply_to=lists[b"reply-to"],
        message_id=_value(top, b"message-id").strip("<> "),
        date=_date(top.first(b"date")),
        headers=tuple(_header_fields(top)),
        text=shown[0],
        html=shown[1],
        attachments=tuple(attachments),
        inline=tuple(inline),
        snippet=make_snippet(*shown),
        defects=(*_header_defects(top, lists), *_defects(parts, text, markup, walker)),
    )


class _Body:
    """Gathers the text parts of one kind, up to the limit."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._left = TEXT_LIMIT
        self.is_cut = False

    def add(self, part: Part) -> None:
        """Add a part's text."""
        octets = part.decoded()
        if len(octets) > self._left:
            octets = octets[: self._left]
            self.is_cut = True
        self._left -= len(octets)
        self._pieces.append(decode_charset(octets, part.content_type[1].get("charset", "")))

    @property
    def shown(self) -> str:
        """All of it."""
        return "\n".join(self._pieces)


def _kind_of(part: Part) -> str:
    """Tell what a part is: `text`, `html`, `inline`, `attachment`, or nothing to show."""
    if part.is_container:
        return ""
    kind, _ = part.content_type
    disposition, _ = part.disposition
    if disposition != "attachment" and (part.id == "0" or not file_name(part)):
        if kind == "text/html":
            return "html"
        # A multipart that can't be cut is shown as it is.
        if kind.startswith("multipart/") or kind == "text/plain":
            return "text"
    if disposition == "inline" or (not disposition and part.first(b"content-id")):
        return "inline"
    return "attachment"


def _attachment(part: Part) -> Attachment:
    octets = part.decoded()
    return Attachment(
        part_id=part.id,
        file_name=file_name(part),
        content_type=part.content_type[0],
        content_id=content_id(part),
        size=len(octets),
        md5=hashlib.md5(octets, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(octets, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(octets).hexdigest(),
    )


def file_name(part: Part) -> str:
    """Give the file name that a part suggests, a bare name: what looks like a folder is cut off."""
    name = part.disposition[1].get("filename", "") or part.content_type[1].get("name", "")
    return name.replace("\\", "/").rpartition("/")[2]


def content_id(part: Part) -> str:
    """Give a part's Content-ID without its angle brackets, empty if it has none."""
    return _value(part, b"content-id").strip("<> ")


def _value(part: Part, name: bytes) -> str:
    return decode_words(decode_field(part.first(name)[:VALUE_LIMIT]))


def _header_fields(top: Part) -> Iterator[HeaderField]:
    """Give the fields of the header, up to the limit."""
    left = HEADER_LIMIT
    for name, value in top.fields:
        raw = decode_field(value[:VALUE_LIMIT])
        left -= len(name) + len(raw)
        if left < 0:
            return
        yield HeaderField(name[:VALUE_LIMIT].decode("ascii"), raw, decode_words(raw))


def _date(value: bytes) -> datetime | None:
    try:
        date = parsedate_to_datetime(decode_field(value[:_DATE_LIMIT]))
        date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _header_defects(top: Part, lists: Mapping[bytes, tuple[Address, ...]]) -> Iterator[str]:
    if top.is_cut:
        yield f"There are more than {FIELD_LIMIT} header fields; the rest is not shown."
    if any(max(len(name), len(value)) > VALUE_LIMIT for name, value in top.fields):
        yield f"A header field is longer than {VALUE_LIMIT} bytes; the rest is not shown."
    if sum(len(name) + len(value) for name, value in top.fields) > HEADER_LIMIT:
        yield f"The header is longer than {HEADER_LIMIT} bytes; the rest is not shown."
    for name, found in lists.items():
        if len(found) == COUNT_LIMIT or len(top.first(name)) > LIST_LIMIT:
            field = name.decode().title()
            yield f"The field {field} has more addresses than the {COUNT_LIMIT} that are shown."


def _defects(parts: list[Part], text: _Body, markup: _Body, walker: Walker) -> list[str]:
    defects = []
    if walker.has_given_up:
        defects.append("Too many lines look like a delimiter; parts may not be told apart.")
    if len(parts) == PART_LIMIT:
        defects.append(f"There are {PART_LIMIT} parts or more; the rest is not shown.")
    if any(part.is_cut for part in parts[1:]):
        defects.append(
            f"A part has more than {PART_FIELD_LIMIT} header fields; the rest is unread."
        )
    if text.is_cut or markup.is_cut:
        defects.append(f"The text is longer than {TEXT_LIMIT} bytes; the rest is not shown.")
    if any(
        part.content_type[0].startswith("multipart/") and not part.is_container for part in parts
    ):
        defects.append("A multipart has no parts that can be told apart; it is shown as text.")
    return defects
