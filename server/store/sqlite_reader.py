"""The read side of a database: connections of its own, used in threads of its own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar, final

from bindpost.errors import StoreError

from .sqlite_connection import open_reader, translated

_THREADS: Final = 4
"""So that a search through many messages does not hold up a look at one."""

_T = TypeVar("_T")


@final
class Reader:
    """Asks a database questions without blocking the event loop; each thread has a connection."""

    def __init__(self, path: Path, *, threads: int = _THREADS) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="bindpost-store-reader")
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._closed = False

    async def ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Give the answer to a question. Raises `StoreError`."""
        if self._closed:
            raise StoreError(f"{self._path} is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    async def close(self) -> None:
        """Let running questions end, then close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        with translated(self._path):
            return question(self._connection())

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = open_reader(self._path)
            self._own.connection = connection
            self._connections.append(connection)
        return connection
