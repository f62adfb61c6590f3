"""What a node's indexer is told, and tells, of the search index in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import final

from .index_state import News


@final
class PostgresIndex:
    """
    The indexer's side of a store in the `database` that libpq finds by this.

    The index is in the database, where searches ask for what it has; so all that an indexer is told
    is that this node has taken mail. Those of other nodes look now and then. `upto` is the cursor
    that was reached when the indexer told of it last. Belongs to one event loop.
    """

    def __init__(self, database: str) -> None:
        self.database = database
        self.upto = 0
        self.news = asyncio.Event()
        self.news.set()  # others may have left something undone
        self._progress = asyncio.Event()

    def trust(self, upto: int, *, indexed: int = 0, is_new: bool = False) -> None:
        """Take note of a report: all to this cursor is in the index."""
        self.upto = upto
        self._progress.set()
        self._progress = asyncio.Event()

    async def reached(self, cursor: int) -> None:
        """Wait until all to this cursor is in the index, as far as this node's indexer tells."""
        while self.upto < cursor:
            await self._progress.wait()

    def start_over(self) -> None:
        """Forget the news for an indexer that begins by looking for them."""
        self.news.clear()

    def take(self) -> News:
        """Give the news since the last time."""
        self.news.clear()
        return News()
