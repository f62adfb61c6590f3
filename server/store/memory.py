"""The message store that lives in memory and ends with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import msgspec

from bindpost.errors import StoreError

from ..message.digest import Digest
from ..message.headers import read_fields
from ..message.model import Message, Transcript, utc_now
from ..message.tags import clean_tag, clean_tags, read_tags
from . import rules
from .content import SEARCH_SECONDS, ContentSearch
from .feed import REMEMBERED, ChangeFeed
from .store import (
    EVERYTHING,
    KEEP_ALL,
    Change,
    ChangeCause,
    ChangeKind,
    Counts,
    MessageRow,
    Query,
    Retention,
)
from .terms import CONTENT_TERMS, SearchedHeader, Term, fold, searched_header


@dataclass(slots=True)
class _Kept:
    """A message, and the texts that queries compare."""

    row: MessageRow
    raw: bytes
    sender: str
    recipients: frozenset[str]
    subject: str
    header: SearchedHeader


@final
class MemoryStore:
    """
    A `MessageStore` in memory; "durable" means as long as the process.

    Retention is applied by every `add`, so the limits hold whenever one returns. `remembered` is
    how many changes `changes(since)` can go back. Queries look at every message: made for tests;
    those for content do so in a thread, for `search_seconds`.
    """

    def __init__(
        self,
        retention: Retention = KEEP_ALL,
        *,
        remembered: int = REMEMBERED,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        self._retention = retention
        self._feed = ChangeFeed(remembered=remembered)
        self._kept: dict[str, _Kept] = {}
        self._tags: dict[str, tuple[str, int]] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._messages_of: dict[str, int] = {}
        self._counts = Counts(total=0, unread=0, size=0)
        self._content = ContentSearch(seconds=search_seconds)
        self._searching = asyncio.Lock()
        self._closed = False

    async def add(self, message: Message, transcript: Transcript) -> MessageRow:
        """Keep a message; see `MessageStore`."""
        self._check_open()
        if message.id in self._kept:
            raise StoreError(f"message {message.id}: not kept: there is one of this id")
        fields = read_fields(message.raw)
        row = MessageRow(
            cursor=self._feed.sequence + 1,
            id=message.id,
            received=message.received,
            size=len(message.raw),
            read=False,
            envelope=message.envelope,
            session=message.session,
            fields=fields,
            tags=self._known_tags(read_tags(message.envelope, fields)),
        )
        self._kept[row.id] = _Kept(
            row=row,
            raw=message.raw,
            sender=fold(row.envelope.reverse_path),
            recipients=frozenset(fold(to.address) for to in row.envelope.recipients),
            subject=fold(row.fields.subject),
            header=searched_header(row.fields),
        )
        session = row.session.session_id
        self._transcripts[session] = transcript
        self._messages_of[session] = self._messages_of.get(session, 0) + 1
        self._count(total=1, unread=1, size=row.size)
        self._count_tags((), row.tags)
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
        seconds: float | None = None,
    ) -> list[MessageRow]:
        """Give matching rows, newest first; see `MessageStore`."""
        self._check_open()
        return (await self._search(query, seconds))[offset : offset + limit if limit else None]

    async def count(self, query: Query | None = None) -> Counts:
        """Count; see `MessageStore`."""
        self._check_open()
        if query is None:
            return self._counts
        return rules.counts_of(await self._search(query))

    async def mark(self, ids: Sequence[str] | None, *, read: bool) -> int:
        """Set or clear read flags; see `MessageStore`."""
        self._check_open()
        changed = [kept for kept in self._named(ids) if kept.row.read != read]
        for kept in changed:
            kept.row = msgspec.structs.replace(kept.row, read=read)
        self._count(unread=-len(changed) if read else len(changed))
        if changed:
            marked = tuple(kept.row.id for kept in changed)
            cause: ChangeCause = "all" if ids is None else "ids"
            self._announce("marked", marked, cause=cause, read=read)
        return len(changed)

    async def set_tags(self, ids: Sequence[str], tags: Sequence[str]) -> int:
        """Replace the tags of messages; see `MessageStore`."""
        self._check_open()
        wanted = self._known_tags(clean_tags(tags))
        return self._tag([(kept, wanted) for kept in self._named(ids)])

    async def rename_tag(self, name: str, new: str) -> int:
        """Rename a tag; see `MessageStore`."""
        self._check_open()
        tag = clean_tag(new)
        if fold(tag) != fold(name):
            (tag,) = self._known_tags((tag,))
        having = self._having(name)
        self._tag([(kept, (*_without(kept, name), tag)) for kept in having], cause="all")
        return len(having)

    async def remove_tag(self, name: str) -> int:
        """Remove a tag; see `MessageStore`."""
        self._check_open()
        return self._tag([(k, _without(k, name)) for k in self._having(name)], cause="all")

    async def tags(self) -> Mapping[str, int]:
        """Give the tags; see `MessageStore`."""
        self._check_open()
        return dict(self._tags[folded] for folded in sorted(self._tags))

    async def tag_names(self) -> Sequence[str]:
        """Give the tags' names; see `MessageStore`."""
        return list(await self.tags())

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give none; see `MessageStore`."""
        self._check_open()
        return {}

    async def delete(self, ids: Sequence[str] | None) -> int:
        """Delete; see `MessageStore`."""
        self._check_open()
        return self._remove(self._named(ids), cause="all" if ids is None else "ids")

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

    async def _search(self, query: Query, seconds: float | None = None) -> list[MessageRow]:
        """Give what matches, newest first."""
        found = [(kept.row, kept.raw) for kept in self._matching(query)]
        if all(term.field not in CONTENT_TERMS for term in query.terms):
            return [row for row, _ in found]
        deadline = self._content.deadline(seconds)
        async with self._searching:
            return await asyncio.to_thread(self._search_content, query.terms, found, deadline)

    def _search_content(
        self, terms: Sequence[Term], found: Sequence[tuple[MessageRow, bytes]], deadline: float
    ) -> list[MessageRow]:
        def holds(row: MessageRow, raw: bytes) -> bool:
            return self._content.holds(terms, row, lambda: raw, deadline=deadline)

        return [row for row, raw in found if holds(row, raw)]

    def _matching(self, query: Query) -> Iterator[_Kept]:
        sender = None if query.sender is None else fold(query.sender)
        recipient = None if query.recipient is None else fold(query.recipient)
        subject = fold(query.subject or "")
        for kept in reversed(self._kept.values()):
            row = kept.row
            if (
                (sender is None or kept.sender == sender)
                and (recipient is None or recipient in kept.recipients)
                and subject in kept.subject
                and (query.after is None or row.cursor > query.after)
                and (query.before is None or row.cursor < query.before)
                and (query.unread is None or row.read != query.unread)
                and rules.terms_hold(query.terms, row, kept.header)
            ):
                yield kept

    def _named(self, ids: Sequence[str] | None) -> list[_Kept]:
        if ids is None:
            return list(self._kept.values())
        return [self._kept[known] for known in dict.fromkeys(ids) if known in self._kept]

    def _known_tags(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        return tuple(self._tags.get(fold(tag), (tag, 0))[0] for tag in tags)

    def _count_tags(self, had: Sequence[str], has: Sequence[str]) -> None:
        """Take note that a message has these tags instead of those."""
        for step, tags in ((1, has), (-1, had)):
            for tag in tags:
                name, count = self._tags.pop(fold(tag), (tag, 0))
                if count + step > 0:
                    self._tags[fold(tag)] = (tag if step > 0 else name, count + step)

    def _having(self, name: str) -> list[_Kept]:
        return [
            kept for kept in self._kept.values() if len(_without(kept, name)) < len(kept.row.tags)
        ]

    def _tag(
        self, wanted: Iterable[tuple[_Kept, Sequence[str]]], *, cause: ChangeCause = "ids"
    ) -> int:
        """Give messages these tags; how many changed."""
        changed = []
        for kept, names in wanted:
            tags = clean_tags(names)
            if tags != kept.row.tags:
                self._count_tags(kept.row.tags, tags)
                kept.row = msgspec.structs.replace(kept.row, tags=tags)
                changed.append(kept.row.id)
        if changed:
            self._announce("tagged", tuple(changed), cause=cause)
        return len(changed)

    def _expire(self) -> int:
        return self._remove(list(self._expired()), cause="retention")

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

    def _remove(self, all_kept: Iterable[_Kept], *, cause: ChangeCause) -> int:
        ids = []
        for row in (kept.row for kept in all_kept):
            del self._kept[row.id]
            self._forget_session(row.session.session_id)
            self._count_tags(row.tags, ())
            self._count(total=-1, unread=0 if row.read else -1, size=-row.size)
            ids.append(row.id)
        if ids:
            self._announce("deleted", tuple(ids), cause=cause)
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
        kind: ChangeKind,
        ids: tuple[str, ...],
        row: MessageRow | None = None,
        cause: ChangeCause = "ids",
        *,
        read: bool | None = None,
    ) -> None:
        self._feed.publish([Change(self._feed.sequence + 1, kind, ids, row, cause, read)])


def _without(kept: _Kept, name: str) -> tuple[str, ...]:
    return tuple(tag for tag in kept.row.tags if fold(tag) != fold(name))
