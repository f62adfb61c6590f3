"""The message store that lives in memory and ends with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, final

import msgspec

from bindpost.errors import StoreError

from ..message.headers import read_fields
from ..message.model import Message, Transcript, utc_now
from . import rules
from .feed import REMEMBERED, ChangeFeed
from .store import EVERYTHING, KEEP_ALL, Change, Counts, MessageRow, Query, Retention


@dataclass(slots=True)
class _Kept:
    """A message, and the case-folded texts that queries compare."""

    row: MessageRow
    raw: bytes
    sender: str
    recipients: frozenset[str]
    subject: str


@final
class MemoryStore:
    """
    A `MessageStore` in memory; "durable" means as long as the process.

    Retention is applied by every `add`, so the limits hold whenever one returns. `remembered` is
    how many changes `changes(since)` can go back. Queries look at every message: made for tests.
    """

    def __init__(self, retention: Retention = KEEP_ALL, *, remembered: int = REMEMBERED) -> None:
        self._retention = retention
        self._feed = ChangeFeed(remembered=remembered)
        self._kept: dict[str, _Kept] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._messages_of: dict[str, int] = {}
        self._counts = Counts(total=0, unread=0, size=0)
        self._closed = False

    async def add(self, message: Message, transcript: Transcript) -> MessageRow:
        """Keep a message; see `MessageStore`."""
        self._check_open()
        if message.id in self._kept:
            raise StoreError(f"message {message.id}: not kept: there is one of this id")
        row = MessageRow(
            cursor=self._feed.sequence + 1,
            id=message.id,
            received=message.received,
            size=len(message.raw),
            read=False,
            envelope=message.envelope,
            session=message.session,
            fields=read_fields(message.raw),
        )
        self._kept[row.id] = _Kept(
            row=row,
            raw=message.raw,
            sender=rules.fold(row.envelope.reverse_path),
            recipients=frozenset(rules.fold(to.address) for to in row.envelope.recipients),
            subject=rules.fold(row.fields.subject),
        )
        session = row.session.session_id
        self._transcripts[session] = transcript
        self._messages_of[session] = self._messages_of.get(session, 0) + 1
        self._count(total=1, unread=1, size=row.size)
        self._announce("added", (row.id,), row)
        self._expire()
        return row

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace a session's transcript; see `MessageStore`."""
        self._check_open()
        if session_id in self._transcripts:
            self._transcripts[session_id] = transcript

    async def get(self, message_id: str) -> MessageRow | None:
        """Give a row; see `MessageStore`."""
        self._check_open()
        kept = self._kept.get(message_id)
        return kept.row if kept else None

    async def raw(self, message_id: str) -> bytes | None:
        """Give the bytes; see `MessageStore`."""
        self._check_open()
        kept = self._kept.get(message_id)
        return kept.raw if kept else None

    async def transcript(self, message_id: str) -> Transcript | None:
        """Give the transcript; see `MessageStore`."""
        self._check_open()
        kept = self._kept.get(message_id)
        return self._transcripts[kept.row.session.session_id] if kept else None

    async def find(
        self,
        query: Query = EVERYTHING,
        *,
        limit: int = 50,
        offset: int = 0,
    ) -> list[MessageRow]:
        """Give matching rows, newest first; see `MessageStore`."""
        self._check_open()
        return list(self._matching(query))[offset : offset + limit if limit else None]

    async def count(self, query: Query | None = None) -> Counts:
        """Count; see `MessageStore`."""
        self._check_open()
        if query is None:
            return self._counts
        rows = list(self._matching(query))
        return Counts(
            total=len(rows),
            unread=sum(not row.read for row in rows),
            size=sum(row.size for row in rows),
        )

    async def mark(self, ids: Sequence[str] | None, *, read: bool) -> int:
        """Set or clear read flags; see `MessageStore`."""
        self._check_open()
        changed = [kept for kept in self._named(ids) if kept.row.read != read]
        for kept in changed:
            kept.row = msgspec.structs.replace(kept.row, read=read)
        self._count(unread=-len(changed) if read else len(changed))
        if changed:
            self._announce("marked", tuple(kept.row.id for kept in changed), read=read)
        return len(changed)

    async def delete(self, ids: Sequence[str] | None) -> int:
        """Delete; see `MessageStore`."""
        self._check_open()
        return self._remove(self._named(ids))

    async def sweep(self) -> int:
        """Apply retention; see `MessageStore`."""
        self._check_open()
        return self._expire()

    def changes(self, since: int | None = None) -> AsyncIterator[Change]:
        """Yield changes; see `MessageStore` and `ChangeFeed.follow`."""
        self._check_open()
        return self._feed.follow(since)

    @property
    def sequence(self) -> int:
        """The number of the latest change."""
        return self._feed.sequence

    async def close(self) -> None:
        """Forget everything; closing again is harmless."""
        self._closed = True
        self._feed.close()
        self._kept.clear()
        self._transcripts.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the message store is closed")

    def _matching(self, query: Query) -> Iterator[MessageRow]:
        sender = None if query.sender is None else rules.fold(query.sender)
        recipient = None if query.recipient is None else rules.fold(query.recipient)
        subject = rules.fold(query.subject or "")
        for kept in reversed(self._kept.values()):
            row = kept.row
            if (
                (sender is None or kept.sender == sender)
                and (recipient is None or recipient in kept.recipients)
                and subject in kept.subject
                and (query.after is None or row.cursor > query.after)
                and (query.before is None or row.cursor < query.before)
                and (query.unread is None or row.read != query.unread)
            ):
                yield row

    def _named(self, ids: Sequence[str] | None) -> list[_Kept]:
        if ids is None:
            return list(self._kept.values())
        return [self._kept[known] for known in dict.fromkeys(ids) if known in self._kept]

    def _expire(self) -> int:
        return self._remove(list(self._expired()))

    def _expired(self) -> Iterator[_Kept]:
        """Give what retention lets go, oldest first."""
        cutoff = rules.too_old_before(self._retention, utc_now())
        many = rules.too_many(self._retention, self._counts)
        large = rules.too_large(self._retention, self._counts)
        for kept in self._kept.values():
            old = cutoff is not None and rules.to_microseconds(kept.row.received) < cutoff
            if old or many > 0 or large > 0:
                yield kept
                many -= 1
                large -= kept.row.size

    def _remove(self, all_kept: Iterable[_Kept]) -> int:
        ids = []
        for row in (kept.row for kept in all_kept):
            del self._kept[row.id]
            self._forget_session(row.session.session_id)
            self._count(total=-1, unread=0 if row.read else -1, size=-row.size)
            ids.append(row.id)
        if ids:
            self._announce("deleted", tuple(ids))
        return len(ids)

    def _forget_session(self, session: str) -> None:
        self._messages_of[session] -= 1
        if not self._messages_of[session]:
            del self._messages_of[session], self._transcripts[session]

    def _count(self, *, total: int = 0, unread: int = 0, size: int = 0) -> None:
        self._counts = Counts(
            total=self._counts.total + total,
            unread=self._counts.unread + unread,
            size=self._counts.size + size,
        )

    def _announce(
        self,
        kind: Literal["added", "marked", "deleted"],
        ids: tuple[str, ...],
        row: MessageRow | None = None,
        *,
        read: bool | None = None,
    ) -> None:
        self._feed.publish([Change(self._feed.sequence + 1, kind, ids, row, read)])
