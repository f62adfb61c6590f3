"""Maildrop: the messages that a login name means, as they are at the login (RFC 1939, 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, final

from ..store.rules import fold
from ..store.store import MessageRow, MessageStore, Query
from .grammar import CommandError

MOST: Final = 10_000
"""Messages of a maildrop, the newest: what a session keeps in memory is bounded."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Mailbox:
    """
    Which messages a login name means.

    An address means those for this recipient of the envelope, `@example.org` or `*@example.org`
    those for any recipient there, and every other name all messages.
    """

    recipient: str | None = None
    domain: str | None = None

    @classmethod
    def named(cls, name: str) -> Self:
        """Give the mailbox of a name."""
        local, at, domain = name.strip().rpartition("@")
        if not at or not domain:
            return cls()
        if local in ("", "*"):
            return cls(domain=fold(domain))
        return cls(recipient=name.strip())

    def holds(self, row: MessageRow) -> bool:
        """Say whether a message that the store found for the recipient is in the mailbox."""
        if self.domain is None:
            return True
        addresses = (fold(to.address) for to in row.envelope.recipients)
        return any(address.rpartition("@")[2] == self.domain for address in addresses)

    def __str__(self) -> str:
        return self.recipient or (f"@{self.domain}" if self.domain else "*")


class Entry(NamedTuple):
    """A message: its id, and its size in octets."""

    id: str
    size: int


@final
class Maildrop:
    """
    A session's messages, oldest first, numbered from 1, and which of them are to be deleted.

    It is a picture of one moment, so several sessions may have the same messages, and others may
    delete them meanwhile.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._marked: set[int] = set()

    @classmethod
    async def open(cls, store: MessageStore, mailbox: Mailbox, *, most: int = MOST) -> Self:
        """Look a mailbox up, its newest `most` messages. Raises `StoreError`."""
        entries: list[Entry] = []
        before: int | None = None
        while True:
            query = Query(recipient=mailbox.recipient, before=before)
            rows = await store.find(query, limit=_PAGE)
            if not rows:
                break
            entries += [Entry(row.id, row.size) for row in rows if mailbox.holds(row)]
            if len(entries) >= most:
                break
            before = rows[-1].cursor
        return cls(entries[:most][::-1])

    def __iter__(self) -> Iterator[tuple[int, Entry]]:
        """Give numbers and messages, without those to be deleted."""
        for number, entry in enumerate(self._entries, start=1):
            if number not in self._marked:
                yield number, entry

    def __getitem__(self, number: int) -> Entry:
        """Give a message by its number. Raises `CommandError`."""
        if not 1 <= number <= len(self._entries):
            raise CommandError(f"there is no message {number}, only {len(self._entries)} in all")
        if number in self._marked:
            raise CommandError(f"message {number} is deleted already")
        return self._entries[number - 1]

    @property
    def total(self) -> tuple[int, int]:
        """How many messages there are, and their sizes together, without those to be deleted."""
        sizes = [entry.size for _, entry in self]
        return len(sizes), sum(sizes)

    @property
    def doomed(self) -> list[str]:
        """The ids of the messages to be deleted."""
        return [self._entries[number - 1].id for number in sorted(self._marked)]

    def mark(self, number: int) -> None:
        """Let a message be deleted at the end. Raises `CommandError`."""
        self[number]
        self._marked.add(number)

    def unmark(self) -> None:
        """Let no message be deleted."""
        self._marked.clear()
