"""Tags in a database; used by the thread that writes, inside the transaction that it has begun."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, final

from .sql_rows import Found, Rows, pieces
from .sql_session import SqlSession
from .terms import fold

_KNOWN: Final = "(SELECT name FROM {table} WHERE {here} AND folded = ? LIMIT 1)"
_HAVING: Final = (
    "SELECT id FROM {table} JOIN message USING (cursor)"
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

    def __init__(self, session: SqlSession, mailbox: str | None = None) -> None:
        self._session = session
        self._table = "tag" if mailbox is None else "mailbox_tag"
        self._here = "TRUE" if mailbox is None else "mailbox = ?"
        self._mailbox = () if mailbox is None else (mailbox,)

    def known(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        names: list[str | None] = []
        for some in pieces(tags):
            # One by one: of a tag that many messages have, the index is asked for the first.
            sql = self._about(f"SELECT {', '.join([_KNOWN] * len(some))}")
            values = [value for tag in some for value in (*self._mailbox, fold(tag))]
            names += self._session.execute(sql, values).fetchone()
        return tuple(name or tag for name, tag in zip(names, tags, strict=True))

    def replace(self, cursors: Collection[int], tags: Sequence[str]) -> set[int]:
        """Give messages these tags instead of those that they have; give whose changed."""
        wanted = list(self.known(tags))
        had: dict[int, list[str]] = {cursor: [] for cursor in cursors}
        for cursor, name in self._run(
            "SELECT cursor, name FROM {table} WHERE {here} AND cursor {among}",
            self._session.several(list(cursors)),
        ).fetchall():
            had[cursor].append(name)
        changed = {cursor for cursor, names in had.items() if sorted(names, key=fold) != wanted}
        self.remove(changed)
        rows = _new_tags(self._session, self._table)
        for cursor in changed:
            for tag in wanted:
                rows.add(*self._mailbox, cursor, fold(tag), tag)
        with self._session.together():
            rows.write(self._session)
        return changed

    def remove(self, cursors: Collection[int]) -> None:
        """Take all tags off messages."""
        several = self._session.several(list(cursors))
        self._run("DELETE FROM {table} WHERE {here} AND cursor {among}", several)

    def having(self, name: str, *, within: str | None = None) -> list[str]:
        """Give the ids of the messages that have a tag; only of those with it in a mailbox too."""
        sql, own = _narrow(_HAVING, name, within)
        return [message_id for (message_id,) in self._run(sql, fold(name), *own).fetchall()]

    def rename(self, name: str, new: str | None, *, within: str | None = None) -> bool:
        """
        Change a tag's name, None = remove it; say whether that changed any.

        With `within` only on messages that have it in that mailbox too; a change of its case is
        none while others have it.
        """
        if new is None:
            sql, own = _narrow(
                "DELETE FROM {table} WHERE {here} AND folded = ? {within}", name, within
            )
            return self._run(sql, fold(name), *own).rowcount > 0
        is_other = fold(new) != fold(name)
        if is_other or (within and self.having(name) != self.having(name, within=within)):
            (new,) = self.known((new,))
        merged = self._merge(name, new, within) if is_other else 0
        sql, own = _narrow(
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
        sql, own = _narrow(
            "DELETE FROM {table} WHERE {here} AND folded = ? AND cursor IN"
            " (SELECT cursor FROM {table} WHERE {here} AND folded = ?) {within}",
            name,
            within,
        )
        return self._run(sql, fold(name), *self._mailbox, fold(new), *own).rowcount

    def _run(self, sql: str, *parameters: object) -> Found:
        """Execute SQL whose first parameter, if there is one, is the mailbox."""
        return self._session.execute(self._about(sql), (*self._mailbox, *parameters))

    def _about(self, sql: str) -> str:
        """Give SQL about the table that has the tags here."""
        return sql.format(table=self._table, here=self._here, among=self._session.among)


@final
class NewTags:
    """
    The tags that new messages have, in the whole inbox and in mailboxes, until `write` writes them.

    Each is in the case in which it is known there, to the database or from a message before.
    """

    def __init__(self, session: SqlSession) -> None:
        self._session = session
        self._names: dict[tuple[str | None, str], str] = {}
        self._whole = _new_tags(session, "tag")
        self._own = _new_tags(session, "mailbox_tag")

    def add(self, cursor: int, tags: Sequence[str], mailbox: str | None = None) -> tuple[str, ...]:
        """Take the tags of a new message; give them in the case in which they are known."""
        if not tags:
            return ()
        new = [tag for tag in tags if (mailbox, fold(tag)) not in self._names]
        for tag, name in zip(new, Tags(self._session, mailbox).known(new), strict=True):
            self._names[mailbox, fold(tag)] = name
        names = tuple(self._names[mailbox, fold(tag)] for tag in tags)
        for name in names:
            if mailbox is None:
                self._whole.add(cursor, fold(name), name)
            else:
                self._own.add(mailbox, cursor, fold(name), name)
        return names

    def write(self) -> None:
        """Write them. Raises what the database raises."""
        self._names.clear()
        self._whole.write(self._session)
        self._own.write(self._session)

    def clear(self) -> None:
        """Forget them."""
        self._names.clear()
        self._whole.clear()
        self._own.clear()


def _new_tags(session: SqlSession, table: str) -> Rows:
    mailbox = ("mailbox",) if table == "mailbox_tag" else ()
    return session.new_rows(table, *mailbox, "cursor", "folded", "name")


def _narrow(sql: str, name: str, within: str | None) -> tuple[str, Sequence[str]]:
    """Narrow SQL to the messages that have a tag in a mailbox too, None = any."""
    if within is None:
        return sql.replace("{within}", ""), ()
    return sql.replace("{within}", _WITHIN), (within, fold(name))
