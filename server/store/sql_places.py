"""Where messages are, in the whole inbox and in mailboxes: how queries see one, what happened."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from .store import NOWHERE, Change, ChangeCause, ChangeKind, MessageRow, Place

# Not materialized: else a table that a query names twice is made as a whole for it (SQLite 3.35).
_SCOPE: Final = (
    "WITH message AS NOT MATERIALIZED (SELECT mailbox.cursor, id, received, size, mailbox.read,"
    " sender, subject, session, envelope, facts, fields"
    " FROM mailbox JOIN {message} USING (cursor) WHERE mailbox.name = ?),"
    " tag AS NOT MATERIALIZED (SELECT cursor, folded, mailbox_tag.name"
    " FROM mailbox_tag WHERE mailbox = ?) "
)


class Scope(NamedTuple):
    """
    What stands in front of a query, and its parameters, so that it sees one mailbox.

    It shadows the tables `message` and `tag` by what the mailbox has of them.
    """

    sql: str = ""
    parameters: tuple[str, ...] = ()

    @classmethod
    def of(cls, mailbox: str | None, *, message: str = "main.message") -> Scope:
        """
        Give the scope of a mailbox, None = the whole inbox, which needs nothing.

        `message` is the table of that name, as it is called from where it is shadowed.
        """
        if mailbox is None:
            return cls()
        return cls(_SCOPE.format(message=message), (mailbox, mailbox))


class Entry(NamedTuple):
    """What must be known of a message to mark or delete it."""

    cursor: int
    id: str
    size: int
    read: int
    session: str


Members = Mapping[str, set[int]]
"""The cursors of messages by the mailboxes that they are in."""


@final
@dataclass(slots=True)
class Touched:
    """The ids of the messages to whom something happened: in the whole inbox, in each mailbox."""

    ids: list[str] = field(default_factory=list)
    mailboxes: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[Entry], whole: Collection[int], members: Members) -> Touched:
        """Note those of these entries, in order, that changed in the whole inbox, in mailboxes."""
        touched = cls([entry.id for entry in entries if entry.cursor in whole])
        for name, some in members.items():
            if some:
                touched.mailboxes[name] = [entry.id for entry in entries if entry.cursor in some]
        return touched

    def note(self, message_id: str, mailbox: str | None) -> None:
        """Take note of a message to whom it happened in a mailbox, None = in the whole inbox."""
        place = self.ids if mailbox is None else self.mailboxes.setdefault(mailbox, [])
        place.append(message_id)

    def __bool__(self) -> bool:
        return bool(self.ids or self.mailboxes)

    def count(self, mailbox: str | None) -> int:
        """Give to how many it happened there."""
        return len(self.ids if mailbox is None else self.mailboxes.get(mailbox, ()))

    def change(
        self,
        sequence: int,
        kind: ChangeKind,
        row: MessageRow | None = None,
        cause: ChangeCause = "ids",
        *,
        read: bool | None = None,
        mailbox: str | None = None,
        places: Mapping[str, Place] = NOWHERE,
        node: str | None = None,
    ) -> Change:
        """Give what happened as a change; if it was asked in `mailbox`, the `cause` is there."""
        return Change(
            sequence=sequence,
            kind=kind,
            ids=tuple(self.ids),
            row=row,
            cause=cause if mailbox is None else "ids",
            read=read,
            mailboxes={name: tuple(ids) for name, ids in self.mailboxes.items()},
            all_of=mailbox if cause == "all" else None,
            places=places,
            node=node,
        )
