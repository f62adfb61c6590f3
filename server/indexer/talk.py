"""What the server and the indexer say to each other: a line of JSON each, through two pipes."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What the server says: look for new messages, and forget these.

    `compare` has the whole index compared with the inbox, `rebuild` says why it must be made anew.
    """

    deleted: tuple[str, ...] = ()
    compare: bool = False
    rebuild: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What the indexer says: all to the cursor `upto` is in the index, `indexed` messages.

    With it the indexer vouches for the file. `rebuilt` says why it was made anew, `failed` why the
    indexer ends.
    """

    upto: int = 0
    indexed: int = 0
    rebuilt: str = ""
    failed: str = ""


def write_line(value: Order | Report) -> bytes:
    """Give a line."""
    return msgspec.json.encode(value) + b"\n"


def read_order(line: bytes) -> Order:
    """Read an order's line."""
    return msgspec.json.decode(line, type=Order)


def read_report(line: bytes) -> Report:
    """Read a report's line. Raises `ValueError` for anything else."""
    return msgspec.json.decode(line, type=Report)
