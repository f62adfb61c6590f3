"""The message store in an SQLite database: the default, durable against power failure."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, final

import msgspec

from ..message.digest import Digest
from ..message.model import Transcript
from . import rules, sqlite_queries, sqlite_search, sqlite_transcripts
from .content import SEARCH_SECONDS, ContentSearch
from .feed import REMEMBERED
from .grams import gains_by_index, is_about_content
from .index_state import Progress
from .lock import FolderLock, take_folder
from .sqlite_connection import DATABASE_FILE, open_writer, translated
from .sqlite_inbox import LARGE, SEGMENT, SqliteInbox
from .sqlite_index import INDEX_FILE, IndexUnusableError, SearchIndex
from .sqlite_reader import Reader
from .sqlite_schema import migrate
from .store import (
    DURABLE,
    EVERYTHING,
    KEEP_ALL,
    Change,
    Copy,
    Counts,
    Durability,
    MessageRow,
    Query,
    Retention,
    Sort,
    unsorted,
)
from .writer import QUIET
from .written import WrittenStore

KEEP_FREE: Final = 16 * 1024 * 1024
"""Bytes of the disk that adding leaves free, so that there is room to delete in."""
_RECALLED: Final = 100
_SHORT_TAIL: Final = 50
"""Messages that are not in the index yet, and that a search reads beside other questions."""

_T = TypeVar("_T")


@final
class SqliteStore(WrittenStore):
    """
    A `SharedStore` in the file `mail.db` of a folder, which it holds alone; large bodies are in
    segment files beside it (see `sqlite_segments`).

    `add` returns after the fsync of its transaction; `WrittenStore` says what else holds of writes.

    `index` speeds searches up as soon as somebody has made it and vouches for it.
    """

    def __init__(
        self,
        lock: FolderLock,
        inbox: SqliteInbox,
        *,
        retention: Retention,
        remembered: int,
        search_seconds: float,
        quiet: float,
    ) -> None:
        self._lock = lock
        self._inbox = inbox
        self._folder = inbox.path.parent
        self._reader = Reader(inbox.path)
        # Contents are searched one search at a time, so that they hold up no other question.
        self._searcher = Reader(inbox.path, threads=1)
        self._newest = inbox.sequence
        self.index = SearchIndex(inbox.path.with_name(INDEX_FILE))
        if inbox.counts.total:
            self.index.news.set()
        super().__init__(
            inbox,
            sequence=inbox.sequence,
            retention=retention,
            remembered=remembered,
            recall=self._recall,
            content=ContentSearch(seconds=search_seconds),
            count=self._count_part,
            quiet=quiet,
        )

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

        def make(connection: sqlite3.Connection, path: Path) -> SqliteInbox:
            return SqliteInbox(
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

    async def get(self, message_id: str, *, mailbox: str | None = None) -> MessageRow | None:
        """Give a row; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, sqlite_queries.get)

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give the bytes; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, self._raw)

    async def transcript(self, message_id: str, *, mailbox: str | None = None) -> Transcript | None:
        """Give the transcript; see `SharedStore`."""
        return await self._look_up(message_id, mailbox, sqlite_transcripts.read)

    async def copies(
        self, rows: Sequence[MessageRow], *, told: Container[str] = ()
    ) -> Sequence[Copy]:
        """Give copies of messages; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(
            partial(sqlite_queries.copies, folder=self._folder, rows=rows, told=told)
        )

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
            return await self._reader.ask(
                lambda database: sqlite_queries.counts_of_mailbox(database, name)
            )
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
        return await self._reader.ask(sqlite_queries.mailbox_counts)

    async def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Give the tags; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(lambda database: sqlite_queries.tags(database, mailbox))

    async def tag_names(self, *, mailbox: str | None = None) -> Sequence[str]:
        """Give the tags' names; see `SharedStore`."""
        self._check_open()
        return await self._reader.ask(lambda database: sqlite_queries.tag_names(database, mailbox))

    async def progress(self) -> Progress:
        """Give how far the index is; see `Indexed`."""
        self._check_open()
        upto, indexed = (self.index.upto, self.index.indexed) if self.index.is_trusted else (0, 0)
        oldest = await self._reader.ask(
            lambda database: sqlite_queries.oldest_behind(database, upto)
        )
        behind = 0 if oldest is None else max(1, self._counts.total - indexed)
        return Progress(indexed, behind, oldest)

    @property
    def commits(self) -> int:
        """How many transactions have been committed since the store was opened."""
        return self._inbox.commits

    async def _close(self) -> None:
        try:
            await super()._close()
        finally:
            self._lock.release()

    async def _close_readers(self) -> None:
        await self._reader.close()
        await self._searcher.close()

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
        is_limited = seconds is not None or is_about_content(query)
        deadline = self._content.deadline(seconds) if is_limited else math.inf
        if self.index.is_trusted and gains_by_index(query):
            is_long = self._newest - self.index.upto > _SHORT_TAIL
            reader = self._searcher if is_long else self._reader
            by_index = partial(indexed, content=self._content, index=self.index, deadline=deadline)
            try:
                return await reader.ask(by_index)
            except IndexUnusableError:
                self.index.give_up()
        if not is_about_content(query):
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

    def _hear(self, changes: Sequence[Change]) -> None:
        self.index.hear(changes)
        self._newest = next(
            (change.row.cursor for change in reversed(changes) if change.row), self._newest
        )
        super()._hear(changes)


def _count_selected(query: Query, database: sqlite3.Connection) -> Counts:
    return sqlite_queries.count(database, sqlite_queries.select(query))


def _take_folder(
    folder: Path, durability: Durability, make: Callable[[sqlite3.Connection, Path], SqliteInbox]
) -> tuple[FolderLock, SqliteInbox]:
    """Lock a folder and open its database."""
    lock = take_folder(folder)
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
