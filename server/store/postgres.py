"""The message store in PostgreSQL: one inbox for several nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Final, final

import msgspec

from ..message.digest import Digest
from ..message.model import Message, Transcript, TranscriptLine
from . import postgres_queries, rules
from .codec import decode
from .content import SEARCH_SECONDS, ContentSearch
from .copying import copies_of, untold
from .feed import REMEMBERED
from .index_state import Progress
from .postgres_connection import PATIENCE, Server, Session
from .postgres_inbox import PostgresInbox
from .postgres_index import PostgresIndex
from .postgres_listener import Listener
from .postgres_queries import Question
from .postgres_reader import Reader
from .postgres_schema import migrate
from .postgres_search import Search
from .sql_rows import message_row
from .store import (
    DURABLE,
    EVERYTHING,
    KEEP_ALL,
    Change,
    Copy,
    Counts,
    Durability,
    MessageRow,
    Place,
    Query,
    Retention,
    Sort,
    unsorted,
)
from .writer import QUIET
from .written import WrittenStore

_Lines = tuple[TranscriptLine, ...]
_PAGE: Final = 100
"""Messages or changes that are asked for at once."""


@final
class PostgresStore(WrittenStore):
    """
    A `SharedStore` in a PostgreSQL database, which it shares with other nodes.

    `add` returns when its transaction is durable at the server; `WrittenStore` says what else holds
    of writes. The changes of all nodes are one sequence, and each node's `changes` tells all of
    them. `index` tells this node's indexer what it has to do; whatever the index has, of whichever
    node's indexer, speeds searches up. While the database is away every call raises
    `StoreAwayError` within seconds.
    """

    def __init__(
        self,
        server: Server,
        inbox: PostgresInbox,
        *,
        channel: str,
        retention: Retention,
        remembered: int,
        search_seconds: float,
    ) -> None:
        self._inbox = inbox
        inbox.is_looked_at = self._is_looked_at
        self._server = server
        self._reader = Reader(server)
        content = ContentSearch(seconds=search_seconds)
        self._search = Search(self._reader, content)
        self.index = PostgresIndex(server.conninfo)
        super().__init__(
            inbox,
            sequence=inbox.sequence,
            retention=retention,
            remembered=remembered,
            recall=self._recall,
            content=content,
            count=self._search.count,
            quiet=QUIET,
        )
        self._listener = Listener(
            server,
            channel,
            is_news=self._is_news,
            catch_up=self._catch_up,
        )
        self._watching = asyncio.create_task(self._watch())

    @classmethod
    async def open(
        cls,
        url: str,
        retention: Retention = KEEP_ALL,
        *,
        sort: Sort = unsorted,
        node: str | None = None,
        remembered: int = REMEMBERED,
        search_seconds: float = SEARCH_SECONDS,
        durability: Durability = DURABLE,
        patience: float = PATIENCE,
    ) -> PostgresStore:
        """
        Open the store in a database, making the tables that are missing.

        `sort` gives the mailboxes of each message that comes to this node from now on; `node` is
        its name, which its changes bear; `remembered` is how many changes `changes(since)` can go
        back; a search through contents may take `search_seconds`. With the durability `normal` a
        crash of the server may take what was added in the last moments before it. Calls fail after
        `patience` seconds without a connection, twice as many when the server's machine has
        vanished, and eight times as many when it is there and gives no answer. Raises `StoreError`
        when the database can't be used.
        """
        server = Server(url, patience=patience)
        make = partial(
            _take, server, remembered=remembered, sort=sort, node=node, durability=durability
        )
        channel, inbox = await asyncio.to_thread(make)
        store = cls(
            server,
            inbox,
            channel=channel,
            retention=retention,
            remembered=remembered,
            search_seconds=search_seconds,
        )
        await store._reader.open()
        return store

    async def get(self, message_id: str, *, mailbox: str | None = None) -> MessageRow | None:
        """Give a row; see `SharedStore`."""
        found = await self._look_up(message_id, postgres_queries.get(message_id, mailbox))
        return message_row(found[0], mailbox) if found else None

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give the bytes; see `SharedStore`."""
        found = await self._look_up(message_id, postgres_queries.raw(message_id, mailbox))
        return found[0][0] if found else None

    async def transcript(self, message_id: str, *, mailbox: str | None = None) -> Transcript | None:
        """Give the transcript; see `SharedStore`."""
        found = await self._look_up(message_id, postgres_queries.transcript(message_id, mailbox))
        if not found:
            return None
        pieces = (decode(lines, _Lines) for (lines,) in found)
        return tuple(chain.from_iterable(pieces))

    async def copies(
        self, rows: Sequence[MessageRow], *, told: Container[str] = ()
    ) -> Sequence[Copy]:
        """Give copies of messages; see `SharedStore`."""
        self._check_open()
        cursors = [row.cursor for row in rows]
        raws: dict[int, bytes] = dict(await self._reader.ask(postgres_queries.raws(cursors)))
        said = await self._reader.ask(postgres_queries.transcripts(untold(rows, told)))
        transcripts: dict[str, Transcript] = {}
        for session, lines in said:
            transcripts[session] = (*transcripts.get(session, ()), *decode(lines, _Lines))
        places: dict[int, dict[str, Place]] = {}
        for cursor, name, read, tags in await self._reader.ask(postgres_queries.places(cursors)):
            place = Place(bool(read), decode(tags, tuple[str, ...]))
            places.setdefault(cursor, {})[name] = place
        return copies_of(rows, told, raws=raws, transcripts=transcripts, places=places)

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
        return await self._search.find(query, limit=limit, offset=offset, seconds=seconds)

    async def count(self, query: Query | None = None) -> Counts:
        """Count; see `MessageStore`."""
        self._check_open()
        if query is None or query == EVERYTHING:
            return _counts((await self._reader.ask(postgres_queries.totals()))[0])
        if query.mailbox is not None and query == Query(mailbox=query.mailbox):
            found = await self._reader.ask(postgres_queries.mailbox_totals(query.mailbox))
            return _counts(found[0][1:]) if found else Counts(total=0, unread=0, size=0)
        if await self._latest() > self.sequence:
            await self._catch_up()
        return await self._counted.count(query, upto=self.sequence)

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message; see `SharedStore`."""
        row = await super().add(message, transcript, mailbox=mailbox)
        self.index.news.set()
        return row

    async def restore(self, copies: Sequence[Copy]) -> Sequence[str]:
        """Keep messages of another inbox; see `SharedStore`."""
        there = await super().restore(copies)
        self.index.news.set()
        return there

    async def digests(self, rows: Sequence[MessageRow]) -> Mapping[str, Digest]:
        """Give digests; see `MessageStore`."""
        self._check_open()
        names = {row.cursor: row.id for row in rows}
        found = await self._reader.ask(postgres_queries.digests(list(names)))
        return {names[cursor]: decode(digest, Digest) for cursor, digest in found}

    async def progress(self) -> Progress:
        """Give how far the index is; see `Indexed`."""
        self._check_open()
        ((total, behind, oldest),) = await self._reader.ask(postgres_queries.progress())
        since = None if oldest is None else rules.from_microseconds(oldest)
        return Progress(total - behind, behind, since)

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give the mailboxes; see `SharedStore`."""
        self._check_open()
        found = await self._reader.ask(postgres_queries.mailbox_totals())
        return {name: _counts(counts) for name, *counts in found}

    async def tags(self, *, mailbox: str | None = None) -> Mapping[str, int]:
        """Give the tags; see `SharedStore`."""
        self._check_open()
        return dict(await self._reader.ask(postgres_queries.tags(mailbox)))

    async def tag_names(self, *, mailbox: str | None = None) -> Sequence[str]:
        """Give the tags' names; see `SharedStore`."""
        return list(await self.tags(mailbox=mailbox))

    async def _close(self) -> None:
        await super()._close()
        self._watching.cancel()

    async def _close_readers(self) -> None:
        await self._listener.close()
        await self._reader.close()

    async def _look_up(self, message_id: str, question: Question) -> list[tuple[Any, ...]]:
        self._check_open()
        return await self._reader.ask(question) if rules.is_unicode(message_id) else []

    async def _watch(self) -> None:
        """Let no write wait for ever: the server may be there and never answer."""
        while True:
            await asyncio.sleep(self._server.patience / 5)
            self._inbox.end_silence()

    async def _latest(self) -> int:
        """Give the number of the latest change; one of another node may not be heard of yet."""
        ((sequence,),) = await self._reader.ask(postgres_queries.sequence())
        return max(int(sequence), self.sequence)

    async def _recall(self, after: int, upto: int) -> Sequence[Change]:
        """Tell changes again that are remembered in the database."""
        question = postgres_queries.changes(after, upto=upto, limit=_PAGE)
        return _readable(await self._reader.ask(question))

    def _is_news(self, told: str) -> bool:
        """Say whether a number isn't one of a change that was heard of already."""
        return not (told.isdecimal() and len(told) < 20 and int(told) <= self.sequence)

    def _is_looked_at(self) -> bool:
        """
        Say whether what others change is worth reading now.

        If nobody waits for it, it is enough to know its number: what is wanted later is recalled.
        Counts that are remembered are good only as long as every change is known.
        """
        return self._feed.is_followed or not self._counted.is_empty

    async def _catch_up(self) -> None:
        """Learn what others have changed, and hand it on."""
        while self._is_looked_at():
            found = await self._reader.ask(postgres_queries.changes(self.sequence, limit=_PAGE))
            readable = _readable(found)
            if changes := self._new(readable):
                self._inbox.hear(changes[-1].sequence)
                self._hear(changes)
            if len(readable) < len(found):
                break
            if len(found) < _PAGE:
                return
        sequence = await self._latest()
        self._inbox.hear(sequence)
        if sequence > self.sequence:
            self._counted.forget()  # what was counted meanwhile
            self._feed.skip(sequence)

    def _hear(self, changes: Sequence[Change]) -> None:
        """Hand on changes; those of others have maybe been heard of on the other way meanwhile."""
        new = self._new(changes)
        if new and new[0].sequence > self.sequence + 1:
            self._counted.forget()
        super()._hear(new)

    def _new(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [change for change in changes if change.sequence > self.sequence]


def _take(
    server: Server,
    *,
    remembered: int,
    sort: Sort,
    durability: Durability,
    node: str | None = None,
) -> tuple[str, PostgresInbox]:
    """Have the tables made; give the channel of their changes, and the inbox."""
    session = Session(server, durability)
    try:
        channel = migrate(session, server)
        inbox = PostgresInbox(
            server, session, channel=channel, remembered=remembered, sort=sort, node=node
        )
    except BaseException:
        session.close()
        raise
    return channel, inbox


def _readable(found: Sequence[tuple[str]]) -> list[Change]:
    """Give changes as they were told, up to the first that another version wrote differently."""
    changes: list[Change] = []
    with suppress(msgspec.ValidationError):
        for (told,) in found:
            changes.append(decode(told, Change))
    return changes


def _counts(columns: Sequence[int]) -> Counts:
    total, unread, size = columns
    return Counts(total=total, unread=unread, size=size)
