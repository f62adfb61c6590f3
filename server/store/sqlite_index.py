"""
The search index: what `index.db` holds, and how the readers of `mail.db` get at it.

It is made from `mail.db` alone, by a process of its own (see `bindpost.server.indexer`), and can be
thrown away at any time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError

from .index_state import News
from .store import Change

INDEX_FILE: Final = "index.db"
NOTED: Final = 10_000
"""Deleted messages that are noted for the indexer; after more it has to compare all."""
_SCHEMA_NAME: Final = "search"


class IndexUnusableError(StoreError):
    """The index can't be read: it is damaged, or goes just now; what it would tell must be read."""


def has_grams() -> bool:
    """Say whether this SQLite can make the index: FTS5 with its tokenizer `trigram` (3.34)."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE grams USING fts5(text, tokenize = 'trigram')")
        except sqlite3.Error:
            return False
        return True


@final
class SearchIndex:
    """
    The index as the readers of `mail.db` see it, each on its own connection.

    It is used when somebody vouches for it (`trust`), because a file of that name may belong to
    another inbox. What could not be read is trusted again only when it has been made anew: a report
    that was under way by then vouches for nothing. `upto` is the cursor that was reached when the
    indexer told of it last. `news` is set when there is something for the indexer to `take`. `open`
    is for the threads of readers, all else for the event loop.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_trusted = False
        self.upto = 0
        self.indexed = 0
        self.database = ""
        self.news = asyncio.Event()
        self._progress = asyncio.Event()
        self._deleted: list[str] = []
        self._is_damaged = False
        self._is_damage_told = False
        self._own = threading.local()

    def trust(self, upto: int, *, indexed: int = 0, is_new: bool) -> None:
        """Use the index from now on: it is of this inbox, and has all to this cursor."""
        if is_new:
            self._is_damaged = False
        if self._is_damaged:
            return
        self.is_trusted = True
        self.upto = upto
        self.indexed = indexed
        self._progress.set()
        self._progress = asyncio.Event()

    async def reached(self, cursor: int) -> None:
        """Wait until all to this cursor is in the index."""
        while not self.is_trusted or self.upto < cursor:
            await self._progress.wait()

    def give_up(self) -> None:
        """Use it no more until it has been made anew; it can't be read."""
        if self.is_trusted:
            self.is_trusted = False
            self._is_damaged, self._is_damage_told = True, False
            self.news.set()

    def hear(self, changes: Sequence[Change]) -> None:
        """Take note of what has happened to the inbox."""
        for change in changes:
            if change.kind == "deleted" and len(self._deleted) <= NOTED:
                self._deleted.extend(change.ids)
        if any(change.kind in ("added", "deleted") for change in changes):
            self.news.set()

    def start_over(self) -> None:
        """Forget the news for an indexer that begins by comparing all; damage is told again."""
        self._deleted = []
        self._is_damage_told = False
        self.news.clear()
        if self._is_damaged:
            self.news.set()

    def take(self) -> News:
        """Give the news since the last time."""
        has_missed = len(self._deleted) > NOTED
        is_damaged = self._is_damaged and not self._is_damage_told
        news = News(() if has_missed else tuple(self._deleted), has_missed, is_damaged)
        self._deleted, self._is_damage_told = [], True
        self.news.clear()
        return news

    @contextmanager
    def open(self, connection: sqlite3.Connection) -> Iterator[int]:
        """
        Give the cursor up to which the index has all, and hold it there for the block.

        In the block the tables of the index are on the connection. Raises `IndexUnusableError`,
        also in place of what SQLite raises in the block.
        """
        if not self.is_trusted:
            raise IndexUnusableError
        try:
            self._attach(connection)
            connection.execute("BEGIN")
            try:
                (upto,) = connection.execute("SELECT upto FROM search.state").fetchone()
                yield upto
            finally:
                with suppress(sqlite3.Error):
                    connection.rollback()
        except (sqlite3.Error, OSError) as error:
            raise IndexUnusableError(str(error)) from error

    def _attach(self, connection: sqlite3.Connection) -> None:
        """Attach the file that is there now; it may be another than the last time."""
        found = os.stat(self.path)
        attached = (connection, found.st_dev, found.st_ino)
        if getattr(self._own, "attached", None) == attached:
            return
        self._own.attached = None
        with suppress(sqlite3.Error):
            connection.execute(f"DETACH {_SCHEMA_NAME}")
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection.execute(f"ATTACH ? AS {_SCHEMA_NAME}", (uri,))
        self._own.attached = attached
