"""Mailboxes in `mail.db`: how queries see one, and what the thread that writes does to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from .sqlite_tags import Tags
from .store import Counts
from .terms import fold

_SCOPE: Final = (
    "WITH message AS (SELECT mailbox.cursor, id, received, size, mailbox.read, sender, subject,"
    " session, envelope, facts, fields FROM mailbox JOIN main.message USING (cursor)"
    " WHERE mailbox.name = ?),"
    " tag AS (SELECT cursor, folded, mailbox_tag.name FROM mailbox_tag WHERE mailbox = ?) "
)


class Scope(NamedTuple):
    """
    What stands in front of a query, and its parameters, so that it sees one mailbox.

    It shadows the tables `message` and `tag` by what the mailbox has of them.
    """

    sql: str = ""
    parameters: tuple[str, ...] = ()

    @classmethod
    def of(cls, mailbox: str | None) -> Scope:
        """Give the scope of a mailbox, None = the whole inbox, which needs nothing."""
        return cls() if mailbox is None else cls(_SCOPE, (mailbox, mailbox))


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
@dataclass(slots=True)
class Touched:
    """The ids of the messages to whom something happened: in the whole inbox, in each mailbox."""

    ids: list[str] = field(default_factory=list)
    mailboxes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, message_id: str, mailbox: str | None) -> None:
        """Take note of a message to whom it happened in a mailbox, None = in the whole inbox."""
        place = self.ids if mailbox is None else self.mailboxes.setdefault(mailbox, [])
        place.append(message_id)

    def __bool__(self) -> bool:
        return bool(self.ids or self.mailboxes)

    def count(self, mailbox: str | None) -> int:
        """Give to how many it happened there."""
        return len(self.ids if mailbox is None else self.mailboxes.get(mailbox, ()))


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

    def put_in(self, cursor: int, size: int, tags: Sequence[str], names: Iterable[str]) -> None:
        """Put a message into these mailboxes, unread and with its tags."""
        for name in names:
            self._connection.execute(
                "INSERT INTO mailbox (name, cursor, read) VALUES (?, ?, 0)", (name, cursor)
            )
            if tags:
                own = Tags(self._connection, name)
                own.replace(cursor, own.known(tags))
            self._count(name, total=1, unread=1, size=size)

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
