"""Tags in `mail.db`; used by the thread that writes, inside the transaction that it has begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import final

from .sqlite_rows import Rows
from .terms import fold


@final
class Tags:
    """
    Writes the tags of messages, each of them in one case everywhere.

    Those of new messages are collected, until `write` writes them.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._new: dict[str, str] = {}
        self._rows = Rows("tag", "cursor", "folded", "name")

    def add(self, cursor: int, tags: Sequence[str]) -> tuple[str, ...]:
        """Take the tags of a new message; give them in the case in which they are known."""
        known = tuple(self._new.setdefault(fold(tag), self._known(tag)) for tag in tags)
        for tag in known:
            self._rows.add(cursor, fold(tag), tag)
        return known

    def write(self) -> None:
        """Write the tags of new messages."""
        self._new.clear()
        self._rows.write(self._connection)

    def clear(self) -> None:
        """Forget the tags of new messages."""
        self._new.clear()
        self._rows.clear()

    def known(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        return tuple(self._known(tag) for tag in tags)

    def replace(self, cursor: int, tags: Sequence[str]) -> bool:
        """Give a message these tags instead of those that it has; say whether that changed any."""
        had = self._connection.execute(
            "SELECT name FROM tag WHERE cursor = ? ORDER BY folded", (cursor,)
        ).fetchall()
        if [name for (name,) in had] == list(tags):
            return False
        self._connection.execute("DELETE FROM tag WHERE cursor = ?", (cursor,))
        self._connection.executemany(
            "INSERT INTO tag (cursor, folded, name) VALUES (?, ?, ?)",
            [(cursor, fold(tag), tag) for tag in tags],
        )
        return True

    def having(self, name: str) -> list[str]:
        """Give the ids of the messages that have a tag."""
        found = self._connection.execute(
            "SELECT id FROM tag JOIN message USING (cursor) WHERE folded = ? ORDER BY cursor",
            (fold(name),),
        )
        return [message_id for (message_id,) in found]

    def rename(self, name: str, new: str | None) -> bool:
        """Change a tag's name everywhere, None = remove it; say whether that changed any."""
        if new is not None and fold(new) != fold(name):
            new = self._known(new)
        if new is None:
            changed = self._connection.execute("DELETE FROM tag WHERE folded = ?", (fold(name),))
            return changed.rowcount > 0
        # A message that has the new one already keeps one of the two.
        changed = self._connection.execute(
            "UPDATE OR REPLACE tag SET folded = ?, name = ? WHERE folded = ? AND name != ?",
            (fold(new), new, fold(name), new),
        )
        return changed.rowcount > 0

    def _known(self, tag: str) -> str:
        found = self._connection.execute(
            "SELECT name FROM tag WHERE folded = ? LIMIT 1", (fold(tag),)
        ).fetchone()
        return found[0] if found else tag
