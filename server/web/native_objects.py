"""The JSON objects of bindpost's own API: a message's envelope, session, transcript, content."""

from __future__ import annotations

import msgspec

from ..message.found import Found
from ..message.model import Envelope, SessionFacts, Transcript
from ..message.parse import ParsedMessage
from ..store.store import MessageRow
from .responses import Moment


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The header fields of a list row, decoded."""

    subject: str
    from_: str = msgspec.field(name="from")
    to: str
    cc: str
    message_id: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A message without its content."""

    cursor: int
    id: str
    received: Moment
    size: int
    read: bool
    envelope: Envelope
    session: SessionFacts
    fields: Fields
    mailboxes: tuple[str, ...]


class TranscriptLine(msgspec.Struct, frozen=True):
    """A line of the session, with names to its values."""

    milliseconds: int
    speaker: str
    text: str


class Message(Row, frozen=True, kw_only=True):
    """
    A message with its content, and the session that brought it.

    `raw` are the bytes as received, for who asks for them.
    """

    content: ParsedMessage
    links: tuple[str, ...]
    codes: tuple[str, ...]
    transcript: list[TranscriptLine]
    raw: bytes | msgspec.UnsetType = msgspec.UNSET


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, newest first; `next` is what `before` must be for those behind them."""

    messages: list[Row]
    next: int | None


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages were deleted, and which ids named none."""

    deleted: int
    unknown: list[str]


def row(kept: MessageRow) -> Row:
    """Make the Row of a message."""
    return Row(
        cursor=kept.cursor,
        id=kept.id,
        received=kept.received,
        size=kept.size,
        read=kept.read,
        envelope=kept.envelope,
        session=kept.session,
        fields=Fields(
            subject=kept.fields.subject,
            from_=kept.fields.from_,
            to=kept.fields.to,
            cc=kept.fields.cc,
            message_id=kept.fields.message_id,
        ),
        mailboxes=kept.mailboxes,
    )


def message(
    kept: MessageRow,
    content: ParsedMessage,
    found: Found,
    transcript: Transcript,
    raw: bytes | msgspec.UnsetType = msgspec.UNSET,
) -> Message:
    """Make the Message of a message."""
    return Message(
        **msgspec.structs.asdict(row(kept)),
        content=content,
        links=found.links,
        codes=found.codes,
        raw=raw,
        transcript=[
            TranscriptLine(line.milliseconds, line.speaker, line.text) for line in transcript
        ],
    )
