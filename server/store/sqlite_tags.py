"""Tags in `mail.db`; used by the thread that writes, inside the transaction that it has begun."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, final

from .sql_rows import Rows
from .terms import fold

_WITHIN: Final = (
    "(? IS NULL OR cursor IN"
    " (SELECT cursor FROM mailbox_tag AS own WHERE own.mailbox = ? AND own.folded = ?))"
)


@final
class Tags:
    """
    Writes the tags that messages have in the whole inbox, or those that they have in a mailbox.

    There each tag is in one case everywhere.
    """

    def __init__(self, connection: sqlite3.Connection, mailbox: str | None = None) -> None:
        self._connection = connection
        self._table = "tag" if mailbox is None else "mailbox_tag"
        self._here = "TRUE" if mailbox is None else "mailbox = ?"
        self._mailbox = () if mailbox is None else (mailbox,)

    def known(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        return tuple(self._known(tag) for tag in tags)

    def replace(self, cursor: int, tags: Sequence[str]) -> bool:
        """Give a message these tags instead of those that it has; say whether that changed any."""
        had = self._run(
            "SELECT name FROM {table} WHERE {here} AND cursor = ? ORDER BY folded", cursor
        )
        if [name for (name,) in had] == list(tags):
            return False
        self._run("DELETE FROM {table} WHERE {here} AND cursor = ?", cursor)
        for tag in tags:
            self._run("INSERT INTO {table} VALUES ({marks}?, ?, ?)", cursor, fold(tag), tag)
        return True

    def having(self, name: str, *, within: str | None = None) -> list[str]:
        """Give the ids of the messages that have a tag; only of those with it in a mailbox too."""
        found = self._run(
            "SELECT id FROM {table} JOIN message USING (cursor)"
            " WHERE {here} AND folded = ? AND {within} ORDER BY cursor",
            fold(name),
            *(within, within, fold(name)),
        )
        return [message_id for (message_id,) in found]

    def rename(self, name: str, new: str | None, *, within: str | None = None) -> bool:
        """
        Change a tag's name, None = remove it; say whether that changed any.

        With `within` only on messages that have it in that mailbox too; a change of its case is
        none while others have it.
        """
        has_others = within is not None and self.having(name) != self.having(name, within=within)
        if new is not None and (fold(new) != fold(name) or has_others):
            new = self._known(new)
        which = "WHERE {here} AND folded = ? AND {within}"
        named = (fold(name), within, within, fold(name))
        if new is None:
            return self._run("DELETE FROM {table} " + which, *named).rowcount > 0  # noqa: S608
        # A message that has the new one already keeps one of the two.
        change = "UPDATE OR REPLACE {table} SET folded = ?, name = ? "
        changed = self._connection.execute(
            self._about(change + which + " AND name != ?"),
            (fold(new), new, *self._mailbox, *named, new),
        )
        return changed.rowcount > 0

    def _known(self, tag: str) -> str:
        found = self._run(
            "SELECT name FROM {table} WHERE {here} AND folded = ? LIMIT 1", fold(tag)
        ).fetchone()
        return found[0] if found else tag

    def _run(self, sql: str, *parameters: str | int | None) -> sqlite3.Cursor:
        """Execute SQL whose first parameter, if there is one, is the mailbox."""
        return self._connection.execute(self._about(sql), (*self._mailbox, *parameters))

    def _about(self, sql: str) -> str:
        """Give SQL about the table that has the tags here."""
        marks = "?, " * len(self._mailbox)
        return sql.format(table=self._table, here=self._here, marks=marks, within=_WITHIN)


@final
class NewTags:
    """
    The tags that new messages have in the whole inbox, collected until `write` writes them.

    Each is in the case in which it is known, to the database or from a message before.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._written = Tags(connection)
        self._new: dict[str, str] = {}
        self._rows = Rows("tag", "cursor", "folded", "name")

    def add(self, cursor: int, tags: Sequence[str]) -> tuple[str, ...]:
        """Take the tags of a new message; give them in the case in which they are known."""
        known = tuple(
            self._new.setdefault(fold(tag), name)
            for tag, name in zip(tags, self._written.known(tags), strict=True)
        )
        for tag in known:
            self._rows.add(cursor, fold(tag), tag)
        return known

    def write(self) -> None:
        """Write them. Raises what SQLite raises."""
        self._new.clear()
        self._rows.write(self._connection)

    def clear(self) -> None:
        """Forget them."""
        self._new.clear()
        self._rows.clear()
