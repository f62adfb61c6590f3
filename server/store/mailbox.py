"""MailboxView: one mailbox of a store, as a store by itself that knows nothing of the others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import final

import msgspec

from ..message.digest import Digest
from ..message.model import Message, Transcript
from ..message.tags import read_tags
from ..message.transaction import own_part
from .store import EVERYTHING, NOWHERE, Change, Counts, MessageRow, Place, Query, SharedStore


@final
class MailboxView:
    """
    A `MessageStore` of the messages that are in one mailbox of a store.

    Of another's messages it says what it says of ids that never were. Cursors and sequence numbers
    are the store's, so their gaps tell that something else happened, and nothing of what. Retention
    and closing are the store's too.
    """

    def __init__(self, store: SharedStore, mailbox: str) -> None:
        self._store = store
        self._mailbox = mailbox

    async def add(self, message: Message, transcript: Transcript) -> MessageRow:
        """Keep a message, in this mailbox too, whatever the rules say of it."""
        return self._row(await self._store.add(message, transcript, mailbox=self._mailbox))

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace a session's transcript."""
        await self._store.end_session(session_id, transcript)

    async def get(self, message_id: str) -> MessageRow | None:
        """Give a row."""
        return await self._store.get(message_id, mailbox=self._mailbox)

    async def raw(self, message_id: str) -> bytes | None:
        """Give the bytes."""
        return await self._store.raw(message_id, mailbox=self._mailbox)

    async def transcript(self, message_id: str) -> Transcript | None:
        """Give the transcript, without what the session said about other messages."""
        row = await self.get(message_id)
        said = await self._store.transcript(message_id, mailbox=self._mailbox)
        return None if row is None or said is None else own_part(said, row.envelope)

    async def find(
        self,
        query: Query = EVERYTHING,
        *,
        limit: int = 50,
        offset: int = 0,
        seconds: float | None = None,
    ) -> list[MessageRow]:
        """Give matching rows, newest first."""
        return await self._store.find(
            self._within(query), limit=limit, offset=offset, seconds=seconds
        )

    async def count(self, query: Query | None = None) -> Counts:
        """Count what matches, or all of the mailbox."""
        return await self._store.count(self._within(query or EVERYTHING))

    async def mark(self, ids: Sequence[str] | None, *, read: bool) -> int:
        """Set or clear read flags."""
        return await self._store.mark(ids, read=read, mailbox=self._mailbox)

    async def set_tags(self, ids: Sequence[str], tags: Sequence[str]) -> int:
        """Replace the tags of messages."""
        return await self._store.set_tags(ids, tags, mailbox=self._mailbox)

    async def rename_tag(self, name: str, new: str) -> int:
        """Rename a tag."""
        return await self._store.rename_tag(name, new, mailbox=self._mailbox)

    async def remove_tag(self, name: str) -> int:
        """Remove a tag."""
        return await self._store.remove_tag(name, mailbox=self._mailbox)

    async def tags(self) -> Mapping[str, int]:
        """Give the mailbox's tags."""
        return await self._store.tags(mailbox=self._mailbox)

    async def tag_names(self) -> Sequence[str]:
        """Give the names of the mailbox's tags."""
        return await self._store.tag_names(mailbox=self._mailbox)

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give digests of rows of this mailbox, as far as they are known."""
        return await self._store.digests(rows)

    async def delete(self, ids: Sequence[str] | None) -> int:
        """Take messages out of the mailbox; those that are in no other are deleted."""
        return await self._store.delete(ids, mailbox=self._mailbox)

    async def sweep(self) -> int:
        """Apply the store's retention rules."""
        return await self._store.sweep()

    def changes(self, since: int | None = None) -> AsyncIterator[Change]:
        """Yield the changes of this mailbox."""
        return _Followed(self._store.changes(since), self._seen)

    @property
    def sequence(self) -> int:
        """The number of the store's latest change."""
        return self._store.sequence

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    def _within(self, query: Query) -> Query:
        return msgspec.structs.replace(query, mailbox=self._mailbox)

    def _seen(self, change: Change) -> Change | None:
        """Give a change as it is here; None if it happened to nobody here."""
        ids = change.mailboxes.get(self._mailbox)
        if not ids:
            return None
        return msgspec.structs.replace(
            change,
            ids=ids,
            row=None if change.row is None else self._row(change.row, change.places),
            cause="all" if change.all_of == self._mailbox else change.cause,
            mailboxes={},
            all_of=None,
            places=NOWHERE,
        )

    def _row(self, row: MessageRow, places: Mapping[str, Place] = NOWHERE) -> MessageRow:
        """Give a row of the whole inbox as it is here at first, with the tags that it brought."""
        here = places.get(self._mailbox) or Place(tags=read_tags(row.envelope, row.fields))
        return msgspec.structs.replace(
            row, mailboxes=(self._mailbox,), read=here.read, tags=here.tags
        )


@final
class _Followed:
    """The changes of a store that can be seen in a mailbox; a step may be cancelled."""

    def __init__(
        self, changes: AsyncIterator[Change], see: Callable[[Change], Change | None]
    ) -> None:
        self._changes = changes
        self._see = see

    def __aiter__(self) -> _Followed:
        return self

    async def __anext__(self) -> Change:
        while (change := self._see(await anext(self._changes))) is None:
            pass
        return change
