"""The message store in an SQLite database: the default, durable against power failure."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, final

import msgspec

from bindpost.errors import StoreError

from ..message.digest import Digest
from ..message.model import Message, Transcript, utc_now
from ..message.tags import clean_tag, clean_tags
from . import rules, sqlite_mailboxes, sqlite_queries, sqlite_search, sqlite_transcripts
from .content import SEARCH_SECONDS, ContentSearch
from .counted import Counted
from .feed import REMEMBERED, ChangeFeed
from .lock import FolderLock, make_folder
from .sqlite_connection import DATABASE_FILE, DURABLE, Durability, open_writer, translated
from .sqlite_inbox import LARGE, SEGMENT, SLICE, Inbox
from .sqlite_index import INDEX_FILE, IndexUnusableError, SearchIndex
from .sqlite_reader import Reader
from .sqlite_schema import migrate
from .sqlite_writer import QUIET, Work, Writer
from .store import (
    EVERYTHING,
    KEEP_ALL,
    Change,
    Counts,
    MessageRow,
    Query,
    Retention,
    Sort,
    unsorted,
)

KEEP_FREE: Final = 16 * 1024 * 1024
"""Bytes of the disk that adding leaves free, so that there is room to delete in."""
_RECALLED: Final = 100
_SHORT_TAIL: Final = 50
"""Messages that are not in the index yet, and that a search reads beside other questions."""

_T = TypeVar("_T")


@final
class SqliteStore:
    """
    A `SharedStore` in the file `mail.db` of a folder, which it holds alone; large bodies are in
    segment files beside it (see `sqlite_segments`).

    `add` returns after the fsync of its transaction; transactions are shared by all that wait (see
    `sqlite_writer`). When much waits already, `add` does not queue its message before there is room
    (see `sqlite_backlog`). Retention is applied soon after an `add`, by the same queue. Deleting
    and marking many goes in slices, each a change of its own, so other work gets in between.
    Belongs to the event loop that opened it.

    `index` speeds searches up as soon as somebody has made it and vouches for it.
    """

    def __init__(
        self,
        lock: FolderLock,
        inbox: Inbox,
        *,
        retention: Retention,
        remembered: int,
        search_seconds: float,
        quiet: float,
    ) -> None:
        self._lock = lock
        self._inbox = inbox
        self._folder = inbox.path.parent
        self._retention = retention
        self._counts = inbox.counts
        self._feed = ChangeFeed(sequence=inbox.sequence, remembered=remembered, recall=self._recall)
        self._reader = Reader(inbox.path)
        # Contents are searched one search at a time, so that they hold up no other question.
        self._searcher = Reader(inbox.path, threads=1)
        self._content = ContentSearch(seconds=search_seconds)
        self._counted = Counted(self._count_part, self._content)
        self._newest = inbox.sequence
        self.index = SearchIndex(inbox.path.with_name(INDEX_FILE))
        self._writer = Writer(inbox, quiet=quiet, committed=self._committed)
        self._sweeping: asyncio.Task[None] | None = None
        self._next_age_check = 0.0
        self._closing: asyncio.Task[None] | None = None
        self._sweep_if_due()

    @classmethod
    async def open(
        cls,
        folder: Path,
        retention: Retention = KEEP_ALL,
        *,
        sort: Sort = unsorted,
        keep_free: int = KEEP_FREE,
        remembered: int = REMEMBERED,
        search_seconds: float = SEARCH_SECONDS,
        durability: Durability = DURABLE,
        large: int = LARGE,
        segment: int = SEGMENT,
        quiet: float = QUIET,
    ) -> SqliteStore:
        """
        Open the store in a folder, making what is missing.

        `sort` gives the mailboxes of each message that comes from now on. `add` raises
        `StoreFullError` when it would leave less than `keep_free` bytes of the disk;
        `remembered` is how many changes `changes(since)` can go back in memory (those that added
        messages still kept are told from the database); a search through contents may take
        `search_seconds`. With the durability `normal` a loss of power may take what was added
        since the last checkpoint. Bodies of `large` bytes or more may be kept in segment files,
        which take no more when they have `segment` bytes; after `quiet` seconds without work the
        store is tidied. Raises `StoreInUseError` when another process holds the folder,
        `StoreError` when it cannot be used.
        """

        def make(connection: sqlite3.Connection, path: Path) -> Inbox:
            return Inbox(
                connection,
                path,
                keep_free=keep_free,
                sort=sort,
                large=large,
                segment=segment,
                durability=durability,
            )

        lock, inbox = await asyncio.to_thread(_take_folder, folder, durability, make)
        return cls(
            lock,
            inbox,
            retention=retention,
            remembered=remembered,
            search_seconds=search_seconds,
            quiet=quiet,
        )

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message; see `SharedStore`. If it is cancelled, the message may yet be kept."""
        self._check_open()
        work = Inbox.add if mailbox is None else partial(Inbox.add, mailbox=mailbox)
        return await self._writer.do(work, message, transcript, size=len(message.raw))

    async def end_session(self, session_id: str, transcript: Transcript) -> None:
        """Replace a session's transcript; see `MessageStore`."""
        self._check_open()
        await self._writer.do(Inbox.end_session, session_id, transcript)

    async def get(self, message_id: str, *, mailbox: str | None = None) -> MessageRow | None:
        """Give a row; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, sqlite_queries.get)

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give the bytes; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, self._raw)

    async def transcript(self, message_id: str, *, mailbox: str | None = None) -> Transcript | None:
        """Give the transcript; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, sqlite_transcripts.read)

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
        return await self._ask(
            query,
            seconds=seconds,
            plain=partial(sqlite_queries.find, query=query, limit=limit, offset=offset),
            direct=partial(
                sqlite_search.find_directly,
                query=query,
                folder=self._folder,
                limit=limit,
                offset=offset,
            ),
            indexed=partial(
                sqlite_search.find_indexed,
                query=query,
                folder=self._folder,
                limit=limit,
                offset=offset,
            ),
        )

    async def count(self, query: Query | None = None) -> Counts:
        """Count; see `MessageStore`."""
        self._check_open()
        if query is None or query == EVERYTHING:
            return self._counts
        if query.mailbox is not None and query == Query(mailbox=query.mailbox):
            name = query.mailbox
            return await self._reader.ask(lambda database: sqlite_mailboxes.counts(database, name))
        return await self._counted.count(query, upto=self.sequence)

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give digests; see `MessageStore`."""
        self._check_open()
        if not rows or not self.index.is_trusted:
            return {}
        cursors = [row.cursor for row in rows]
        try:
            known = await self._reader.ask(
                lambda database: sqlite_search.digests(database, self.index, cursors)
            )
        except IndexUnusableError:
            self.index.give_up()
            return {}
        return {row.id: known[row.cursor] for row in rows if row.cursor in known}

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give the mailboxes; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(sqlite_mailboxes.all_counts)

    async def mark(
        self, ids: Sequence[str] | None, *, read: bool, mailbox: str | None = None
    ) -> int:
        """Set or clear read flags; see `SharedStore`."""
        self._check_open()
        if ids is not None:
            return await self._in_slices(
                ids, lambda some: partial(Inbox.mark, ids=some, read=read, mailbox=mailbox)
            )
        changed, last, upto = 0, 0, self.sequence
        while last < upto:
            work = partial(Inbox.mark_slice, after=last, upto=upto, read=read, mailbox=mailbox)
            some, last = await self._writer.do(work)
            changed += some
        return changed

    async def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Replace the tags of messages; see `SharedStore`."""
        self._check_open()
        wanted = clean_tags(tags)
        return await self._in_slices(
            ids, lambda some: partial(Inbox.set_tags, ids=some, tags=wanted, mailbox=mailbox)
        )

    async def rename_tag(self, name: str, new: str, *, mailbox: str | None = None) -> int:
        """Rename a tag; see `SharedStore`."""
        self._check_open()
        return await self._writer.do(
            partial(Inbox.rename_tag, name=name, new=clean_tag(new), mailbox=mailbox)
        )

    async def remove_tag(self, name: str, *, mailbox: str | None = None) -> int:
        """Remove a tag; see `SharedStore`."""
        self._check_open()
        return await self._writer.do(
            partial(Inbox.rename_tag, name=name, new=None, mailbox=mailbox)
        )

    async def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Give the tags; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(lambda database: sqlite_queries.tags(database, mailbox))

    async def tag_names(self, *, mailbox: str | None = None) -> Sequence[str]:
        """Give the tags' names; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(lambda database: sqlite_queries.tag_names(database, mailbox))

    async def oldest_behind(self, cursor: int) -> datetime | None:
        """Give when the oldest message behind a cursor was received, None if there is none."""
        self._check_open()
        return await self._reader.ask(
            lambda database: sqlite_queries.oldest_behind(database, cursor)
        )

    async def delete(self, ids: Sequence[str] | None, *, mailbox: str | None = None) -> int:
        """Delete, or take out of a mailbox; see `SharedStore`."""
        self._check_open()
        if ids is not None:
            return await self._in_slices(
                ids, lambda some: partial(Inbox.delete, ids=some, mailbox=mailbox)
            )
        upto = self.sequence  # what is added while this runs stays
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

    @property
    def commits(self) -> int:
        """How many transactions have been committed since the store was opened."""
        return self._inbox.commits

    async def close(self) -> None:
        """Finish what is queued and let go of the folder; closing again is harmless."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await self._counted.close()
            await self._reader.close()
            await self._searcher.close()
            await self._writer.close()
            self._feed.close()
            if self._sweeping is not None:
                await self._sweeping
        finally:
            self._lock.release()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreError("the message store is closed")

    async def _count_part(self, query: Query, seconds: float | None) -> Counts:
        return await self._ask(
            query,
            seconds=seconds,
            plain=partial(_count_selected, query),
            direct=partial(sqlite_search.count_directly, query=query, folder=self._folder),
            indexed=partial(sqlite_search.count_indexed, query=query, folder=self._folder),
        )

    async def _ask(
        self,
        query: Query,
        *,
        seconds: float | None = None,
        plain: Callable[[sqlite3.Connection], _T],
        direct: Callable[..., _T],
        indexed: Callable[..., _T],
    ) -> _T:
        """Ask in the way that suits a query: by its rows, by the index, message by message."""
        is_limited = seconds is not None or sqlite_search.is_about_content(query)
        deadline = self._content.deadline(seconds) if is_limited else math.inf
        if self.index.is_trusted and sqlite_search.gains_by_index(query):
            is_long = self._newest - self.index.upto > _SHORT_TAIL
            reader = self._searcher if is_long else self._reader
            by_index = partial(indexed, content=self._content, index=self.index, deadline=deadline)
            try:
                return await reader.ask(by_index)
            except IndexUnusableError:
                self.index.give_up()
        if not sqlite_search.is_about_content(query):
            if seconds is None:
                return await self._reader.ask(plain)
            return await self._reader.ask(
                partial(sqlite_search.in_time, self._content, deadline, plain)
            )
        return await self._searcher.ask(partial(direct, content=self._content, deadline=deadline))

    def _raw(
        self, database: sqlite3.Connection, message_id: str, mailbox: str | None
    ) -> bytes | None:
        return sqlite_queries.raw(database, self._folder, message_id, mailbox)

    async def _look_up(
        self,
        message_id: str,
        mailbox: str | None,
        question: Callable[[sqlite3.Connection, str, str | None], _T | None],
    ) -> _T | None:
        self._check_open()
        if not rules.is_unicode(message_id):
            return None
        return await self._reader.ask(lambda database: question(database, message_id, mailbox))

    async def _in_slices(
        self, ids: Sequence[str], work: Callable[[Sequence[str]], Work[int]]
    ) -> int:
        known = [name for name in dict.fromkeys(ids) if rules.is_unicode(name)]
        slices = [known[start : start + SLICE] for start in range(0, len(known), SLICE)]
        return sum([await self._writer.do(work(some)) for some in slices])

    async def _until_none(self, work: Work[int]) -> int:
        total = 0
        while some := await self._writer.do(work):
            total += some
        return total

    async def _recall(self, after: int, upto: int) -> Sequence[Change]:
        """Tell `added` changes again of the messages that they added: the cursor is the number."""
        rows = await self._reader.ask(
            lambda database: sqlite_queries.added(database, after, upto, limit=_RECALLED)
        )
        return [
            Change(
                row.cursor,
                "added",
                (row.id,),
                msgspec.structs.replace(row, read=False),
                mailboxes=dict.fromkeys(row.mailboxes, (row.id,)),
            )
            for row in rows
        ]

    def _committed(self, changes: Sequence[Change], counts: Counts) -> None:
        self._counts = counts
        self._counted.hear(changes)
        self.index.hear(changes)
        self._newest = next(
            (change.row.cursor for change in reversed(changes) if change.row), self._newest
        )
        self._feed.publish(changes)
        self._sweep_if_due()

    def _sweep_if_due(self) -> None:
        if self._sweeping is None and self._closing is None and self._is_sweep_due():
            self._sweeping = asyncio.create_task(self._sweep_until_kept())

    def _is_sweep_due(self) -> bool:
        if rules.exceeds(self._retention, self._counts):
            return True
        return self._retention.max_age is not None and time.monotonic() >= self._next_age_check

    async def _sweep_until_kept(self) -> None:
        """Apply retention; again when messages came while its last transaction ran."""
        with suppress(StoreError):  # told to those who add; tried again with the next message
            while self._is_sweep_due():
                self._next_age_check = time.monotonic() + rules.AGE_CHECK
                await self.sweep()
        self._sweeping = None


def _count_selected(query: Query, database: sqlite3.Connection) -> Counts:
    return sqlite_queries.count(database, sqlite_queries.select(query))


def _take_folder(
    folder: Path, durability: Durability, make: Callable[[sqlite3.Connection, Path], Inbox]
) -> tuple[FolderLock, Inbox]:
    """Lock a folder and open its database."""
    make_folder(folder)
    lock = FolderLock(folder)
    path = folder / DATABASE_FILE
    try:
        connection = open_writer(path, durability)
        try:
            migrate(connection, path)
            with translated(path):
                return lock, make(connection, path)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        lock.release()
        raise
