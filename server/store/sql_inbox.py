"""The write side of an inbox in a database: what can be done to it in a transaction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from ..message.headers import HeaderFields, read_fields
from ..message.model import Message, Transcript
from ..message.tags import read_tags
from . import rules
from .conditions import LAST_CURSOR, fitting
from .sql_mailboxes import Mailboxes
from .sql_places import Entry, Scope, Touched
from .sql_rows import NewMessages
from .sql_session import SqlSession
from .sql_tags import NewTags, Tags
from .sql_transcripts import Transcripts
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
)
from .writer import Inbox

SLICE: Final = 500
"""Messages that one transaction deletes or marks, so that added ones need not wait long."""
_ENTRIES: Final = "SELECT cursor, id, size, read, session FROM message "
"""Asks for the columns of `Entry`."""
TOTALS: Final = "SELECT sequence, total, unread, size FROM inbox"


@dataclass(slots=True)
class Totals:
    """The columns of the one row of `inbox`: the number of the latest change, and counts."""

    sequence: int
    total: int
    unread: int
    size: int

    def write(self, session: SqlSession) -> None:
        """Write them. Raises what the database raises."""
        session.execute(
            "UPDATE inbox SET sequence = ?, total = ?, unread = ?, size = ?",
            (self.sequence, self.total, self.unread, self.size),
        )

    def counts(self) -> Counts:
        """Give the counts."""
        return Counts(total=self.total, unread=self.unread, size=self.size)


class SqlInbox(Inbox):
    """
    An inbox in a database, between `begin` and `commit` or `rollback`.

    These are a subclass's, which knows how its database does them, where it keeps bytes, and what
    tables have rows of a message. Added messages are collected, and written at the commit or when
    other work needs to see them. The changes bear the name of the `node`, if there is one. Belongs
    to one thread at a time. Its methods raise what the database raises, `StoreError` beside.
    """

    _parts: ClassVar[Sequence[str]]
    """The tables that have rows of a message, mailboxes and transcripts aside."""

    def __init__(
        self,
        session: SqlSession,
        transcripts: Transcripts,
        totals: Totals,
        *,
        sort: Sort,
        node: str | None = None,
    ) -> None:
        self._sql = session
        self._sort = sort
        self._node = node
        self._new = NewMessages(session, session.new_rows)
        self._tags = NewTags(session)
        self._mailboxes = Mailboxes(session)
        self._transcripts = transcripts
        self._totals = totals
        self._committed = replace(totals)
        self._changes: list[Change] = []

    @property
    def sequence(self) -> int:
        """The number of the latest change that was committed, as far as it was seen here."""
        return self._committed.sequence

    @property
    def counts(self) -> Counts:
        """How much is kept; see `Inbox`."""
        return self._committed.counts()

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
        known = {entry.id for entry in self._named([copy.message.id for copy in copies])}
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
        elsewhere = "mailbox" if mailbox is None else self._sql.every_message
        entries = self._entries(
            "WHERE cursor > ? AND cursor <= ? AND (read != ? OR EXISTS"  # noqa: S608 - constants only
            f" (SELECT 1 FROM {elsewhere} AS other WHERE other.cursor = message.cursor"
            " AND other.read != ?)) ORDER BY cursor LIMIT ?",
            *(after, upto, read, read, SLICE),
            mailbox=mailbox,
        )
        changed = self._mark(entries, read=read, cause="all", mailbox=mailbox)
        return changed, entries[-1].cursor if entries else upto

    def set_tags(
        self, ids: Sequence[str], tags: Sequence[str], *, mailbox: str | None = None
    ) -> int:
        """Give these messages these tags instead of theirs; give how many changed."""
        entries = self._named(ids, mailbox)
        cursors = [entry.cursor for entry in entries]
        changed = {
            name: Tags(self._sql, name).replace(some, tags)
            for name, some in self._mailboxes.of(cursors, mailbox).items()
        }
        touched = Touched.of(entries, Tags(self._sql).replace(cursors, tags), changed)
        if touched:
            self._announce("tagged", touched)
        return touched.count(mailbox)

    def rename_tag(self, name: str, new: str | None, *, mailbox: str | None = None) -> int:
        """Change a tag's name on every message, None = take it off; give how many had it."""
        self._write_new()
        touched, is_changed = Touched(), False
        for place in (None, *([mailbox] if mailbox else self._mailboxes.having(name))):
            own = Tags(self._sql, place)
            for known in own.having(name, within=mailbox):
                touched.note(known, place)
            is_changed |= own.rename(name, new, within=mailbox)
        if is_changed:
            self._announce("tagged", touched, cause="all", mailbox=mailbox)
        return touched.count(mailbox)

    def delete(self, ids: Sequence[str], *, mailbox: str | None = None) -> int:
        """Delete these messages, or take them out of a mailbox; give how many there were."""
        return self._remove(self._named(ids, mailbox), cause="ids", mailbox=mailbox)

    def delete_slice(self, upto: int = LAST_CURSOR, *, mailbox: str | None = None) -> int:
        """Delete the oldest messages, to the cursor `upto` at most; give how many, 0 = no more."""
        return self._remove(self._oldest(upto, mailbox), cause="all", mailbox=mailbox)

    def expire_slice(self, retention: Retention, now: datetime) -> int:
        """Delete some of the messages that retention lets go; give how many, 0 = no more."""
        self._write_new()
        cutoff = rules.too_old_before(retention, now)
        if cutoff is not None:
            old = self._entries(
                "WHERE received < ? ORDER BY received LIMIT ?", fitting(cutoff), SLICE
            )
            if old:
                return self._remove(old, cause="retention")
        now_kept = self._totals.counts()  # not what is committed: this transaction may have deleted
        many = rules.too_many(retention, now_kept)
        large = rules.too_large(retention, now_kept)
        expired: list[Entry] = []
        for entry in self._oldest(LAST_CURSOR) if many or large else ():
            if many <= 0 and large <= 0:
                break
            expired.append(entry)
            many -= 1
            large -= entry.size
        return self._remove(expired, cause="retention")

    @abstractmethod
    def _keep_body(self, cursor: int, message: Message) -> None:
        """Take the bytes of a new message, to be written with the others."""

    @abstractmethod
    def _write_new(self) -> None:
        """Write the messages that were added in this transaction, so that they can be seen."""

    def _write_collected(self) -> None:
        self._new.write()
        self._tags.write()
        self._mailboxes.write()
        self._transcripts.write()

    def _settle(self) -> list[Change]:
        """Take note that the transaction is durable; give what it changed."""
        changes, self._changes = self._changes, []
        self._committed = replace(self._totals)
        return changes

    def _undo(self) -> None:
        """Forget what was done in the transaction, which is undone."""
        self._totals = replace(self._committed)
        self._changes = []
        self._new.clear()
        self._tags.clear()
        self._mailboxes.clear()
        self._transcripts.forget()

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
        totals = self._totals
        cursor, size = totals.sequence + 1, len(message.raw)
        self._keep_body(cursor, message)
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
        for name, place in mailboxes.items():
            self._mailboxes.put_in(name, cursor, size, is_read=place.read)
            self._tags.add(cursor, place.tags, name)
        if transcript is None:
            self._transcripts.keep(row.session.session_id)
        else:
            self._transcripts.grow(row.session.session_id, transcript)
        totals.total += 1
        totals.unread += not whole.read
        totals.size += size
        touched = Touched([row.id], {name: [row.id] for name in mailboxes})
        self._announce("added", touched, row, places=told)
        return row

    def _entries(self, which: str, *parameters: object, mailbox: str | None = None) -> list[Entry]:
        scope = Scope.of(mailbox, message=self._sql.message)
        found = self._sql.execute(f"{scope.sql}{_ENTRIES}{which}", (*scope.parameters, *parameters))
        return [Entry(*columns) for columns in found.fetchall()]

    def _named(self, ids: Sequence[str], mailbox: str | None = None) -> list[Entry]:
        """Find messages by their ids, in their order; what else the database finds by one isn't."""
        self._write_new()
        names = list(dict.fromkeys(ids))
        found = self._entries(f"WHERE id {self._sql.among}", self._sql.several(names))
        by_id = {entry.id: entry for entry in found}
        entries = [by_id[name] for name in names if name in by_id]
        if mailbox is None:
            return entries
        # Not by a scope: SQLite would go through the whole mailbox.
        here = self._mailboxes.of([entry.cursor for entry in entries], mailbox).get(mailbox, ())
        return [entry for entry in entries if entry.cursor in here]

    def _oldest(self, upto: int, mailbox: str | None = None) -> list[Entry]:
        self._write_new()
        return self._entries(
            "WHERE cursor <= ? ORDER BY cursor LIMIT ?", upto, SLICE, mailbox=mailbox
        )

    def _mark(
        self, entries: Sequence[Entry], *, read: bool, cause: ChangeCause, mailbox: str | None
    ) -> int:
        cursors = [entry.cursor for entry in entries]
        found = self._sql.execute(
            f"UPDATE message SET read = ? WHERE cursor {self._sql.among} AND read != ?"  # noqa: S608 - constants only
            " RETURNING cursor",
            (read, self._sql.several(cursors), read),
        )
        changed = {cursor for (cursor,) in found.fetchall()}
        members = self._mailboxes.mark(cursors, read=read, mailbox=mailbox)
        touched = Touched.of(entries, changed, members)
        self._totals.unread += -len(changed) if read else len(changed)
        if touched:
            self._announce("marked", touched, cause=cause, read=read, mailbox=mailbox)
        return touched.count(mailbox)

    def _remove(
        self, entries: Sequence[Entry], *, cause: ChangeCause, mailbox: str | None = None
    ) -> int:
        """Delete messages, or take them out of a mailbox; one that is in none then goes too."""
        if not entries:
            return 0
        sizes = {entry.cursor: entry.size for entry in entries}
        members = self._mailboxes.take_out(sizes, mailbox)
        gone = set(sizes)
        if mailbox is not None:
            gone = gone.difference(*self._mailboxes.of(list(sizes)).values())
        touched = Touched.of(entries, gone, members)
        # Read anew: what is read in the mailbox may be unread in the whole inbox.
        self._drop(entries if mailbox is None else self._named(touched.ids))
        self._announce("deleted", touched, cause=cause, mailbox=mailbox)
        return len(entries)

    def _drop(self, entries: Sequence[Entry]) -> None:
        cursors = self._sql.several([entry.cursor for entry in entries])
        with self._sql.together():
            for table in self._parts:
                self._sql.execute(
                    f"DELETE FROM {table} WHERE cursor {self._sql.among}",  # noqa: S608 - constants only
                    (cursors,),
                )
        self._transcripts.drop_unused([entry.session for entry in entries])
        self._totals.total -= len(entries)
        self._totals.unread -= sum(not entry.read for entry in entries)
        self._totals.size -= sum(entry.size for entry in entries)

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
        change = touched.change(
            *(self._totals.sequence, kind, row, cause),
            read=read,
            mailbox=mailbox,
            places=places,
            node=self._node,
        )
        self._changes.append(change)
