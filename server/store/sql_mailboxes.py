"""Mailboxes in a database: what the thread that writes does to them, inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, final

from .sql_places import Members
from .sql_session import SqlSession
from .sql_tags import Tags
from .terms import fold

_COUNT_ON: Final = (
    "ON CONFLICT (name) DO UPDATE SET total = mailbox_total.total + excluded.total,"
    " unread = mailbox_total.unread + excluded.unread, size = mailbox_total.size + excluded.size"
)


class _Step(NamedTuple):
    """How the counts of a mailbox change."""

    total: int = 0
    unread: int = 0
    size: int = 0


@final
class Mailboxes:
    """Writes which message is in which mailbox, and their counts; new ones wait for `write`."""

    def __init__(self, session: SqlSession) -> None:
        self._session = session
        self._new = session.new_rows("mailbox", "name", "cursor", "read")
        self._totals = session.new_rows(
            "mailbox_total", "name", "total", "unread", "size", otherwise=_COUNT_ON
        )
        self._arrived: dict[str, _Step] = {}

    def put_in(self, name: str, cursor: int, size: int, *, is_read: bool) -> None:
        """Put a new message into a mailbox, with its read flag there."""
        self._new.add(name, cursor, is_read)
        total, unread, sizes = self._arrived.get(name, _Step())
        self._arrived[name] = _Step(total + 1, unread + (not is_read), sizes + size)

    def write(self) -> None:
        """Write what was put in. Raises what the database raises."""
        if not self._arrived:
            return
        self._new.write(self._session)
        arrived, self._arrived = self._arrived, {}
        self._count(arrived)

    def clear(self) -> None:
        """Forget what was put in."""
        self._new.clear()
        self._totals.clear()
        self._arrived = {}

    def of(self, cursors: Sequence[int], mailbox: str | None = None) -> Members:
        """Give the mailboxes that messages are in; of these only `mailbox` if it is given."""
        which, values = self._which(cursors, mailbox)
        found = self._session.execute(
            f"SELECT name, cursor FROM mailbox {which} ORDER BY name",  # noqa: S608 - constants only
            values,
        )
        return _members(found.fetchall())

    def having(self, tag: str) -> list[str]:
        """Give the mailboxes in which messages have a tag."""
        found = self._session.execute(
            "SELECT DISTINCT mailbox FROM mailbox_tag WHERE folded = ? ORDER BY mailbox",
            (fold(tag),),
        )
        return [name for (name,) in found.fetchall()]

    def mark(self, cursors: Sequence[int], *, read: bool, mailbox: str | None = None) -> Members:
        """Set or clear read flags in one mailbox, or in all; give those that changed."""
        which, values = self._which(cursors, mailbox)
        found = self._session.execute(
            f"UPDATE mailbox SET read = ? {which} AND read != ? RETURNING name, cursor",  # noqa: S608 - constants only
            (read, *values, read),
        )
        changed = _members(found.fetchall())
        self._count(
            {
                name: _Step(unread=-len(some) if read else len(some))
                for name, some in changed.items()
            }
        )
        return changed

    def take_out(self, sizes: Mapping[int, int], mailbox: str | None = None) -> Members:
        """
        Take messages out of one mailbox, or of all; give those that were in it.

        `sizes` has the bytes of each, by its cursor.
        """
        which, values = self._which(list(sizes), mailbox)
        found = self._session.execute(
            f"DELETE FROM mailbox {which} RETURNING name, cursor, read",  # noqa: S608 - constants only
            values,
        ).fetchall()
        members = _members((name, cursor) for name, cursor, _ in found)
        unread = Counter(name for name, _, read in found if not read)
        for name, some in members.items():
            Tags(self._session, name).remove(some)
        self._count(
            {
                name: _Step(-len(some), -unread[name], -sum(sizes[cursor] for cursor in some))
                for name, some in members.items()
            }
        )
        return members

    def _which(self, cursors: Sequence[int], mailbox: str | None) -> tuple[str, Sequence[object]]:
        """Give the condition for these messages in a mailbox, or in all, and its parameters."""
        which, values = f"WHERE cursor {self._session.among}", self._session.several(cursors)
        return (
            (which, (values,)) if mailbox is None else (f"{which} AND name = ?", (values, mailbox))
        )

    def _count(self, steps: Mapping[str, _Step]) -> None:
        for name, step in sorted(steps.items()):
            self._totals.add(name, *step)
        with self._session.together():
            self._totals.write(self._session)
            for name in [name for name, step in steps.items() if step.total < 0]:
                self._session.execute(
                    "DELETE FROM mailbox_total WHERE name = ? AND total = 0", (name,)
                )


def _members(found: Iterable[tuple[str, int]]) -> Members:
    members: dict[str, set[int]] = {}
    for name, cursor in found:
        members.setdefault(name, set()).add(cursor)
    return members
