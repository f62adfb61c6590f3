"""
Searches in PostgreSQL: by the index, and message by message what is not in it yet.

The index finds the messages that have all grams of a search; each is then looked at with the very
conditions that hold without an index. So a search finds the same with it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, final

from bindpost.errors import SearchTimeoutError

from . import postgres_queries, rules
from .content import ContentSearch, unindexed
from .counted import add, between
from .grams import gains_by_index, grams_of, is_about_content
from .postgres_queries import Question
from .postgres_reader import Reader
from .sql_rows import message_row
from .store import Counts, MessageRow, Query

_PAGE: Final = 100
"""Messages that are read at once where no index helps."""
_STRETCH: Final = 100
"""
Cursors of the first stretch of the index, whose messages are looked at one by one.

A text that many messages have is found there. Their grams would name all those messages.
"""
_GROWTH: Final = 32
"""How many times as long each stretch is as the one before it."""


@final
class Search:
    """Answers queries; belongs to one event loop, as its reader does."""

    def __init__(self, reader: Reader, content: ContentSearch) -> None:
        self._reader = reader
        self._content = content
        self._reading = asyncio.Lock()

    async def find(
        self, query: Query, *, limit: int, offset: int, seconds: float | None
    ) -> list[MessageRow]:
        """Give matching rows, newest first; see `MessageStore`."""
        deadline = self._deadline(query, seconds)
        if _is_about_rows(query):
            question = postgres_queries.find(query, limit=limit, offset=offset)
            return await self._rows(query, question, deadline)
        found: list[MessageRow] = []
        end = offset + limit if limit else None
        async with aclosing(self._matches(query, end or 0, deadline)) as matches:
            async for rows in matches:
                found.extend(rows)
                if end is not None and len(found) >= end:
                    break
        return found[offset:end]

    async def count(self, query: Query, seconds: float | None) -> Counts:
        """Count what matches; `seconds` are those that it may take, None = however long."""
        deadline = self._deadline(query, seconds)
        if _is_about_rows(query):
            return await self._counts(postgres_queries.count(query), deadline)
        if not gains_by_index(query):
            read = [row async for rows in self._read(query, deadline) for row in rows]
            return rules.counts_of(read)
        upto, newest = await self._frontier()
        tail = [row async for rows in self._tail(query, upto, newest, deadline) for row in rows]
        older = between(query, 0, upto)
        indexed = await self._counts(postgres_queries.count_indexed(older), deadline)
        return add(rules.counts_of(tail), indexed)

    async def _matches(
        self, query: Query, limit: int, deadline: float
    ) -> AsyncGenerator[list[MessageRow], None]:
        """Give what matches, newest first, in pieces of `limit` at most, 0 = of any size."""
        if not gains_by_index(query):
            async with aclosing(self._read(query, deadline)) as read:
                async for rows in read:
                    yield rows
            return
        upto, newest = await self._frontier()
        async with aclosing(self._tail(query, upto, newest, deadline)) as tail:
            async for rows in tail:
                yield rows
        for number, stretch in enumerate(_stretches(query, upto)):
            question = postgres_queries.find_indexed(stretch, limit=limit, by_grams=number > 0)
            yield await self._rows(query, question, deadline)

    async def _frontier(self) -> tuple[int, int]:
        """Give the cursor to which the index has all, and that of the newest message."""
        ((upto, newest),) = await self._reader.ask(postgres_queries.frontier())
        return upto, newest

    async def _tail(
        self, query: Query, upto: int, newest: int, deadline: float
    ) -> AsyncGenerator[list[MessageRow], None]:
        """Give what matches of the messages that are not in the index yet."""
        if newest <= upto:
            return
        try:
            async with aclosing(self._read(between(query, upto, newest), deadline)) as read:
                async for rows in read:
                    yield rows
        except SearchTimeoutError as error:
            raise unindexed(error, upto) from None

    async def _read(self, query: Query, deadline: float) -> AsyncGenerator[list[MessageRow], None]:
        """
        Give what matches, read message by message, newest first.

        One page at a time is read, of all searches together, so that others get their turn.
        """
        loop = asyncio.get_running_loop()
        while page := await self._page(query, deadline):
            if is_about_content(query):
                async with self._reading:
                    matching = await asyncio.to_thread(self._holding, query, page, deadline, loop)
                yield matching
            else:
                yield page
            query = between(query, 0, page[-1].cursor - 1)

    async def _page(self, query: Query, deadline: float) -> list[MessageRow]:
        question = postgres_queries.find(query, limit=_PAGE, offset=0)
        return await self._rows(query, question, deadline)

    def _holding(
        self,
        query: Query,
        rows: Sequence[MessageRow],
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> list[MessageRow]:
        """Give the rows whose contents match; in a thread, which has the loop read their bytes."""

        def raw(cursor: int) -> bytes | None:
            asking = self._reader.ask(postgres_queries.raws([cursor]))
            found = asyncio.run_coroutine_threadsafe(asking, loop).result()
            return found[0][1] if found else None

        def holds(row: MessageRow) -> bool:
            return self._content.holds(
                query.terms, row, partial(raw, row.cursor), deadline=deadline
            )

        return [row for row in rows if holds(row)]

    def _deadline(self, query: Query, seconds: float | None) -> float:
        is_limited = seconds is not None or is_about_content(query)
        return self._content.deadline(seconds) if is_limited else math.inf

    async def _rows(self, query: Query, question: Question, deadline: float) -> list[MessageRow]:
        found = await self._ask(question, deadline)
        return [message_row(columns, query.mailbox) for columns in found]

    async def _counts(self, question: Question, deadline: float) -> Counts:
        ((total, unread, size),) = await self._ask(question, deadline)
        return Counts(total=total, unread=unread, size=size)

    async def _ask(self, question: Question, deadline: float) -> list[Any]:
        if deadline == math.inf:
            return await self._reader.ask(question)
        left = max(0.001, deadline - time.monotonic())
        try:
            return await self._reader.ask(question, seconds=left)
        except SearchTimeoutError:
            raise self._content.timeout() from None


def _is_about_rows(query: Query) -> bool:
    """Say whether a query is answered by the messages' own rows, and no index makes it quicker."""
    return not is_about_content(query) and not grams_of(query)


def _stretches(query: Query, upto: int) -> Iterator[Query]:
    """Cut a query into parts to be asked one after the other, up to a cursor, newest first."""
    first = max(0, query.after or 0)
    last = upto if query.before is None else min(query.before - 1, upto)
    length = _STRETCH
    while last > first:
        after = max(first, last - length)
        yield between(query, after, last)
        last = after
        length *= _GROWTH
