"""The contract of a message store; every implementation passes the suite in tests/conformance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec

from ..message.headers import HeaderFields as HeaderFields
from ..message.model import Envelope, Message, SessionFacts, Transcript


class MessageRow(msgspec.Struct, frozen=True):
    """
    A kept message without its bytes.

    `cursor` is its place in the order of acceptance: positive, strictly rising, never reused.
    `size` is in bytes.
    """

    cursor: int
    id: str
    received: datetime
    size: int
    read: bool
    envelope: Envelope
    session: SessionFacts
    fields: HeaderFields


class Query(msgspec.Struct, frozen=True):
    """
    Which messages; every condition that is set must hold.

    `recipient` and `sender` are compared as whole envelope addresses, ignoring case; `subject` is
    contained in the subject, ignoring case; `after` is a cursor that the message must lie behind;
    `before` one that it must lie in front of.
    """

    recipient: str | None = None
    sender: str | None = None
    subject: str | None = None
    after: int | None = None
    before: int | None = None
    unread: bool | None = None


EVERYTHING: Final = Query()
"""The query without a condition."""


class Counts(msgspec.Struct, frozen=True):
    """How much is kept. `size` is the sum of the messages' bytes."""

    total: int
    unread: int
    size: int


class Change(msgspec.Struct, frozen=True):
    """
    Something happened to the inbox. `sequence` is strictly rising.

    `row` is set when a message was added, `ids` name the messages otherwise. `read` is what their
    read flags were set to when they were marked.
    """

    sequence: int
    kind: Literal["added", "marked", "deleted"]
    ids: tuple[str, ...]
    row: MessageRow | None = None
    read: bool | None = None


class Retention(msgspec.Struct, frozen=True):
    """What is kept; None = no limit. Oldest messages go first. `max_age` is in seconds."""

    max_messages: int | None = None
    max_age: float | None = None
    max_bytes: int | None = None


KEEP_ALL: Final = Retention()
"""The retention without a limit."""


class MessageStore(Protocol):
    """
    Keeps acknowledged messages.

    Safe to call from one event loop by many tasks at once. Not promised: that `find` sees a message
    whose `add` has not returned yet.
    """

    async def add(self, message: Message, transcript: Transcript) -> MessageRow:
        """
        Keep a message; when this returns, it is durable.

        Raises `StoreFullError` when there is no room and `StoreError` on any other failure; the
        message is then not kept, and the store goes on.
        """
        ...

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace the transcript of a session that has kept messages by its final form."""
        ...

    async def get(self, message_id: str) -> MessageRow | None:
        """Give a message's row, None if it isn't there."""
        ...

    async def raw(self, message_id: str) -> bytes | None:
        """Give a message's bytes as received, None if it isn't there."""
        ...

    async def transcript(self, message_id: str) -> Transcript | None:
        """Give the transcript of the session that brought a message, None if it isn't there."""
        ...

    async def find(
        self,
        query: Query = EVERYTHING,
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> list[MessageRow]:
        """Give matching messages, newest first. `limit` 0 means all."""
        ...

    async def count(self, query: Query | None = None) -> Counts:
        """Count what matches, or all that is kept."""
        ...

    async def mark(self, ids: Sequence[str] | None, *, read: bool) -> int:
        """Set or clear the read flag of these messages (None = all); give how many changed."""
        ...

    async def delete(self, ids: Sequence[str] | None) -> int:
        """Delete these messages (None = all), silently skipping unknown ids; give how many."""
        ...

    async def sweep(self) -> int:
        """Apply the retention rules now; give how many messages were deleted."""
        ...

    def changes(self, since: int | None = None) -> AsyncIterator[Change]:
        """
        Yield every change after `since` (None = from now on), then live ones, without a gap.

        A change is seen once; "now" is the moment of this call, not of the first step. Raises
        `StoreError` when the changes after `since` are no longer remembered, when `since` lies in
        the future (a cursor of another store), and, after delivering what is left, when the store
        is closed.
        """
        ...

    @property
    def sequence(self) -> int:
        """The sequence number of the latest change; 0 in a fresh store."""
        ...

    async def close(self) -> None:
        """Finish what is queued and let go of everything. Further calls raise `StoreError`, but for
        `close` itself."""
        ...
