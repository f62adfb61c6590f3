"""Mailboxes in PostgreSQL: what the thread that writes does to them, inside a transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, final

from .postgres_connection import Session, new_rows
from .postgres_tags import Tags
from .store import Place
from .terms import fold

_COUNT: Final = (
    "INSERT INTO mailbox_total (name, total, unread, size)"
    " SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[])"
    " ON CONFLICT (name) DO UPDATE SET total = mailbox_total.total + excluded.total,"
    " unread = mailbox_total.unread + excluded.unread, size = mailbox_total.size + excluded.size"
)

Members = Mapping[str, set[int]]
"""The cursors of messages by the mailboxes that they are in."""


class _Step(NamedTuple):
    """How the counts of a mailbox change."""

    total: int = 0
    unread: int = 0
    size: int = 0


@final
class Mailboxes:
    """Writes which message is in which mailbox, and their counts; new ones wait for `write`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._new = new_rows("mailbox", "name", "cursor", "read")
        self._arrived: dict[str, _Step] = {}

    def put_in(self, cursor: int, size: int, places: Mapping[str, Place]) -> None:
        """Put a new message into these mailboxes, with its read flag in each."""
        for name, place in places.items():
            self._new.add(name, cursor, place.read)
            total, unread, sizes = self._arrived.get(name, _Step())
            self._arrived[name] = _Step(total + 1, unread + (not place.read), sizes + size)

    def write(self) -> None:
        """Write what was put in. Raises what psycopg raises."""
        self._new.write(self._session)
        arrived, self._arrived = self._arrived, {}
        self._count(arrived)

    def clear(self) -> None:
        """Forget what was put in."""
        self._new.clear()
        self._arrived = {}

    def of(self, cursors: Sequence[int], mailbox: str | None = None) -> Members:
        """Give the mailboxes that messages are in; of these only `mailbox` if it is given."""
        within, own = _within(mailbox)
        found = self._session.execute(
            f"SELECT name, cursor FROM mailbox WHERE cursor = ANY(?) {within} ORDER BY name",  # noqa: S608 - constants only
            (list(cursors), *own),
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
        within, own = _within(mailbox)
        found = self._session.execute(
            f"UPDATE mailbox SET read = ? WHERE cursor = ANY(?) AND read != ? {within}"  # noqa: S608 - constants only
            " RETURNING name, cursor",
            (read, list(cursors), read, *own),
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
        within, own = _within(mailbox)
        found = self._session.execute(
            f"DELETE FROM mailbox WHERE cursor = ANY(?) {within} RETURNING name, cursor, read",  # noqa: S608 - constants only
            (list(sizes), *own),
        ).fetchall()
        members = _members([(name, cursor) for name, cursor, _ in found])
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

    def _count(self, steps: Mapping[str, _Step]) -> None:
        if not steps:
            return
        names = sorted(steps)
        columns = [[steps[name][part] for name in names] for part in range(len(_Step._fields))]
        self._session.execute(_COUNT, (names, *columns))
        if any(step.total < 0 for step in steps.values()):
            self._session.execute(
                "DELETE FROM mailbox_total WHERE name = ANY(?) AND total = 0", (names,)
            )


def _within(mailbox: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if mailbox is None else ("AND name = ?", (mailbox,))


def _members(found: Iterable[tuple[str, int]]) -> Members:
    members: dict[str, set[int]] = {}
    for name, cursor in found:
        members.setdefault(name, set()).add(cursor)
    return members
