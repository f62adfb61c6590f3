"""What stores on a database have in common: the queue of their writes, retention, and the feed."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from bindpost.errors import StoreError

from ..message.model import Message, Transcript, utc_now
from ..message.tags import clean_tag, clean_tags
from . import rules
from .content import ContentSearch
from .counted import Count, Counted
from .feed import ChangeFeed, Recall
from .sql_inbox import SLICE, SqlInbox
from .store import Change, Copy, Counts, MessageRow, Retention
from .writer import Writer


class WrittenStore(ABC):
    """
    The write half of a `SharedStore` whose inbox one writer thread writes to (see `writer`).

    `add` returns when its transaction is durable; transactions are shared by all that wait. When
    much waits already, `add` does not queue its message before there is room (see `backlog`).
    Retention is applied soon after an `add`, by the same queue. Deleting and marking many goes in
    slices, each a change of its own, so other work gets in between. Belongs to the event loop that
    it was made on.
    """

    def __init__(
        self,
        inbox: SqlInbox,
        *,
        sequence: int,
        retention: Retention,
        remembered: int,
        recall: Recall,
        content: ContentSearch,
        count: Count,
        quiet: float,
    ) -> None:
        self._retention = retention
        self._counts = inbox.counts
        self._feed = ChangeFeed(sequence=sequence, remembered=remembered, recall=recall)
        self._content = content
        self._counted = Counted(count, content)
        self._writer = Writer(inbox, quiet=quiet, committed=self._committed)
        self._sweeping: asyncio.Task[None] | None = None
        self._due = rules.Due(retention)
        self._closing: asyncio.Task[None] | None = None
        self._sweep_if_due()

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message; see `SharedStore`. If it is cancelled, the message may yet be kept."""
        self._check_open()
        return await self._writer.do(_add, message, transcript, mailbox, size=len(message.raw))

    async def restore(self, copies: Sequence[Copy]) -> Sequence[str]:
        """Keep messages of another inbox; see `SharedStore`."""
        self._check_open()
        size = sum(len(copy.message.raw) for copy in copies)
        return await self._writer.do(lambda inbox: inbox.restore(copies), size=size)

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace a session's transcript; see `MessageStore`."""
        self._check_open()
        await self._writer.do(lambda inbox: inbox.end_session(session_id, transcript))

    async def mark(
        self, ids: Sequence[str] | None, *, read: bool, mailbox: str | None = None
    ) -> int:
        """Set or clear read flags; see `SharedStore`."""
        self._check_open()
        if ids is not None:
            return await self._in_slices(
                ids, lambda inbox, some: inbox.mark(some, read=read, mailbox=mailbox)
            )
        changed, last, upto = 0, 0, await self._latest()
        while last < upto:
            some, last = await self._writer.do(
                lambda inbox, after: inbox.mark_slice(after, upto, read=read, mailbox=mailbox), last
            )
            changed += some
        return changed

    async def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Replace the tags of messages; see `SharedStore`."""
        self._check_open()
        wanted = clean_tags(tags)
        return await self._in_slices(
            ids, lambda inbox, some: inbox.set_tags(some, wanted, mailbox=mailbox)
        )

    async def rename_tag(self, name: str, new: str, *, mailbox: str | None = None) -> int:
        """Rename a tag; see `SharedStore`."""
        self._check_open()
        clean = clean_tag(new)
        return await self._writer.do(lambda inbox: inbox.rename_tag(name, clean, mailbox=mailbox))

    async def remove_tag(self, name: str, *, mailbox: str | None = None) -> int:
        """Remove a tag; see `SharedStore`."""
        self._check_open()
        return await self._writer.do(lambda inbox: inbox.rename_tag(name, None, mailbox=mailbox))

    async def delete(self, ids: Sequence[str] | None, *, mailbox: str | None = None) -> int:
        """Delete, or take out of a mailbox; see `SharedStore`."""
        self._check_open()
        if ids is not None:
            return await self._in_slices(
                ids, lambda inbox, some: inbox.delete(some, mailbox=mailbox)
            )
        upto = await self._latest()  # what is added while this runs stays
        return await self._until_none(lambda inbox: inbox.delete_slice(upto, mailbox=mailbox))

    async def sweep(self) -> int:
        """Apply retention; see `MessageStore`."""
        self._check_open()
        return await self._until_none(lambda inbox: inbox.expire_slice(self._retention, utc_now()))

    def changes(self, since: int | None = None) -> AsyncIterator[Change]:
        """Yield changes; see `MessageStore` and `ChangeFeed.follow`."""
        self._check_open()
        return self._feed.follow(since)

    @property
    def sequence(self) -> int:
        """The number of the latest change; it goes on after a restart."""
        return self._feed.sequence

    async def close(self) -> None:
        """Finish what is queued and let go of everything; closing again is harmless."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._counted.close()
        await self._close_readers()
        await self._writer.close()
        self._feed.close()
        if self._sweeping is not None:
            await self._sweeping

    @abstractmethod
    async def _close_readers(self) -> None:
        """Let go of what reads, and of what listens."""

    async def _latest(self) -> int:
        """Give the number of the latest change, whoever made it."""
        return self.sequence

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreError("the message store is closed")

    async def _in_slices(
        self, ids: Sequence[str], work: Callable[[SqlInbox, Sequence[str]], int]
    ) -> int:
        known = [name for name in dict.fromkeys(ids) if rules.is_unicode(name)]
        slices = [known[start : start + SLICE] for start in range(0, len(known), SLICE)]
        return sum([await self._writer.do(work, some) for some in slices])

    async def _until_none(self, work: Callable[[SqlInbox], int]) -> int:
        total = 0
        while some := await self._writer.do(work):
            total += some
        return total

    def _committed(self, changes: Sequence[Change], counts: Counts) -> None:
        self._counts = counts
        self._hear(changes)
        self._sweep_if_due()

    def _hear(self, changes: Sequence[Change]) -> None:
        """Take note of changes, the next ones in sequence, and hand them on."""
        self._counted.hear(changes)
        self._feed.publish(changes)

    def _sweep_if_due(self) -> None:
        if self._sweeping is None and self._closing is None and self._due.is_due(self._counts):
            self._sweeping = asyncio.create_task(self._sweep_until_kept())

    async def _sweep_until_kept(self) -> None:
        """Apply retention; again when messages came while its last transaction ran."""
        with suppress(StoreError):  # told to those who add; tried again with the next message
            await self.sweep()
            while self._due.is_due(self._counts):
                await self.sweep()
        self._sweeping = None


def _add(
    inbox: SqlInbox, message: Message, transcript: Transcript, mailbox: str | None
) -> MessageRow:
    return inbox.add(message, transcript, mailbox=mailbox)
