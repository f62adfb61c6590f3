"""
The indexer: `python -m bindpost.server.indexer [FOLDER]`, a child of the server.

Without a folder the first order names the database that the inbox is in.

It takes orders from standard input and ends with it, so it never outlives the server, however that
ends. It reports on standard output. See `talk` for both.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError

from ..store.sqlite_connection import DATABASE_FILE, open_reader
from ..store.sqlite_index import INDEX_FILE
from .building import Building, NoRoomError
from .file import IndexFile
from .reading import limit_memory
from .talk import Order, Orders, Report, say

NICENESS: Final = 10
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""What SQLite says of a damaged file; the last when tables are missing."""


@final
class Indexer:
    """Does what is ordered, and puts in what is new, until the orders end."""

    def __init__(self, folder: Path, orders: Orders) -> None:
        self._orders = orders
        self._index = IndexFile(folder / INDEX_FILE)
        self._mail = open_reader(folder / DATABASE_FILE)
        self._building = Building(self._index, self._mail, ending=self._has_ended)
        self._has_mended = False

    def run(self) -> None:
        """Run. Raises what SQLite raises, `NoRoomError` beside."""
        with closing(self._mail):
            order: Order | None = Order(compare=True)
            while not self._has_ended():
                try:
                    busy = self._do(order)
                except sqlite3.DatabaseError as error:
                    if self._has_mended or not _is_damage(error):
                        raise
                    self._has_mended = True
                    self._index.remake(f"it is damaged ({error})")
                    busy = True
                order = self._orders.next(seconds=0 if busy else None)
            self._index.close()

    def _has_ended(self) -> bool:
        return self._orders.has_ended

    def _do(self, order: Order | None) -> bool:
        """Carry an order out, and a step of the work; say whether there may be more of it."""
        if order is not None:
            self._obey(order)
        elif not self._index.is_there:
            self._index.remake("somebody has removed it")
        busy = self._building.step() > 0
        self._report()
        return busy or self._building.tidy()

    def _obey(self, order: Order) -> None:
        if order.rebuild or not self._index.is_there:
            self._index.remake(order.rebuild or "somebody has removed it")
        if order.compare:
            self._building.compare()
        if order.deleted:
            self._building.remove(order.deleted)

    def _report(self) -> None:
        state = self._index.state()
        say(Report(upto=state.upto, indexed=state.indexed, rebuilt=self._index.rebuilt))
        self._index.rebuilt = ""


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def main(folder: Path | None) -> int:
    """Be the indexer of a data folder, or of a database; gives the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the server, which ends this one
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "nice"):
        with suppress(OSError):  # a sandbox may forbid it
            os.nice(NICENESS)
    limit_memory()
    try:
        _run(folder)
    except BrokenPipeError:
        return 0  # the server is gone
    except (sqlite3.Error, OSError, MemoryError, StoreError, NoRoomError) as error:
        say(Report(failed=str(error) or type(error).__name__))
        return 1
    return 0


def _run(folder: Path | None) -> None:
    if folder is not None:
        Indexer(folder, Orders()).run()
        return
    from . import postgres  # needs psycopg, which is there when an inbox is in PostgreSQL

    postgres.run(Orders())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else None))
