"""Has the search index of a store made, where it can have one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from bindpost import events
from bindpost.log import get_logger

from ..store.index_state import Indexed, IndexState, TellsIndex
from ..store.sqlite import SqliteStore
from ..store.sqlite_index import has_grams
from ..store.store import MessageStore
from .supervising import Supervisor, start_indexer

_LOG: Final = get_logger("bindpost.indexer")
IN_MEMORY: Final = "The inbox is in memory, and searched there."
NO_GRAMS: Final = "this SQLite has no FTS5 with the tokenizer trigram (3.34 and later have)"


class NoIndex:
    """Tells that there is no index, and why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def state(self) -> IndexState:
        """Give that."""
        return IndexState(state="none", reason=self._reason)


def can_index() -> bool:
    """Say whether there can be an index; if there can't, the log says why."""
    possible = has_grams()
    if not possible:
        _LOG.warning(events.INDEX_IMPOSSIBLE, reason=NO_GRAMS)
    return possible


@contextlib.asynccontextmanager
async def indexing(store: MessageStore) -> AsyncIterator[TellsIndex]:
    """Have the index of a store made while the block runs, if it can have one."""
    if not isinstance(store, Indexed):
        yield NoIndex(IN_MEMORY)
        return
    folder = store.index.path.parent if isinstance(store, SqliteStore) else None
    if folder is not None and not can_index():
        yield NoIndex(NO_GRAMS)
        return
    supervisor = Supervisor(store, partial(start_indexer, folder))
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
