"""The write side of `mail.db`: what can be done to the inbox in a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, final

from bindpost.errors import StoreError, StoreFullError

from ..message.headers import HeaderFields, read_fields
from ..message.model import Message, Transcript
from ..message.tags import read_tags
from . import rules
from .sql_places import Scope, Touched
from .sql_rows import NewMessages, Rows, marks, pieces
from .sqlite_bodies import Extent
from .sqlite_connection import DURABLE, Durability, translate
from .sqlite_mailboxes import Mailboxes
from .sqlite_segments import Segments
from .sqlite_space import Space
from .sqlite_tags import NewTags, Tags
from .sqlite_transcripts import Transcripts
from .store import (
    NOWHERE,
    Change,
    ChangeCause,
    ChangeKind,
    Copy,
    Counts,
    MessageRow,
    Place,
    Retention,
    Sort,
    unsorted,
)
from .writer import SLICE

LARGE: Final = 64 * 1024
"""Bytes from which on a body may go to a segment file: measured, see docs/performance.md."""
_WORTH: Final = 4
"""
Times `LARGE` that the large bodies of a transaction must have together to go to a segment.

Its file needs a sync of its own, which costs about as much as writing so many bytes twice.
"""
SEGMENT: Final = 32 * 1024 * 1024
"""Bytes from which on a segment file takes no more."""
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


@final
class Inbox:
    """
    The inbox as its one writer sees it: `begin`, some work, then `commit` or `rollback`.

    Added messages are collected, and written at the commit or when other work needs to see them.
    Bodies of `large` bytes or more go to a segment file if there is enough of them. Belongs to one
    thread at a time. Its methods raise what SQLite and the system raise, `StoreError` beside.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        keep_free: int,
        sort: Sort = unsorted,
        large: int = LARGE,
        segment: int = SEGMENT,
        durability: Durability = DURABLE,
    ) -> None:
        self.path = path
        self.commits = 0
        self._space = Space(connection, path, keep_free=keep_free)
        self._connection = connection
        self._large = max(1, large)
        self._new = NewMessages(connection)
        self._extents = Rows("extent", "cursor", *Extent._fields)
        self._new_large: list[tuple[int, bytes]] = []
        self._transcripts = Transcripts(connection)
        self._tags = NewTags(connection)
        self._mailboxes = Mailboxes(connection)
        self._sort = sort
        log = None if durability == DURABLE else self._space.log
        self._segments = Segments(connection, path.parent, length=segment, log=log)
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
        self._space.check_place()
        self._connection.execute("BEGIN IMMEDIATE")
        self._room = self._space.room()

    def commit(self) -> list[Change]:
        """Make the transaction durable; give what it changed."""
        self._write_new()
        self._segments.prepare()
        changes, now = self._changes, self._totals
        if changes:
            self._connection.execute(
                "UPDATE inbox SET sequence = ?, total = ?, unread = ?, size = ?",
                (now.sequence, now.total, now.unread, now.size),
            )
        self._connection.execute("COMMIT")
        self._segments.settle()
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
        self._new.clear()
        self._extents.clear()
        self._new_large.clear()
        self._tags.clear()
        self._transcripts.forget()
        self._segments.undo()

    def close(self) -> None:
        """Close the connection and the segments."""
        self._segments.close()
        self._space.close()
        self._connection.close()

    def translate(self, error: Exception) -> StoreError:
        """Say what an error of SQLite or the system means."""
        return translate(error, self.path)

    def written_size(self, size: int) -> int:
        """Give the bytes that keeping a message of this size writes, as long as they are needed."""
        if size >= self._large:
            return size + 2 * _OVERHEAD
        return 2 * (size + _OVERHEAD)  # to the log, then to its place

    def make_room(self, sizes: Sequence[int]) -> None:
        """
        Give the disk back what can be, outside a transaction, until there is room.

        That is room to keep messages of these sizes.
        """
        needed = sum(map(self.written_size, sizes))
        self._space.make_room(needed)
        with suppress(OSError):
            while self._space.room() < needed and self._compact(hard=True):
                self._space.make_room(needed)

    def shorten_log(self) -> None:
        """Have the log copied into the database when it is time; called between transactions."""
        self._space.shorten_log()

    def tidy(self) -> bool:
        """Do a piece of the work that can wait for a quiet moment; say whether more is left."""
        return self._space.tidy() or self._compact(hard=False)

    def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message, its cursor the number of the change that this is."""
        fields = read_fields(message.raw)
        place = Place(tags=read_tags(message.envelope, fields))
        names = rules.mailboxes(self._sort, message, mailbox)
        return self._keep(message, fields, transcript, place, dict.fromkeys(names, place))

    def restore(self, copies: Sequence[Copy]) -> list[str]:
        """Keep messages of another inbox; give the ids of those that are here already."""
        known = {entry[1] for entry in self._named([copy.message.id for copy in copies])}
        there = []
        for copy in copies:
            message = copy.message
            if message.id in known:
                there.append(message.id)
                continue
            known.add(message.id)
            fields = read_fields(message.raw)
            places = copy.mailboxes
            self._keep(message, fields, copy.transcript, copy.whole, places, told=places)
        return there

    def _keep(
        self,
        message: Message,
        fields: HeaderFields,
        transcript: Transcript | None,
        whole: Place,
        mailboxes: Mapping[str, Place],
        *,
        told: Mapping[str, Place] = NOWHERE,
    ) -> MessageRow:
        """Keep a message as it is in these places; `told` are those that the change tells of."""
        size = len(message.raw)
        self._room -= self.written_size(size)
        if self._room < 0:
            raise StoreFullError(
                f"message {message.id}: not kept: the disk of {self.path} is nearly full; "
                "delete messages or free space"
            )
        cursor = self._totals.sequence + 1
        row = MessageRow(
            cursor=cursor,
            id=message.id,
            received=message.received,
            size=size,
            read=whole.read,
            envelope=message.envelope,
            session=message.session,
            fields=fields,
            tags=self._tags.add(cursor, whole.tags) if whole.tags else (),
            mailboxes=tuple(sorted(mailboxes)),
        )
        self._new.add(row)
        if size >= self._large:
            self._new_large.append((cursor, message.raw))
        else:
            self._new.add_body(cursor, message.raw)
        self._mailboxes.put_in(cursor, size, mailboxes)
        if transcript is None:
            self._transcripts.count(row.session.session_id)
        else:
            self._transcripts.grow(row.session.session_id, transcript)
        self._totals.total += 1
        self._totals.unread += not whole.read
        self._totals.size += size
        touched = Touched([row.id], {name: [row.id] for name in mailboxes})
        self._announce("added", touched, row, places=told)
        return row

    def end_session(self, session: str, transcript: Transcript) -> None:
        """Replace the transcript of a session, if it has kept messages."""
        if not self._transcripts.knows(session):
            self._write_new()
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
        self._write_new()
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
        self._write_new()
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
        self._write_new()
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

    def _write_new(self) -> None:
        """Write the messages that were added in this transaction, the bytes of large ones first."""
        large, self._new_large = self._new_large, []
        if sum(len(raw) for _, raw in large) < _WORTH * self._large:
            for cursor, raw in large:
                self._new.add_body(cursor, raw)
        else:
            extents = self._segments.append([raw for _, raw in large])
            for (cursor, _), extent in zip(large, extents, strict=True):
                self._extents.add(cursor, *extent)
            self._extents.write(self._connection)
        try:
            self._new.write()
        except sqlite3.IntegrityError as error:
            ids = ", ".join(self._new.ids)
            raise StoreError(f"message {ids}: not kept: there is one of this id") from error
        self._tags.write()
        self._transcripts.write()

    def _compact(self, *, hard: bool) -> bool:
        """Move some messages out of a sparse segment, if there is one; say so."""
        try:
            number = self._segments.sparse(hard=hard)
            if number is None:
                return False
            self.begin()
            self._segments.compact(number)
            self.commit()
        except (sqlite3.Error, OSError, StoreError):
            self.rollback()
            return False
        return True

    def _named(self, ids: Iterable[str], mailbox: str | None = None) -> list[_Entry]:
        self._write_new()
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
        self._write_new()
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
        cursors = [entry[0] for entry in entries]
        self._segments.free(cursors)
        for some in pieces(cursors):
            for table in ("body", "recipient", "header", "tag", "message"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE cursor IN ({marks(some)})",  # noqa: S608 - only marks
                    some,
                )
        self._transcripts.drop_unused(entry[4] for entry in entries)
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
        places: Mapping[str, Place] = NOWHERE,
    ) -> None:
        """Tell of a change; see `Touched.change`."""
        self._totals.sequence += 1
        number = self._totals.sequence
        self._changes.append(
            touched.change(number, kind, row, cause, read=read, mailbox=mailbox, places=places)
        )
