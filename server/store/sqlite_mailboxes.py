"""Mailboxes in `mail.db`: their counts, and what the thread that writes does to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import final

from .sqlite_tags import Tags
from .store import Counts, Place
from .terms import fold


def counts(connection: sqlite3.Connection, mailbox: str) -> Counts:
    """Count what is in a mailbox."""
    found = connection.execute(
        "SELECT total, unread, size FROM mailbox_total WHERE name = ?", (mailbox,)
    ).fetchone()
    total, unread, size = found or (0, 0, 0)
    return Counts(total=total, unread=unread, size=size)


def all_counts(connection: sqlite3.Connection) -> Mapping[str, Counts]:
    """Count what is in each mailbox."""
    found = connection.execute("SELECT name, total, unread, size FROM mailbox_total ORDER BY name")
    return {
        name: Counts(total=total, unread=unread, size=size) for name, total, unread, size in found
    }


@final
class Mailboxes:
    """Writes which message is in which mailbox, and their counts; used inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def of(self, cursor: int, mailbox: str | None = None) -> list[str]:
        """Give the mailboxes that a message is in; of these only `mailbox` if it is given."""
        found = self._connection.execute(
            "SELECT name FROM mailbox WHERE cursor = ? ORDER BY name", (cursor,)
        )
        return [name for (name,) in found if mailbox in (None, name)]

    def having(self, tag: str) -> list[str]:
        """Give the mailboxes in which messages have a tag."""
        found = self._connection.execute(
            "SELECT DISTINCT mailbox FROM mailbox_tag WHERE folded = ?", (fold(tag),)
        )
        return [name for (name,) in found]

    def put_in(self, cursor: int, size: int, places: Mapping[str, Place]) -> None:
        """Put a message into these mailboxes, with its read flag and its tags in each."""
        for name, place in places.items():
            self._connection.execute(
                "INSERT INTO mailbox (name, cursor, read) VALUES (?, ?, ?)",
                (name, cursor, place.read),
            )
            if place.tags:
                own = Tags(self._connection, name)
                own.replace(cursor, own.known(place.tags))
            self._count(name, total=1, unread=int(not place.read), size=size)

    def mark(self, cursor: int, name: str, *, read: bool) -> bool:
        """Set or clear a message's read flag in a mailbox; say whether that changed it."""
        changed = self._connection.execute(
            "UPDATE mailbox SET read = ? WHERE name = ? AND cursor = ? AND read != ?",
            (read, name, cursor, read),
        )
        if changed.rowcount:
            self._count(name, unread=-1 if read else 1)
        return changed.rowcount > 0

    def take_out(self, cursor: int, size: int, name: str) -> None:
        """Take a message out of a mailbox in which it is."""
        where = "WHERE name = ? AND cursor = ?"
        (read,) = self._connection.execute(
            f"SELECT read FROM mailbox {where}",  # noqa: S608 - constants only
            (name, cursor),
        ).fetchone()
        self._connection.execute(
            f"DELETE FROM mailbox {where}",  # noqa: S608 - constants only
            (name, cursor),
        )
        Tags(self._connection, name).replace(cursor, ())
        self._count(name, total=-1, unread=0 if read else -1, size=-size)

    def _count(self, name: str, *, total: int = 0, unread: int = 0, size: int = 0) -> None:
        self._connection.execute(
            "INSERT INTO mailbox_total (name, total, unread, size) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET total = total + excluded.total,"
            " unread = unread + excluded.unread, size = size + excluded.size",
            (name, total, unread, size),
        )
        if total < 0:
            self._connection.execute(
                "DELETE FROM mailbox_total WHERE name = ? AND total = 0", (name,)
            )
