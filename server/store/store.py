"""The contract of a message store; every implementation passes the suite in tests/conformance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec

from ..message.digest import Digest
from ..message.headers import HeaderFields as HeaderFields
from ..message.model import Envelope, Message, SessionFacts, Transcript
from .terms import Term


class MessageRow(msgspec.Struct, frozen=True, gc=False):
    """
    A kept message without its bytes.

    `cursor` is its place in the order of acceptance: positive, strictly rising, never reused.
    `size` is in bytes; `tags` are in order, each once whatever its case. `mailboxes` are those that
    it is in; who looks from one of them is told of that one only, with the read flag and the tags
    that the message has there.
    """

    cursor: int
    id: str
    received: datetime
    size: int
    read: bool
    envelope: Envelope
    session: SessionFacts
    fields: HeaderFields
    tags: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True, gc=False):
    """How a message is kept in one place, the whole inbox or a mailbox: its read flag and tags."""

    read: bool = False
    tags: tuple[str, ...] = ()


NOWHERE: Final[Mapping[str, Place]] = {}
"""No mailbox."""


class Copy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A message as another inbox has it.

    `whole` is how it is kept in the whole inbox, `mailboxes` are those that it is in, and how it is
    kept there. `transcript` takes the place of what is known of its session; None leaves that as it
    is, from a message before.
    """

    message: Message
    transcript: Transcript | None
    whole: Place
    mailboxes: Mapping[str, Place]


class Query(msgspec.Struct, frozen=True):
    """
    Which messages; every condition that is set must hold.

    `recipient` and `sender` are compared as whole envelope addresses, ignoring case; `subject` is
    contained in the subject, ignoring case; `after` is a cursor that the message must lie behind;
    `before` one that it must lie in front of. `terms` are those of a search. `mailbox` is one that
    the message must be in; read flags and tags are then those that it has there.
    """

    recipient: str | None = None
    sender: str | None = None
    subject: str | None = None
    after: int | None = None
    before: int | None = None
    unread: bool | None = None
    terms: tuple[Term, ...] = ()
    mailbox: str | None = None


EVERYTHING: Final = Query()
"""The query without a condition."""


class Counts(msgspec.Struct, frozen=True):
    """How much is kept. `size` is the sum of the messages' bytes."""

    total: int
    unread: int
    size: int


ChangeKind = Literal["added", "marked", "tagged", "deleted"]
ChangeCause = Literal["ids", "all", "retention"]


class Change(msgspec.Struct, frozen=True, gc=False):
    """
    Something happened to the inbox. `sequence` is strictly rising.

    `row` is set when a message was added, `ids` name the messages otherwise. `cause` tells whether
    these messages were meant (`ids`), all that there are (`all`; of a tag, all that have it), or
    whether they went by the retention rules (`retention`). `read` is what the read flags were set
    to when messages were marked.

    All this is about the whole inbox, where what happens in one mailbox may happen to nobody.
    `mailboxes` has the ids of those to whom it happened in each mailbox; `all_of` is the one of
    which all were meant. `places` tell of a message that came from another inbox how it is kept in
    its mailboxes; one that came by itself is unread there, with the tags that it brought. `node` is
    the node at which it happened, None where an inbox has no nodes.
    """

    sequence: int
    kind: ChangeKind
    ids: tuple[str, ...]
    row: MessageRow | None = None
    cause: ChangeCause = "ids"
    read: bool | None = None
    mailboxes: Mapping[str, tuple[str, ...]] = {}
    all_of: str | None = None
    places: Mapping[str, Place] = NOWHERE
    node: str | None = None


class Retention(msgspec.Struct, frozen=True):
    """What is kept; None = no limit. Oldest messages go first. `max_age` is in seconds."""

    max_messages: int | None = None
    max_age: float | None = None
    max_bytes: int | None = None


KEEP_ALL: Final = Retention()
"""The retention without a limit."""


Durability = Literal["full", "normal"]
DURABLE: Final = "full"
"""A commit returns after the fsync; with `normal` the latest may be lost. See docs/settings.md."""


Sort = Callable[[Envelope, SessionFacts], tuple[str, ...]]
"""Gives the mailboxes that a message is in when it is accepted, in order; it may be in none."""


def unsorted(_envelope: Envelope, _session: SessionFacts) -> tuple[str, ...]:
    """Put a message into no mailbox."""
    return ()


class MessageStore(Protocol):
    """
    Keeps acknowledged messages.

    Safe to call from one event loop by many tasks at once. Not promised: that `find` sees a message
    whose `add` has not returned yet.
    """

    async def add(self, message: Message, transcript: Transcript) -> MessageRow:
        """
        Keep a message with the tags that it brings along; when this returns, it is durable.

        `transcript` is all that was said so far: a tuple, or a view of a list, which costs no
        copy. A store that has much to write already may wait before it takes the message. Raises
        `StoreFullError` when there is no room and `StoreError` on any other failure; the message is
        then not kept, and the store goes on.
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
        seconds: float | None = None,
    ) -> list[MessageRow]:
        """
        Give matching messages, newest first. `limit` 0 means all.

        Raises `SearchTimeoutError` when terms about content take too long; `count` does too. With
        `seconds` any query may raise it, after so long.
        """
        ...

    async def count(self, query: Query | None = None) -> Counts:
        """Count what matches, or all that is kept."""
        ...

    async def mark(self, ids: Sequence[str] | None, *, read: bool) -> int:
        """Set or clear the read flag of these messages (None = all); give how many changed."""
        ...

    async def set_tags(self, ids: Sequence[str], tags: Sequence[str]) -> int:
        """
        Give these messages these tags instead of those they have; give how many changed.

        The tags are cleaned (see `message.tags`). One that any message has already keeps its case.
        """
        ...

    async def rename_tag(self, name: str, new: str) -> int:
        """
        Change the name of a tag on every message; give how many have it.

        `name` is compared in any case. A `new` one that there is already takes the tag in.
        """
        ...

    async def remove_tag(self, name: str) -> int:
        """Take a tag, named in any case, off every message; give how many had it."""
        ...

    async def tags(self) -> Mapping[str, int]:
        """Give the tags in use, in order, each with the number of messages that have it."""
        ...

    async def tag_names(self) -> Sequence[str]:
        """Give the tags in use, in order, without counting."""
        ...

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give the digests of messages by their ids, as far as they are at hand: maybe none."""
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


class SharedStore(MessageStore, Protocol):
    """
    A store with mailboxes, of which `mailbox.MailboxView` gives each as a store by itself.

    A message has a read flag and tags in each of its mailboxes, and one more in the whole inbox.
    What is done with `mailbox` set happens to messages that are in it: there, and in the whole
    inbox. What is done without happens everywhere. Nothing done in one mailbox is seen in another.
    Queries have the mailbox in them.
    """

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message; it is in `mailbox` too, whatever the rules say."""
        ...

    async def restore(self, copies: Sequence[Copy]) -> Sequence[str]:
        """
        Keep messages of another inbox as they were there, in this order; all of them, or none.

        The rules are not asked for their mailboxes. Gives the ids of those that are here already,
        with whatever bytes: they are left alone. Raises as `add` does.
        """
        ...

    async def copies(
        self, rows: Sequence[MessageRow], *, told: Container[str] = ()
    ) -> Sequence[Copy]:
        """
        Give messages as `restore` takes them, in the order of these rows of the whole inbox.

        Those that have gone meanwhile are left out. A transcript stands with the first message of
        its session, of those sessions that were not `told` before. All bytes are in memory at once.
        """
        ...

    async def get(self, message_id: str, *, mailbox: str | None = None) -> MessageRow | None:
        """Give a message's row as it is in the mailbox; None if it isn't in it."""
        ...

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give a message's bytes; None if it isn't in the mailbox."""
        ...

    async def transcript(self, message_id: str, *, mailbox: str | None = None) -> Transcript | None:
        """Give the transcript of the whole session; None if the message isn't in the mailbox."""
        ...

    async def mark(
        self, ids: Sequence[str] | None, *, read: bool, mailbox: str | None = None
    ) -> int:
        """Set or clear read flags; give how many changed in the mailbox."""
        ...

    async def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Replace tags; give for how many messages they changed in the mailbox."""
        ...

    async def rename_tag(self, name: str, new: str, *, mailbox: str | None = None) -> int:
        """Rename a tag; give how many messages have it in the mailbox."""
        ...

    async def remove_tag(self, name: str, *, mailbox: str | None = None) -> int:
        """Remove a tag; give how many messages had it in the mailbox."""
        ...

    async def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Give the tags in use in the mailbox."""
        ...

    async def tag_names(self, *, mailbox: str | None = None) -> Sequence[str]:
        """Give the names of the tags in use in the mailbox."""
        ...

    async def delete(self, ids: Sequence[str] | None, *, mailbox: str | None = None) -> int:
        """
        Take these messages out of the mailbox; give how many.

        One that is in no mailbox any more is deleted.
        """
        ...

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give the mailboxes that have messages, by name, in order."""
        ...
