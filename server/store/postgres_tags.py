"""Tags in PostgreSQL; used by the thread that writes, inside the transaction that it has begun."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, final

from .postgres_connection import Session, new_rows
from .sql_rows import Found
from .terms import fold

_HAVING: Final = (
    "SELECT cursor, id FROM {table} JOIN message USING (cursor)"
    " WHERE {here} AND folded = ? {within} ORDER BY cursor"
)
_WITHIN: Final = (
    "AND cursor IN (SELECT cursor FROM mailbox_tag AS own WHERE own.mailbox = ? AND own.folded = ?)"
)


@final
class Tags:
    """
    Writes the tags that messages have in the whole inbox, or those that they have in a mailbox.

    There each tag is in one case everywhere.
    """

    def __init__(self, session: Session, mailbox: str | None = None) -> None:
        self._session = session
        self._table = "tag" if mailbox is None else "mailbox_tag"
        self._here = "TRUE" if mailbox is None else "mailbox = ?"
        self._mailbox = () if mailbox is None else (mailbox,)

    def known(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        found = self._run(
            "SELECT DISTINCT folded, name FROM {table} WHERE {here} AND folded = ANY(?)",
            list(map(fold, tags)),
        )
        names: dict[str, str] = dict(found.fetchall())
        return tuple(names.get(fold(tag), tag) for tag in tags)

    def replace(self, cursors: Collection[int], tags: Sequence[str]) -> set[int]:
        """Give messages these tags instead of those that they have; give whose changed."""
        wanted = list(self.known(tags))
        found = self._run(
            "SELECT cursor, array_agg(name ORDER BY folded) FROM {table}"
            " WHERE {here} AND cursor = ANY(?) GROUP BY cursor",
            list(cursors),
        )
        had: dict[int, list[str]] = dict(found.fetchall())
        changed = {cursor for cursor in cursors if had.get(cursor, []) != wanted}
        if changed:
            self.remove(changed)
            self._run(
                "INSERT INTO {table} SELECT {marks}cursor, folded, name"
                " FROM unnest(?::bigint[]) AS cursor,"
                " unnest(?::text[], ?::text[]) AS given (folded, name)",
                *(sorted(changed), list(map(fold, wanted)), wanted),
            )
        return changed

    def remove(self, cursors: Collection[int]) -> None:
        """Take all tags off messages."""
        self._run("DELETE FROM {table} WHERE {here} AND cursor = ANY(?)", list(cursors))

    def having(self, name: str, *, within: str | None = None) -> list[str]:
        """Give the ids of the messages that have a tag; only of those with it in a mailbox too."""
        sql, own = self._within(_HAVING, name, within)
        return [message_id for _, message_id in self._run(sql, fold(name), *own).fetchall()]

    def rename(self, name: str, new: str | None, *, within: str | None = None) -> bool:
        """
        Change a tag's name, None = remove it; say whether that changed any.

        With `within` only on messages that have it in that mailbox too; a change of its case is
        none while others have it.
        """
        if new is None:
            sql, own = self._within(
                "DELETE FROM {table} WHERE {here} AND folded = ? {within}", name, within
            )
            return self._run(sql, fold(name), *own).rowcount > 0
        is_other = fold(new) != fold(name)
        if is_other or (within and self.having(name) != self.having(name, within=within)):
            (new,) = self.known((new,))
        merged = self._merge(name, new, within) if is_other else 0
        sql, own = self._within(
            "UPDATE {table} SET folded = ?, name = ? WHERE {here} AND folded = ? AND name != ?"
            " {within}",
            name,
            within,
        )
        changed = self._session.execute(
            self._about(sql), (fold(new), new, *self._mailbox, fold(name), new, *own)
        )
        return merged + changed.rowcount > 0

    def _merge(self, name: str, new: str, within: str | None) -> int:
        """Take a tag off the messages that have the one that it becomes; give of how many."""
        sql, own = self._within(
            "DELETE FROM {table} WHERE {here} AND folded = ? AND cursor IN"
            " (SELECT cursor FROM {table} WHERE {here} AND folded = ?) {within}",
            name,
            within,
        )
        parameters = (*self._mailbox, fold(name), *self._mailbox, fold(new), *own)
        return self._session.execute(self._about(sql), parameters).rowcount

    def _within(self, sql: str, name: str, within: str | None) -> tuple[str, Sequence[str]]:
        """Narrow SQL to the messages that have a tag in a mailbox too, None = any."""
        if within is None:
            return sql.replace("{within}", ""), ()
        return sql.replace("{within}", _WITHIN), (within, fold(name))

    def _run(self, sql: str, *parameters: object) -> Found:
        """Execute SQL whose first parameter, if there is one, is the mailbox."""
        return self._session.execute(self._about(sql), (*self._mailbox, *parameters))

    def _about(self, sql: str) -> str:
        """Give SQL about the table that has the tags here."""
        return sql.format(table=self._table, here=self._here, marks="?, " * len(self._mailbox))


@final
class NewTags:
    """
    The tags that new messages have, in the whole inbox and in mailboxes, until `write` writes them.

    Each is in the case in which it is known there, to the database or from a message before.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[tuple[str | None, str], str] = {}
        self._whole = new_rows("tag", "cursor", "folded", "name")
        self._own = new_rows("mailbox_tag", "mailbox", "cursor", "folded", "name")

    def add(self, cursor: int, tags: Sequence[str], mailbox: str | None = None) -> tuple[str, ...]:
        """Take the tags of a new message; give them in the case in which they are known."""
        new = [tag for tag in tags if (mailbox, fold(tag)) not in self._names]
        if new:
            known = Tags(self._session, mailbox).known(new)
            self._names.update(((mailbox, fold(tag)), tag) for tag in known)
        names = tuple(self._names[mailbox, fold(tag)] for tag in tags)
        for name in names:
            if mailbox is None:
                self._whole.add(cursor, fold(name), name)
            else:
                self._own.add(mailbox, cursor, fold(name), name)
        return names

    def write(self) -> None:
        """Write them. Raises what psycopg raises."""
        self._names.clear()
        self._whole.write(self._session)
        self._own.write(self._session)

    def clear(self) -> None:
        """Forget them."""
        self._names.clear()
        self._whole.clear()
        self._own.clear()
