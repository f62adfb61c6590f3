"""The message store that lives in memory and ends with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterator, Mapping, Sequence
from itertools import chain
from typing import final

import msgspec

from bindpost.errors import StoreError

from ..message.digest import Digest
from ..message.headers import HeaderFields, read_fields
from ..message.model import Message, Transcript, utc_now
from ..message.tags import clean_tag, clean_tags, read_tags
from . import rules
from .content import SEARCH_SECONDS
from .copying import copies_of
from .feed import REMEMBERED, ChangeFeed
from .memory_search import Kept, MemorySearch
from .shelf import Shelf
from .store import (
    EVERYTHING,
    KEEP_ALL,
    NOWHERE,
    Change,
    ChangeCause,
    ChangeKind,
    Copy,
    Counts,
    MessageRow,
    Place,
    Query,
    Retention,
    Sort,
    unsorted,
)

_Act = Callable[[Shelf, Sequence[str]], Sequence[str]]
"""Does something to messages on a shelf and gives the ids of those that changed."""


@final
class MemoryStore:
    """
    A `SharedStore` in memory; "durable" means as long as the process.

    Retention is applied by every `add`, so the limits hold whenever one returns. `remembered` is
    how many changes `changes(since)` can go back. Queries look at every message: made for tests;
    those for content do so in a thread, for `search_seconds`.
    """

    def __init__(
        self,
        retention: Retention = KEEP_ALL,
        *,
        sort: Sort = unsorted,
        remembered: int = REMEMBERED,
        search_seconds: float = SEARCH_SECONDS,
    ) -> None:
        self._retention = retention
        self._due = rules.Due(retention)
        self._sort = sort
        self._feed = ChangeFeed(remembered=remembered)
        self._kept: dict[str, Kept] = {}
        self._whole = Shelf()
        self._mailboxes: dict[str, Shelf] = {}
        self._transcripts: dict[str, Transcript] = {}
        self._messages_of: dict[str, int] = {}
        self._queries = MemorySearch(self._kept, seconds=search_seconds)
        self._closed = False

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message; see `SharedStore`."""
        self._check_open()
        if message.id in self._kept:
            raise StoreError(f"message {message.id}: not kept: there is one of this id")
        fields = read_fields(message.raw)
        place = Place(tags=read_tags(message.envelope, fields))
        names = rules.mailboxes(self._sort, message, mailbox)
        row = self._keep(message, fields, transcript, place, dict.fromkeys(names, place))
        self._announce("added", (row.id,), dict.fromkeys(names, (row.id,)), row=row)
        if self._due.is_due(self._whole.counts):
            self._expire()
        return row

    async def restore(self, copies: Sequence[Copy]) -> Sequence[str]:
        """Keep messages of another inbox; see `SharedStore`."""
        self._check_open()
        there = []
        for copy in copies:
            message, places = copy.message, copy.mailboxes
            if message.id in self._kept:
                there.append(message.id)
                continue
            fields = read_fields(message.raw)
            row = self._keep(message, fields, copy.transcript, copy.whole, places)
            parts = dict.fromkeys(places, (row.id,))
            self._announce("added", (row.id,), parts, row=row, places=places)
        if self._due.is_due(self._whole.counts):
            self._expire()
        return there

    def _keep(
        self,
        message: Message,
        fields: HeaderFields,
        transcript: Transcript | None,
        whole: Place,
        mailboxes: Mapping[str, Place],
    ) -> MessageRow:
        row = MessageRow(
            cursor=self._feed.sequence + 1,
            id=message.id,
            received=message.received,
            size=len(message.raw),
            read=whole.read,
            envelope=message.envelope,
            session=message.session,
            fields=fields,
            tags=whole.tags,
            mailboxes=tuple(sorted(mailboxes)),
        )
        self._kept[row.id] = Kept.of(row, message.raw)
        session = row.session.session_id
        self._transcripts[session] = (
            self._transcripts.get(session, ()) if transcript is None else transcript
        )
        self._messages_of[session] = self._messages_of.get(session, 0) + 1
        for name, place in mailboxes.items():
            shelf = self._mailboxes.setdefault(name, Shelf())
            shelf.add(
                msgspec.structs.replace(row, read=place.read, tags=place.tags, mailboxes=(name,))
            )
        return self._whole.add(row)

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace a session's transcript; see `MessageStore`."""
        self._check_open()
        if session_id in self._transcripts:
            self._transcripts[session_id] = transcript

    async def get(self, message_id: str, *, mailbox: str | None = None) -> MessageRow | None:
        """Give a row; see `SharedStore`."""
        self._check_open()
        return self._shelf(mailbox).rows.get(message_id)

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give the bytes; see `SharedStore`."""
        row = await self.get(message_id, mailbox=mailbox)
        return self._kept[row.id].raw if row else None

    async def transcript(self, message_id: str, *, mailbox: str | None = None) -> Transcript | None:
        """Give the transcript; see `SharedStore`."""
        row = await self.get(message_id, mailbox=mailbox)
        return tuple(self._transcripts[self._kept[row.id].session]) if row else None

    async def copies(
        self, rows: Sequence[MessageRow], *, told: Container[str] = ()
    ) -> Sequence[Copy]:
        """Give copies of messages; see `SharedStore`."""
        self._check_open()
        kept = [row for row in rows if row.id in self._kept]
        raws = {row.cursor: self._kept[row.id].raw for row in kept}
        places = {row.cursor: dict(self._places(row)) for row in kept}
        return copies_of(rows, told, raws=raws, transcripts=self._transcripts, places=places)

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
        query = query or EVERYTHING
        if query == Query(mailbox=query.mailbox):
            return self._shelf(query.mailbox).counts
        return rules.counts_of(await self._search(query))

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give the mailboxes; see `SharedStore`."""
        self._check_open()
        return {name: self._mailboxes[name].counts for name in sorted(self._mailboxes)}

    async def mark(
        self, ids: Sequence[str] | None, *, read: bool, mailbox: str | None = None
    ) -> int:
        """Set or clear read flags; see `SharedStore`."""
        self._check_open()
        return self._change(
            "marked",
            self._shelf(mailbox).named(ids),
            lambda shelf, some: shelf.mark(some, read=read),
            mailbox=mailbox,
            are_all=ids is None,
            read=read,
        )

    async def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Replace the tags of messages; see `SharedStore`."""
        self._check_open()
        wanted = clean_tags(tags)
        return self._change(
            "tagged",
            self._shelf(mailbox).named(ids),
            lambda shelf, some: shelf.set_tags(some, wanted),
            mailbox=mailbox,
        )

    async def rename_tag(self, name: str, new: str, *, mailbox: str | None = None) -> int:
        """Rename a tag; see `SharedStore`."""
        self._check_open()
        return self._rename_tag(name, clean_tag(new), mailbox)

    async def remove_tag(self, name: str, *, mailbox: str | None = None) -> int:
        """Remove a tag; see `SharedStore`."""
        self._check_open()
        return self._rename_tag(name, None, mailbox)

    async def tag_names(self, *, mailbox: str | None = None) -> Sequence[str]:
        """Give the tags' names; see `SharedStore`."""
        return list(await self.tags(mailbox=mailbox))

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give none; see `MessageStore`."""
        self._check_open()
        return {}

    async def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Give the tags; see `SharedStore`."""
        self._check_open()
        return self._shelf(mailbox).tags

    async def delete(self, ids: Sequence[str] | None, *, mailbox: str | None = None) -> int:
        """Delete, or take out of a mailbox; see `SharedStore`."""
        self._check_open()
        named = self._shelf(mailbox).named(ids)
        if mailbox is None:
            return self._remove(named, cause="all" if ids is None else "ids")
        self._mailboxes.get(mailbox, Shelf()).remove(named)
        gone = [known for known in named if self._leave(known, mailbox)]
        self._forget(gone)
        if named:
            self._announce(
                "deleted", gone, {mailbox: named}, all_of=mailbox if ids is None else None
            )
        return len(named)

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
        self._whole = Shelf()
        self._mailboxes.clear()
        self._transcripts.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the message store is closed")

    async def _search(self, query: Query, seconds: float | None = None) -> list[MessageRow]:
        """Give what matches, newest first."""
        rows = reversed(self._shelf(query.mailbox).rows.values())
        return await self._queries.find(query, rows, seconds)

    def _shelf(self, mailbox: str | None) -> Shelf:
        """Give a mailbox's shelf, to be looked at: that of a mailbox without mail is a new one."""
        return self._whole if mailbox is None else self._mailboxes.get(mailbox) or Shelf()

    def _places(self, row: MessageRow) -> Iterator[tuple[str, Place]]:
        for name in row.mailboxes:
            if here := self._shelf(name).rows.get(row.id):
                yield name, Place(here.read, here.tags)

    def _parts(self, ids: Sequence[str]) -> Mapping[str, list[str]]:
        """Give these messages by the mailboxes that they are in."""
        parts: dict[str, list[str]] = {}
        for known in ids:
            for name in self._whole.rows[known].mailboxes:
                parts.setdefault(name, []).append(known)
        return parts

    def _change(
        self,
        kind: ChangeKind,
        ids: Sequence[str],
        act: _Act,
        *,
        mailbox: str | None,
        are_all: bool = False,
        read: bool | None = None,
    ) -> int:
        """Do something to messages: in the whole inbox, and in one mailbox, or in all of theirs."""
        whole = act(self._whole, ids)
        parts = self._parts(ids) if mailbox is None else {mailbox: ids}
        changed = {name: act(self._shelf(name), some) for name, some in parts.items()}
        if whole or any(changed.values()):
            cause: ChangeCause = "all" if are_all and mailbox is None else "ids"
            all_of = mailbox if are_all else None
            self._announce(kind, whole, changed, cause=cause, all_of=all_of, read=read)
        return len(whole if mailbox is None else changed[mailbox])

    def _rename_tag(self, name: str, new: str | None, mailbox: str | None) -> int:
        """Change a tag's name on every message, None = take it off; give how many had it."""
        shelves = [self._shelf(mailbox)] if mailbox else [self._whole, *self._mailboxes.values()]
        had = len(shelves[0].having(name))
        having = list(dict.fromkeys(chain(*(shelf.having(name) for shelf in shelves))))
        self._change(
            "tagged",
            having,
            lambda shelf, some: shelf.rename_tag(some, name, new),
            mailbox=mailbox,
            are_all=True,
        )
        return had

    def _expire(self) -> int:
        rows = self._whole.rows.values()
        expired = rules.expired(self._retention, self._whole.counts, rows, utc_now())
        return self._remove([row.id for row in expired], cause="retention")

    def _remove(self, ids: Sequence[str], *, cause: ChangeCause) -> int:
        """Delete messages everywhere."""
        parts = self._parts(ids)
        for name, some in parts.items():
            self._mailboxes[name].remove(some)
        self._forget(ids)
        if ids:
            self._announce("deleted", ids, parts, cause=cause)
        return len(ids)

    def _leave(self, known: str, mailbox: str) -> bool:
        """Take note that a message is no longer in a mailbox; say whether it was the last one."""
        row = self._whole.rows[known]
        left = tuple(name for name in row.mailboxes if name != mailbox)
        self._whole.rows[known] = msgspec.structs.replace(row, mailboxes=left)
        return not left

    def _forget(self, ids: Sequence[str]) -> None:
        """Let go of messages that are in no mailbox any more, and of mailboxes without any."""
        self._whole.remove(ids)
        for known in ids:
            session = self._kept.pop(known).session
            self._messages_of[session] -= 1
            if not self._messages_of[session]:
                del self._messages_of[session], self._transcripts[session]
        for name in [name for name, shelf in self._mailboxes.items() if not shelf.rows]:
            del self._mailboxes[name]

    def _announce(
        self,
        kind: ChangeKind,
        ids: Sequence[str],
        parts: Mapping[str, Sequence[str]],
        *,
        row: MessageRow | None = None,
        cause: ChangeCause = "ids",
        all_of: str | None = None,
        read: bool | None = None,
        places: Mapping[str, Place] = NOWHERE,
    ) -> None:
        change = Change(
            sequence=self._feed.sequence + 1,
            kind=kind,
            ids=tuple(ids),
            row=row,
            cause=cause,
            read=read,
            mailboxes={name: tuple(some) for name, some in parts.items() if some},
            all_of=all_of,
            places=places,
        )
        self._feed.publish([change])
