"""What the server and the indexer say to each other: a line of JSON each, through two pipes."""

from __future__ import annotations

import queue
import sys
import threading
from typing import final

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What the server says: look for new messages, and forget these.

    `compare` has the whole index compared with the inbox, `rebuild` says why it must be made anew.
    The first order tells libpq where the `database` is, as far as the inbox is in one: others can
    read arguments, and this may hold a password. It also names the cursor of a message that has
    ended two indexers, the `suspect`.
    """

    deleted: tuple[str, ...] = ()
    compare: bool = False
    rebuild: str = ""
    database: str = ""
    suspect: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What the indexer says: all to the cursor `upto` is in the index, `indexed` messages.

    With it the indexer vouches for the file. `rebuilt` says why it was made anew, `failed` why the
    indexer ends; `reading` is the cursor of the message that it begins to read.
    """

    upto: int = 0
    indexed: int = 0
    rebuilt: str = ""
    failed: str = ""
    reading: int = 0


def write_line(value: Order | Report) -> bytes:
    """Give a line."""
    return msgspec.json.encode(value) + b"\n"


def read_order(line: bytes) -> Order:
    """Read an order's line."""
    return msgspec.json.decode(line, type=Order)


def read_report(line: bytes) -> Report:
    """Read a report's line. Raises `ValueError` for anything else."""
    return msgspec.json.decode(line, type=Report)


def say(report: Report) -> None:
    """Tell the server something. Raises `BrokenPipeError` when it is gone."""
    sys.stdout.buffer.write(write_line(report))
    sys.stdout.buffer.flush()


@final
class Orders:
    """The orders as they come, read by a thread of their own."""

    def __init__(self) -> None:
        self.has_ended = False
        self._queue: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def next(self, *, seconds: float | None) -> Order | None:
        """Wait for the next order, None = however long; None at the end, and if none comes."""
        try:
            return self._queue.get(timeout=seconds) if seconds != 0 else self._queue.get_nowait()
        except queue.Empty:
            return None

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self._queue.put(read_order(line))
        self.has_ended = True
        self._queue.put(None)
