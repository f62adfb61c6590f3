"""Follower: has each message that the store accepts looked at once, and notes how far that got."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, final

from bindpost.errors import StoreError

from ..store.store import MessageRow, MessageStore
from .follow import accepted
from .retry import insist

_UNNOTED: Final = 100
"""Messages passed over before the cursor is noted: noting each would cost an fsync."""


@final
class Follower:
    """
    Follows a store. Messages that another inbox had are passed over: they are no new mail. So are
    those that other nodes took than `node`; see `is_own`.

    `consider` looks at a message, and says whether it has noted its cursor with what it did about
    it; `advance` notes a cursor, unless a later one is noted. Both are tried until they work;
    `failed` is told when they don't.
    """

    def __init__(
        self,
        store: MessageStore,
        consider: Callable[[MessageRow], Awaitable[bool]],
        advance: Callable[[int], Awaitable[None]],
        failed: Callable[[Exception], None],
        *,
        node: str | None,
    ) -> None:
        self._store = store
        self._consider = consider
        self._advance = advance
        self._failed = failed
        self._node = node
        self._cursor = 0
        self._unnoted = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, cursor: int) -> None:
        """Begin behind a cursor."""
        self._cursor = cursor
        self._task = asyncio.create_task(insist(self._follow, self._failed))

    async def stop(self) -> None:
        """Look at nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def note(self) -> None:
        """Note how far it got, after `stop`."""
        if self._unnoted:
            # A job that was just being added may have noted a later one.
            with contextlib.suppress(StoreError):  # they are looked at again
                await self._advance(self._cursor)

    async def _follow(self) -> None:
        async with contextlib.aclosing(accepted(self._store, self._cursor)) as rows:
            async for row in rows:
                is_noted = self._is_news(row) and await self._consider(row)
                self._unnoted = 0 if is_noted else self._unnoted + 1
                if self._unnoted >= _UNNOTED:
                    await self._advance(row.cursor)
                    self._unnoted = 0
                self._cursor = row.cursor

    def _is_news(self, row: MessageRow) -> bool:
        return row.session.moved is None and is_own(row.session.node, self._node)


def is_own(happened_at: str | None, node: str | None) -> bool:
    """
    Say whether a node has to tell of what happened at one.

    What happened at none is everybody's: the inbox had no nodes that went by their names then.
    """
    return happened_at is None or happened_at == node
