"""
The write side of an inbox in PostgreSQL: what can be done to it in a transaction.

A transaction locks the one row of `inbox` at its begin, as those of all other nodes do. So it sees
all that they have done, and the numbers that it gives are the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, final

from bindpost.errors import StoreAwayError, StoreError

from ..message.headers import HeaderFields, read_fields
from ..message.model import Message, Transcript
from ..message.tags import read_tags
from . import rules
from .codec import decode, encode
from .postgres_connection import Server, Session, new_rows
from .postgres_mailboxes import Mailboxes, Members
from .postgres_tags import NewTags, Tags
from .postgres_transcripts import Transcripts
from .sql_places import Scope, Touched
from .sql_rows import NewMessages
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

_LAST_CURSOR: Final = 2**63 - 1
_ENTRIES: Final = "SELECT cursor, id, size, read, session FROM message "
_CHANGES: Final = "SELECT told FROM change WHERE sequence > ? AND sequence <= ? ORDER BY sequence"
_PARTS: Final = ("body", "recipient", "header", "content", "tag", "message")
"""The tables that have rows of a message, mailboxes and transcripts aside."""


class _Entry(NamedTuple):
    """What must be known of a message to mark or delete it: the columns of `_ENTRIES`."""

    cursor: int
    id: str
    size: int
    read: int
    session: str


@dataclass(slots=True)
class _Totals:
    """The columns of the one row of `inbox`."""

    sequence: int = 0
    total: int = 0
    unread: int = 0
    size: int = 0

    def counts(self) -> Counts:
        return Counts(total=self.total, unread=self.unread, size=self.size)


@final
class PostgresInbox:
    """
    An inbox as one node's writer sees it; it implements `writer.Inbox`.

    While it `is_looked_at`, `commit` gives the changes of other nodes too that have not been heard
    of, in front of its own. Of all changes the latest `remembered` are kept, and a few more;
    `channel` is where nodes are told that there are new ones, `node` the name of this one. Belongs
    to one thread at a time, as its session does, but for `hear`.
    """

    is_looked_at: Callable[[], bool]

    def __init__(
        self,
        server: Server,
        session: Session,
        *,
        channel: str,
        remembered: int,
        sort: Sort = unsorted,
        node: str | None = None,
    ) -> None:
        self._server = server
        self._session = session
        self._channel = channel
        self._remembered = remembered
        self._sort = sort
        self._node = node
        self._new = NewMessages(self._session, new_rows)
        self._tags = NewTags(self._session)
        self._mailboxes = Mailboxes(self._session)
        self._transcripts = Transcripts(self._session)
        self._told = new_rows("change", "sequence", "told")
        self._totals = _Totals()
        self._committed = _Totals()
        self._changes: list[Change] = []
        self._heard = 0
        self._unheard: tuple[int, int] | None = None
        self.is_looked_at = lambda: True
        with server.translated():
            self._totals = self._read_totals()
            self.rollback()
        self._committed = replace(self._totals)

    @property
    def sequence(self) -> int:
        """The number of the latest change that was seen here."""
        return self._committed.sequence

    @property
    def counts(self) -> Counts:
        """How much was kept when this node last wrote, or was opened."""
        return self._committed.counts()

    def hear(self, sequence: int) -> None:
        """Take note, in any thread, that changes of others were heard of elsewhere, up to one."""
        self._heard = max(self._heard, sequence)

    def begin(self) -> None:
        """Begin a transaction, in which nobody else changes the inbox."""
        seen = max(self._heard, self._committed.sequence)
        self._totals = self._read_totals("FOR UPDATE")
        if self._totals.sequence < seen:
            raise StoreAwayError(
                f"{self._server} has lost changes: it is at {self._totals.sequence}, and was at "
                f"{seen}; if that is meant, start bindpost again"
            )
        self._unheard = (seen, self._totals.sequence) if self._totals.sequence > seen else None
        if self._may_be_thinned():
            self._transcripts.forget()  # those of sessions whose messages all went are gone

    def commit(self) -> list[Change]:
        """Make the transaction durable; give what was changed, here and before by others."""
        changes, now, missed = self._changes, self._totals, None
        with self._session.together():
            self._write_collected()
            if changes:
                for change in changes:
                    self._told.add(change.sequence, encode(change))
                self._told.write(self._session)
                self._forget_old(changes)
                self._session.execute(
                    "UPDATE inbox SET sequence = ?, total = ?, unread = ?, size = ?",
                    (now.sequence, now.total, now.unread, now.size),
                )
                self._session.execute("SELECT pg_notify(?, ?)", (self._channel, str(now.sequence)))
            self._session.execute("COMMIT")
            if self._unheard and self.is_looked_at():  # now that nobody waits for it any more
                missed = self._session.execute(_CHANGES, self._unheard)
        self._committed = replace(now)
        self._changes = []
        return [*(decode(told, Change) for (told,) in missed or ()), *changes]

    def rollback(self) -> None:
        """Undo the transaction, or let go of the connection if it was lost."""
        self._session.rollback()
        self._changes = []
        self._new.clear()
        self._tags.clear()
        self._mailboxes.clear()
        self._told.clear()
        self._transcripts.forget()

    def end_silence(self) -> None:
        """Give up, in any thread, what has waited too long for an answer; see `Session`."""
        self._session.end_silence()

    def translate(self, error: Exception) -> StoreError:
        """Say what an error of PostgreSQL means."""
        return self._server.translate(error)

    def make_room(self, sizes: Sequence[int]) -> None:
        """Do nothing: the disk is the server's."""

    def shorten_log(self) -> None:
        """Do nothing: the log is the server's."""

    def tidy(self) -> bool:
        """Do nothing: PostgreSQL tidies itself."""
        return False

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

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
        cursor, size = self._totals.sequence + 1, len(message.raw)
        row = MessageRow(
            cursor=cursor,
            id=message.id,
            received=message.received,
            size=size,
            read=whole.read,
            envelope=message.envelope,
            session=message.session,
            fields=fields,
            tags=self._tags.add(cursor, whole.tags),
            mailboxes=tuple(sorted(mailboxes)),
        )
        self._new.add(row)
        self._new.add_body(cursor, message.raw)
        self._mailboxes.put_in(cursor, size, mailboxes)
        for name, place in mailboxes.items():
            self._tags.add(cursor, place.tags, name)
        if transcript is None:
            self._transcripts.ensure(row.session.session_id)
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
        elsewhere = "mailbox" if mailbox is None else "every_message"
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
        members = self._mailboxes.of([entry.cursor for entry in entries], mailbox)
        changed = {
            name: Tags(self._session, name).replace(some, tags) for name, some in members.items()
        }
        cursors = {entry.cursor for entry in entries}
        touched = _touched(entries, Tags(self._session).replace(cursors, tags), changed)
        if touched:
            self._announce("tagged", touched)
        return touched.count(mailbox)

    def rename_tag(self, name: str, new: str | None, *, mailbox: str | None = None) -> int:
        """Change a tag's name on every message, None = take it off; give how many had it."""
        self._write_new()
        touched, is_changed = Touched(), False
        for place in (None, *([mailbox] if mailbox else self._mailboxes.having(name))):
            own = Tags(self._session, place)
            for known in own.having(name, within=mailbox):
                touched.note(known, place)
            is_changed |= own.rename(name, new, within=mailbox)
        if is_changed:
            self._announce("tagged", touched, cause="all", mailbox=mailbox)
        return touched.count(mailbox)

    def delete(self, ids: Sequence[str], *, mailbox: str | None = None) -> int:
        """Delete these messages, or take them out of a mailbox; give how many there were."""
        return self._remove(self._named(ids, mailbox), cause="ids", mailbox=mailbox)

    def delete_slice(self, upto: int, *, mailbox: str | None = None) -> int:
        """Delete the oldest messages, to the cursor `upto` at most; give how many, 0 = no more."""
        return self._remove(self._oldest(upto, mailbox), cause="all", mailbox=mailbox)

    def expire_slice(self, retention: Retention, now: datetime) -> int:
        """Delete some of the messages that retention lets go; give how many, 0 = no more."""
        self._write_new()
        cutoff = rules.too_old_before(retention, now)
        if cutoff is not None:
            old = self._entries(
                "WHERE received < ? ORDER BY received LIMIT ?", max(cutoff, -_LAST_CURSOR), SLICE
            )
            if old:
                return self._remove(old, cause="retention")
        now_kept = self._totals.counts()
        many = rules.too_many(retention, now_kept)
        large = rules.too_large(retention, now_kept)
        expired: list[_Entry] = []
        for entry in self._oldest(_LAST_CURSOR) if many or large else ():
            if many <= 0 and large <= 0:
                break
            expired.append(entry)
            many -= 1
            large -= entry.size
        return self._remove(expired, cause="retention")

    def _read_totals(self, how: str = "") -> _Totals:
        """Begin a transaction by reading the row of `inbox`."""
        sql = f"SELECT sequence, total, unread, size FROM inbox {how}"  # noqa: S608 - constants only
        found = self._session.begin(sql)
        return _Totals(*found.fetchall()[0])

    def _forget_old(self, changes: Sequence[Change]) -> None:
        """Delete changes that are too old; a hundredth at once, as each commit would pay for it."""
        step = max(1, self._remembered // 100)
        last = changes[-1].sequence
        if last // step > (changes[0].sequence - 1) // step:
            self._session.execute(
                "DELETE FROM change WHERE sequence <= ?", (last - self._remembered,)
            )

    def _may_be_thinned(self) -> bool:
        """
        Say whether others may have deleted messages since this node last wrote.

        Each message that comes is a change of its own, and so is whatever deletes some: so if there
        are as many more messages as there were changes, none of these was anything else.
        """
        was, now = self._committed, self._totals
        return now.total - was.total != now.sequence - was.sequence

    def _write_new(self) -> None:
        """Write the messages that were added in this transaction, so that they can be seen."""
        with self._session.together():
            self._write_collected()

    def _write_collected(self) -> None:
        self._new.write()
        self._tags.write()
        self._mailboxes.write()
        self._transcripts.write()

    def _entries(self, sql: str, *parameters: object, mailbox: str | None = None) -> list[_Entry]:
        scope = Scope.of(mailbox, message="message")
        found = self._session.execute(
            f"{scope.sql}{_ENTRIES} {sql}", (*scope.parameters, *parameters)
        )
        return [_Entry(*columns) for columns in found.fetchall()]

    def _named(self, ids: Sequence[str], mailbox: str | None = None) -> list[_Entry]:
        self._write_new()
        names = list(dict.fromkeys(ids))
        return self._entries(
            "WHERE id = ANY(?) ORDER BY array_position(?::text[], id)",
            *(names, names),
            mailbox=mailbox,
        )

    def _oldest(self, upto: int, mailbox: str | None = None) -> list[_Entry]:
        self._write_new()
        return self._entries(
            "WHERE cursor <= ? ORDER BY cursor LIMIT ?", upto, SLICE, mailbox=mailbox
        )

    def _mark(
        self, entries: Sequence[_Entry], *, read: bool, cause: ChangeCause, mailbox: str | None
    ) -> int:
        cursors = [entry.cursor for entry in entries]
        found = self._session.execute(
            "UPDATE message SET read = ? WHERE cursor = ANY(?) AND read != ? RETURNING cursor",
            (read, cursors, read),
        )
        changed = {cursor for (cursor,) in found.fetchall()}
        members = self._mailboxes.mark(cursors, read=read, mailbox=mailbox)
        touched = _touched(entries, changed, members)
        self._totals.unread += -len(changed) if read else len(changed)
        if touched:
            self._announce("marked", touched, cause=cause, read=read, mailbox=mailbox)
        return touched.count(mailbox)

    def _remove(
        self, entries: Sequence[_Entry], *, cause: ChangeCause, mailbox: str | None = None
    ) -> int:
        """Delete messages, or take them out of a mailbox; one that is in none then goes too."""
        if not entries:
            return 0
        sizes = {entry.cursor: entry.size for entry in entries}
        members = self._mailboxes.take_out(sizes, mailbox)
        gone = set(sizes)
        if mailbox is not None:
            gone = gone.difference(*self._mailboxes.of(list(sizes)).values())
        touched = _touched(entries, gone, members)
        # Read anew: what is read in the mailbox may be unread in the whole inbox.
        self._drop(entries if mailbox is None else self._named(touched.ids))
        self._announce("deleted", touched, cause=cause, mailbox=mailbox)
        return len(entries)

    def _drop(self, entries: Sequence[_Entry]) -> None:
        cursors = [entry.cursor for entry in entries]
        with self._session.together():
            for table in _PARTS:
                self._session.execute(
                    f"DELETE FROM {table} WHERE cursor = ANY(?)",  # noqa: S608 - constants only
                    (cursors,),
                )
        self._transcripts.drop_unused({entry.session for entry in entries})
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


def _touched(entries: Sequence[_Entry], whole: Collection[int], members: Members) -> Touched:
    """Note those of these entries that changed in the whole inbox, and in mailboxes, in order."""
    touched = Touched([entry.id for entry in entries if entry.cursor in whole])
    for name, some in members.items():
        if some:
            touched.mailboxes[name] = [entry.id for entry in entries if entry.cursor in some]
    return touched
