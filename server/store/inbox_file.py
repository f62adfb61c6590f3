"""
The inbox file: an inbox as a stream of bytes, read in pieces (docs/import-export.md has the form).

A line of JSON says what it is. Then, for each message, comes a line of JSON that tells all that is
known of it, its bytes as they are, and a line feed. So a file that was cut off is known by its end,
files may stand behind each other, and nothing is encoded but what no message's bytes are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple, final

import msgspec
from msgspec import Meta

from bindpost.errors import BindpostError

from ..mailboxes.rules import NAME
from ..message.model import (
    ID_LENGTH,
    Envelope,
    Message,
    SessionFacts,
    Transcript,
    TranscriptLine,
)
from ..message.tags import clean_tags
from .codec import encode
from .store import Copy, Place

VERSION: Final = 1
HEAD: Final = b'{"bindpost":"inbox","version":1}\n'
"""What a file begins with."""
LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a line: a transcript has 8 MiB of text at most, and JSON may write an octet as six."""
SIZE_LIMIT: Final = 2**31 - 1
"""Bytes of a message."""
BATCH: Final = 256
BATCH_BYTES: Final = 8 * 1024 * 1024
"""Messages, and their bytes, that are moved at once; a larger message is moved by itself."""
_BEGINNING: Final = b'{"bindpost":"'
"""Of each line."""
_SESSION: Final = re.compile(r"[!-~]{1,100}")
_YEARS: Final = range(1900, 9000)
"""Those in which a time is one in every zone, and a database's number."""


class InboxFileError(BindpostError):
    """A file is no inbox file, or is damaged; the text says where."""


class CutOffError(InboxFileError):
    """A file ends in the middle of a message."""


class MessageTooLargeError(InboxFileError):
    """A message has more bytes than whoever reads will take."""


class _Head(msgspec.Struct, frozen=True, tag_field="bindpost", tag="inbox"):
    version: int


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="bindpost", tag="message"):
    """What stands in front of a message's bytes."""

    id: Annotated[str, Meta(pattern=f"^[0-9A-Za-z]{{{ID_LENGTH}}}$")]
    received: datetime
    size: Annotated[int, Meta(ge=0, le=SIZE_LIMIT)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    read: bool
    tags: tuple[str, ...]
    mailboxes: dict[Annotated[str, Meta(pattern=f"^{NAME}$")], Place]
    envelope: Envelope
    session: SessionFacts
    transcript: tuple[TranscriptLine, ...] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """See that no store and no page stumbles over what else is told."""
        for name, moment in (("received", self.received), ("started", self.session.started)):
            if moment.tzinfo is None or moment.year not in _YEARS:
                raise ValueError(f"`{name}` is a time without a zone, or out of all bounds")
        if not _SESSION.fullmatch(self.session.session_id):
            raise ValueError("`session_id` is no name of a session")


class Entry(NamedTuple):
    """A message of a file: its line, without the line feed, and what it says."""

    line: bytes
    copy: Copy

    @property
    def data(self) -> bytes:
        """The message as it stands in the file."""
        return _framed(self.line, self.copy.message.raw)

    def without_transcript(self) -> bytes:
        """Give the message as it stands in a file that has the transcript already."""
        told = msgspec.json.decode(self.line, type=dict[str, msgspec.Raw])
        del told["transcript"]
        return _framed(msgspec.json.encode(told), self.copy.message.raw)


def write(copy: Copy) -> bytes:
    """Give a message as it stands in a file."""
    message, whole = copy.message, copy.whole
    line = _Line(
        id=message.id,
        received=message.received.astimezone(UTC),
        size=len(message.raw),
        sha256=hashlib.sha256(message.raw).hexdigest(),
        read=whole.read,
        tags=whole.tags,
        mailboxes=dict(copy.mailboxes),
        envelope=message.envelope,
        session=message.session,
        transcript=msgspec.UNSET if copy.transcript is None else tuple(copy.transcript),
    )
    return _framed(encode(line).encode(), message.raw)


def _framed(line: bytes, raw: bytes) -> bytes:
    return b"%b\n%b\n" % (line, raw)


@final
class Reader:
    """
    Reads a file that it is fed with; `size_limit` is how many bytes a message may have.

    Holds the message that is coming, and no more. `end` is where the last one that was whole ends,
    or the first line. Every method raises `InboxFileError`; after that nothing more can be read.
    """

    def __init__(self, *, size_limit: int = SIZE_LIMIT) -> None:
        self._size_limit = size_limit
        self._buffer = bytearray()
        self._looked = 0
        self._begin = 0
        self._known: tuple[bytes, _Line] | None = None
        self._has_begun = False
        self.end = 0

    def feed(self, data: bytes) -> Iterator[Entry]:
        """Take the next piece of the file; give the messages that are whole with it."""
        self._buffer += data
        while True:
            if self._known is None:
                line = self._take_line()
                if line is None:
                    return
                self._known = self._understand(line)
            else:
                entry = self._take_message(*self._known)
                if entry is None:
                    return
                self._known = None
                yield entry

    def finish(self) -> None:
        """See that the file ends where it may."""
        if self._known is not None:
            raise CutOffError(f"it ends in the middle of message {self._known[1].id}")
        if not (self._has_begun or self._buffer):
            raise CutOffError("it is empty")
        if self._buffer:
            raise CutOffError(f"it ends in the middle of the line at byte {self._begin}")

    def _take_line(self) -> bytes | None:
        some = self._buffer[: len(_BEGINNING)]
        if some != _BEGINNING[: len(some)]:
            raise self._damage("neither a message of an inbox file begins here nor such a file")
        end = self._buffer.find(b"\n", self._looked)
        if end < 0:
            self._looked = len(self._buffer)
            if self._looked > LINE_LIMIT:
                raise self._damage(f"there is a line of more than {LINE_LIMIT} bytes")
            return None
        line = bytes(self._buffer[:end])
        self._drop(end + 1)
        return line

    def _understand(self, line: bytes) -> tuple[bytes, _Line] | None:
        """Read a line; None for one that says that this is an inbox file."""
        at = self._begin - len(line) - 1
        try:
            told = msgspec.json.decode(line, type=_Head | _Line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._damage(str(error), at) from None
        if isinstance(told, _Head):
            if told.version != VERSION:
                raise InboxFileError(
                    f"it is of version {told.version}, and this bindpost reads {VERSION}"
                )
            self._has_begun = True
            self.end = self._begin
            return None
        if not self._has_begun:
            raise self._damage("it begins with a message", at)
        if told.size > self._size_limit:
            raise MessageTooLargeError(
                f"message {told.id} has {told.size} bytes, more than {self._size_limit}"
            )
        return line, told

    def _take_message(self, line: bytes, told: _Line) -> Entry | None:
        if len(self._buffer) <= told.size:
            return None
        raw = bytes(self._buffer[: told.size])
        has_end = self._buffer[told.size] == ord("\n")
        self._drop(told.size + 1)
        if not has_end or hashlib.sha256(raw).hexdigest() != told.sha256:
            raise self._damage(f"the bytes of message {told.id} are not those that were written")
        message = Message(told.id, told.received, told.envelope, told.session, raw)
        copy = Copy(
            message=message,
            transcript=_transcript(told),
            whole=Place(told.read, clean_tags(told.tags)),
            mailboxes=_cleaned(told.mailboxes),
        )
        self.end = self._begin
        return Entry(line, copy)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._begin += count
        self._looked = 0

    def _damage(self, what: str, at: int | None = None) -> InboxFileError:
        return InboxFileError(f"damaged at byte {self._begin if at is None else at}: {what}")


@final
class Batch:
    """Gathers messages until there are as many as are moved at once."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._size = 0

    def put(self, entry: Entry) -> list[Entry]:
        """Take a message; give those before it if they are enough, else none."""
        size = len(entry.line) + len(entry.copy.message.raw)
        is_full = len(self._entries) == BATCH or self._size + size > BATCH_BYTES
        full = self.take() if is_full else []
        self._entries.append(entry)
        self._size += size
        return full

    def take(self) -> list[Entry]:
        """Give those that are left."""
        entries, self._entries, self._size = self._entries, [], 0
        return entries


def _transcript(told: _Line) -> Transcript | None:
    return None if isinstance(told.transcript, msgspec.UnsetType) else told.transcript


def _cleaned(places: Mapping[str, Place]) -> Mapping[str, Place]:
    return {name: Place(place.read, clean_tags(place.tags)) for name, place in places.items()}
