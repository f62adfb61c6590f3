"""The write side of `mail.db`: what can be done to the inbox in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError, StoreFullError

from ..message.headers import read_fields
from ..message.model import Message, Transcript
from ..message.tags import read_tags
from . import rules
from .codec import encode
from .sqlite_mailboxes import Mailboxes, Scope, Touched
from .sqlite_space import Space
from .sqlite_tags import Tags
from .sqlite_transcripts import Transcripts
from .store import (
    Change,
    ChangeCause,
    ChangeKind,
    Counts,
    MessageRow,
    Retention,
    Sort,
    unsorted,
)
from .terms import fold, searched_header

SLICE: Final = 500
"""Messages that one transaction deletes or marks, so that added ones need not wait long."""
_OVERHEAD: Final = 8 * 1024
"""Bytes that a message takes on the disk beside its own."""
_LAST_CURSOR: Final = 2**63 - 1

_Entry = tuple[int, str, int, int, str]
"""What must be known of a message to mark or delete it: the columns of `_ENTRIES`."""
_ENTRIES: Final = "SELECT cursor, id, size, read, session FROM message "


@dataclass(slots=True)
class _Totals:
    """The columns of the one row of `inbox`."""

    sequence: int
    total: int
    unread: int
    size: int

    def counts(self) -> Counts:
        return Counts(total=self.total, unread=self.unread, size=self.size)


def written_size(size: int) -> int:
    """Give the bytes that keeping a message of this size writes: to the log, then to its place."""
    return 2 * (size + _OVERHEAD)


@final
class Inbox:
    """
    The inbox as its one writer sees it: `begin`, some work, then `commit` or `rollback`.

    Belongs to one thread at a time. Its methods raise what SQLite raises, `StoreError` beside.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        keep_free: int,
        sort: Sort = unsorted,
    ) -> None:
        self.path = path
        self.commits = 0
        self.space = Space(connection, path, keep_free=keep_free)
        self._connection = connection
        self._transcripts = Transcripts(connection)
        self._tags = Tags(connection)
        self._mailboxes = Mailboxes(connection)
        self._sort = sort
        row = connection.execute("SELECT sequence, total, unread, size FROM inbox").fetchone()
        self._totals = _Totals(*row)
        self._committed = replace(self._totals)
        self._changes: list[Change] = []
        self._room = 0

    @property
    def sequence(self) -> int:
        """The number of the latest change that was committed."""
        return self._committed.sequence

    @property
    def counts(self) -> Counts:
        """How much is kept, as far as it was committed."""
        return self._committed.counts()

    def begin(self) -> None:
        """Begin a transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._room = self.space.room()

    def commit(self) -> list[Change]:
        """Make the transaction durable; give what it changed."""
        changes, now = self._changes, self._totals
        if changes:
            self._connection.execute(
                "UPDATE inbox SET sequence = ?, total = ?, unread = ?, size = ?",
                (now.sequence, now.total, now.unread, now.size),
            )
        self._connection.execute("COMMIT")
        self.commits += 1
        self._committed = replace(now)
        self._changes = []
        return changes

    def rollback(self) -> None:
        """Undo the transaction, which SQLite may have undone already."""
        with suppress(sqlite3.Error):
            self._connection.rollback()
        self._totals = replace(self._committed)
        self._changes = []
        self._transcripts.forget()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message, its cursor the number of the change that this is."""
        self._room -= written_size(len(message.raw))
        if self._room < 0:
            raise StoreFullError(
                f"message {message.id}: not kept: the disk of {self.path} is nearly full; "
                "delete messages or free space"
            )
        fields = read_fields(message.raw)
        tags = read_tags(message.envelope, fields)
        names = rules.mailboxes(self._sort, message, mailbox)
        row = MessageRow(
            cursor=self._totals.sequence + 1,
            id=message.id,
            received=message.received,
            size=len(message.raw),
            read=False,
            envelope=message.envelope,
            session=message.session,
            fields=fields,
            tags=self._tags.known(tags),
            mailboxes=names,
        )
        self._insert(row, message.raw)
        self._mailboxes.put_in(row.cursor, row.size, tags, names)
        self._transcripts.grow(row.session.session_id, transcript)
        self._totals.total += 1
        self._totals.unread += 1
        self._totals.size += row.size
        self._announce("added", Touched([row.id], {name: [row.id] for name in names}), row)
        return row

    def end_session(self, session: str, transcript: Transcript) -> None:
        """Replace the transcript of a session, if it has kept messages."""
        self._transcripts.finish(session, transcript)

    def mark(self, ids: Sequence[str], *, read: bool, mailbox: str | None = None) -> int:
        """Set or clear the read flag of these messages; give how many changed."""
        return self._mark(self._named(ids, mailbox), read=read, cause="ids", mailbox=mailbox)

    def mark_slice(
        self, after: int, upto: int, *, read: bool, mailbox: str | None = None
    ) -> tuple[int, int]:
        """
        Set or clear the read flag of the first messages behind `after`, to `upto` at most.

        Gives how many changed, and the cursor to go on after.
        """
        scope = Scope.of(mailbox)
        elsewhere = "mailbox" if mailbox is None else "main.message"
        entries: list[_Entry] = self._connection.execute(
            f"{scope.sql}{_ENTRIES} WHERE cursor > ? AND cursor <= ? AND (read = ? OR EXISTS"  # noqa: S608 - constants only
            f" (SELECT 1 FROM {elsewhere} AS other WHERE other.cursor = message.cursor"
            " AND other.read = ?)) ORDER BY cursor LIMIT ?",
            (*scope.parameters, after, upto, not read, not read, SLICE),
        ).fetchall()
        changed = self._mark(entries, read=read, cause="all", mailbox=mailbox)
        return changed, entries[-1][0] if entries else upto

    def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Give these messages these tags instead of theirs; give how many changed."""
        touched = Touched()
        for cursor, known, *_ in self._named(ids, mailbox):
            for place in (None, *self._mailboxes.of(cursor, mailbox)):
                own = Tags(self._connection, place)
                if own.replace(cursor, own.known(tags)):
                    touched.note(known, place)
        if touched:
            self._announce("tagged", touched)
        return touched.count(mailbox)

    def rename_tag(self, name: str, new: str | None, *, mailbox: str | None = None) -> int:
        """Change a tag's name on every message, None = take it off; give how many had it."""
        touched, is_changed = Touched(), False
        for place in (None, *([mailbox] if mailbox else self._mailboxes.having(name))):
            own = Tags(self._connection, place)
            for known in own.having(name, within=mailbox):
                touched.note(known, place)
            is_changed |= own.rename(name, new, within=mailbox)
        if is_changed:
            self._announce("tagged", touched, cause="all", mailbox=mailbox)
        return touched.count(mailbox)

    def delete(self, ids: Sequence[str], *, mailbox: str | None = None) -> int:
        """Delete these messages, or take them out of a mailbox; give how many there were."""
        return self._remove(self._named(ids, mailbox), cause="ids", mailbox=mailbox)

    def delete_slice(self, upto: int = _LAST_CURSOR, *, mailbox: str | None = None) -> int:
        """Delete the oldest messages, to the cursor `upto` at most; give how many, 0 = no more."""
        return self._remove(self._oldest(upto, mailbox), cause="all", mailbox=mailbox)

    def expire_slice(self, retention: Retention, now: datetime) -> int:
        """Delete some of the messages that retention lets go; give how many, 0 = no more."""
        cutoff = rules.too_old_before(retention, now)
        if cutoff is not None:
            old = self._connection.execute(
                f"{_ENTRIES} WHERE received < ? ORDER BY received LIMIT ?",
                (max(cutoff, -_LAST_CURSOR), SLICE),
            ).fetchall()
            if old:
                return self._remove(old, cause="retention")
        now_kept = self._totals.counts()  # not what is committed: this transaction may have deleted
        many = rules.too_many(retention, now_kept)
        large = rules.too_large(retention, now_kept)
        expired: list[_Entry] = []
        for entry in self._oldest(_LAST_CURSOR):
            if many <= 0 and large <= 0:
                break
            expired.append(entry)
            many -= 1
            large -= entry[2]
        return self._remove(expired, cause="retention")

    def _insert(self, row: MessageRow, raw: bytes) -> None:
        envelope = row.envelope
        try:
            self._connection.execute(
                "INSERT INTO message (cursor, id, received, size, read, sender, subject, session,"
                " envelope, facts, fields) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
                (
                    row.cursor,
                    row.id,
                    rules.to_microseconds(row.received),
                    row.size,
                    fold(envelope.reverse_path),
                    fold(row.fields.subject),
                    row.session.session_id,
                    encode(envelope),
                    encode(row.session),
                    encode(row.fields),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise StoreError(f"message {row.id}: not kept: there is one of this id") from error
        self._connection.execute(
            "INSERT INTO header (cursor, from_, to_, cc, reply_to, message_id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (row.cursor, *searched_header(row.fields)),
        )
        if row.tags:
            self._tags.replace(row.cursor, row.tags)
        self._connection.execute("INSERT INTO body (cursor, raw) VALUES (?, ?)", (row.cursor, raw))
        self._connection.executemany(
            "INSERT INTO recipient (cursor, address) VALUES (?, ?)",
            [(row.cursor, to) for to in {fold(to.address) for to in envelope.recipients}],
        )

    def _named(self, ids: Iterable[str], mailbox: str | None = None) -> list[_Entry]:
        scope = Scope.of(mailbox)
        found = []
        for known in dict.fromkeys(ids):
            entry = self._connection.execute(
                f"{scope.sql}{_ENTRIES} WHERE id = ?", (*scope.parameters, known)
            ).fetchone()
            if entry:
                found.append(entry)
        return found

    def _oldest(self, upto: int, mailbox: str | None = None) -> list[_Entry]:
        scope = Scope.of(mailbox)
        return self._connection.execute(
            f"{scope.sql}{_ENTRIES} WHERE cursor <= ? ORDER BY cursor LIMIT ?",
            (*scope.parameters, upto, SLICE),
        ).fetchall()

    def _mark(
        self, entries: Iterable[_Entry], *, read: bool, cause: ChangeCause, mailbox: str | None
    ) -> int:
        touched = Touched()
        for cursor, known, *_ in entries:
            changed = self._connection.execute(
                "UPDATE message SET read = ? WHERE cursor = ? AND read != ?", (read, cursor, read)
            )
            if changed.rowcount:
                touched.note(known, None)
            for name in self._mailboxes.of(cursor, mailbox):
                if self._mailboxes.mark(cursor, name, read=read):
                    touched.note(known, name)
        self._totals.unread += -len(touched.ids) if read else len(touched.ids)
        if touched:
            self._announce("marked", touched, cause=cause, read=read, mailbox=mailbox)
        return touched.count(mailbox)

    def _remove(
        self, entries: Sequence[_Entry], *, cause: ChangeCause, mailbox: str | None = None
    ) -> int:
        """Delete messages, or take them out of a mailbox; one that is in none then goes too."""
        touched = Touched()
        for cursor, known, size, *_ in entries:
            for name in self._mailboxes.of(cursor, mailbox):
                self._mailboxes.take_out(cursor, size, name)
                touched.note(known, name)
            if mailbox is None or not self._mailboxes.of(cursor):
                touched.note(known, None)
        self._drop(entries if mailbox is None else self._named(touched.ids))
        if entries:
            self._announce("deleted", touched, cause=cause, mailbox=mailbox)
        return len(entries)

    def _drop(self, entries: Sequence[_Entry]) -> None:
        cursors = [(entry[0],) for entry in entries]
        for table in ("body", "recipient", "header", "tag", "message"):
            self._connection.executemany(
                f"DELETE FROM {table} WHERE cursor = ?",  # noqa: S608 - constants only
                cursors,
            )
        for session in {entry[4] for entry in entries}:
            self._transcripts.drop_unused(session)
        self._totals.total -= len(entries)
        self._totals.unread -= sum(not read for _, _, _, read, _ in entries)
        self._totals.size -= sum(size for _, _, size, _, _ in entries)

    def _announce(
        self,
        kind: ChangeKind,
        touched: Touched,
        row: MessageRow | None = None,
        cause: ChangeCause = "ids",
        *,
        read: bool | None = None,
        mailbox: str | None = None,
    ) -> None:
        """Tell of a change; the `cause` is that in `mailbox` if it was asked there."""
        self._totals.sequence += 1
        change = Change(
            sequence=self._totals.sequence,
            kind=kind,
            ids=tuple(touched.ids),
            row=row,
            cause=cause if mailbox is None else "ids",
            read=read,
            mailboxes={name: tuple(ids) for name, ids in touched.mailboxes.items()},
            all_of=mailbox if cause == "all" else None,
        )
        self._changes.append(change)
