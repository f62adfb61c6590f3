"""Stores on databases do what a dictionary would do, whatever is done in whatever order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bindpost.errors import StoreError
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    Transcript,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import Change, Counts, MessageStore, Query
from bindpost.testing.postgres import PostgresServer

T = TypeVar("T")

ADDRESSES = st.sampled_from(["", "a@x", "A@X", "ä@x", "Ä@X", "b@y", "\udcff@z"])
SESSIONS = st.sampled_from(["one", "two", "three"])
SUBJECTS = st.sampled_from(["hello", "HELLO world", "Grüße", ""])
TRANSCRIPTS = st.lists(
    st.builds(TranscriptLine, st.integers(0, 3), st.sampled_from("CS"), st.text(max_size=3)),
    max_size=4,
).map(tuple)
PICKS = st.sets(st.integers(0, 30), max_size=5)
FLAGS = st.sampled_from([None, True, False])


@dataclass(frozen=True)
class Kept:
    """A message as the model knows it."""

    message: Message
    cursor: int
    subject: str
    read: bool = False

    def matches(self, query: Query) -> bool:
        """Say whether the query finds it."""
        envelope = self.message.envelope
        to = {recipient.address.casefold() for recipient in envelope.recipients}
        return (
            (query.recipient is None or query.recipient.casefold() in to)
            and (
                query.sender is None or query.sender.casefold() == envelope.reverse_path.casefold()
            )
            and (query.subject or "").casefold() in self.subject.casefold()
            and (query.unread is None or query.unread != self.read)
            and (query.after is None or self.cursor > query.after)
            and (query.before is None or self.cursor < query.before)
        )


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to a dictionary, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[str, Kept] = {}
        self.transcripts: dict[str, Transcript] = {}
        self.gone: list[str] = []
        self.last_cursor = 0

    def run(self, doing: Awaitable[T]) -> T:
        """Wait for something of the store."""

        async def wait() -> T:
            return await doing

        return self.runner.run(wait())

    @initialize()
    def open(self) -> None:
        """Open the store, and follow its changes."""
        self.store = self.run(self.open_store())
        self.changes = self.store.changes()

    async def open_store(self) -> MessageStore:
        """
        Open an SQLite store.

        Its segments are so small that there are many, and it compacts them after each step.
        """
        folder = Path(self.folder.name)
        return await SqliteStore.open(folder, large=5, segment=100, quiet=0.0)

    def teardown(self) -> None:
        """Close everything."""
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def pick(self, numbers: set[int]) -> list[str]:
        """Choose some messages of those that are and were there."""
        known = [*self.model, *self.gone, "unknown"]
        return [known[number % len(known)] for number in sorted(numbers)]

    def next_change(self) -> Change:
        """Give the next change, which must be there already."""
        return self.run(asyncio.wait_for(anext(self.changes), 10))

    def forget(self, names: list[str]) -> None:
        """Take messages out of the model, and transcripts that nobody has any more."""
        for name in names:
            del self.model[name]
            self.gone.append(name)
        used = {kept.message.session.session_id for kept in self.model.values()}
        self.transcripts = {name: said for name, said in self.transcripts.items() if name in used}

    @rule(
        sender=ADDRESSES,
        to=st.lists(ADDRESSES, max_size=3),
        session=SESSIONS,
        subject=SUBJECTS,
        body=st.binary(max_size=50),
        said=TRANSCRIPTS,
        grows=st.booleans(),
    )
    def add(
        self,
        sender: str,
        to: list[str],
        session: str,
        subject: str,
        body: bytes,
        said: Transcript,
        grows: bool,
    ) -> None:
        """A message that is added is there, behind all others."""
        if grows:
            said = (*self.transcripts.get(session, ()), *said)
        message = Message(
            id=new_id(),
            received=utc_now(),
            envelope=Envelope(sender, tuple(Recipient(address) for address in to)),
            session=SessionFacts(session, utc_now(), "127.0.0.1:25", "direct:", "plain"),
            raw=b"Subject: " + subject.encode() + b"\r\n\r\n" + body,
        )

        row = self.run(self.store.add(message, said))

        assert row.cursor > self.last_cursor
        self.last_cursor = row.cursor
        self.model[message.id] = Kept(message, row.cursor, subject)
        self.transcripts[session] = said
        change = self.next_change()
        assert (change.kind, change.ids, change.row) == ("added", (message.id,), row)

    @rule(number=st.integers(0, 30))
    def add_again(self, number: int) -> None:
        """A message whose id is taken is refused."""
        if self.model:
            kept = [*self.model.values()][number % len(self.model)]
            with pytest.raises(StoreError):
                self.run(self.store.add(kept.message, ()))

    @rule(session=SESSIONS, said=TRANSCRIPTS)
    def end_session(self, session: str, said: Transcript) -> None:
        """The final transcript replaces the one before, if the session has messages."""
        self.run(self.store.end_session(session, said))
        if session in self.transcripts:
            self.transcripts[session] = said

    @rule(numbers=st.none() | PICKS, read=st.booleans())
    def mark(self, numbers: set[int] | None, read: bool) -> None:
        """Marking changes those that were not so marked, and tells which."""
        ids = None if numbers is None else self.pick(numbers)
        named = [*self.model] if ids is None else [*dict.fromkeys(ids)]
        changed = [name for name in named if name in self.model and self.model[name].read != read]

        assert self.run(self.store.mark(ids, read=read)) == len(changed)

        for name in changed:
            self.model[name] = replace(self.model[name], read=read)
        if changed:
            change = self.next_change()
            assert (change.kind, set(change.ids)) == ("marked", set(changed))

    @rule(numbers=PICKS)
    def delete(self, numbers: set[int]) -> None:
        """Deleting removes those that are there, and tells which."""
        self.check_deletion(self.pick(numbers))

    @rule()
    def delete_all(self) -> None:
        """Deleting `None` removes everything."""
        self.check_deletion(None)

    def check_deletion(self, ids: list[str] | None) -> None:
        """Delete, and compare."""
        named = [*self.model] if ids is None else [*dict.fromkeys(ids)]
        there = [name for name in named if name in self.model]

        assert self.run(self.store.delete(ids)) == len(there)

        self.forget(there)
        if there:
            change = self.next_change()
            assert (change.kind, set(change.ids)) == ("deleted", set(there))

    @rule()
    def reopen(self) -> None:
        """Closing and opening again changes nothing."""
        before = self.store.sequence
        self.run(self.store.close())
        self.open()
        assert self.store.sequence == before

    @rule(
        recipient=st.none() | ADDRESSES,
        sender=st.none() | ADDRESSES,
        subject=st.none() | st.sampled_from(["h", "WORLD", "üSS", ""]),
        unread=FLAGS,
        after=st.none() | st.integers(-1, 40),
        before=st.none() | st.integers(-1, 40),
        limit=st.integers(0, 5),
        offset=st.integers(0, 5),
    )
    def find(
        self,
        recipient: str | None,
        sender: str | None,
        subject: str | None,
        unread: bool | None,
        after: int | None,
        before: int | None,
        limit: int,
        offset: int,
    ) -> None:
        """A query finds and counts what the model holds, newest first."""
        query = Query(recipient, sender, subject, after, before, unread)
        expected = [kept for kept in reversed(self.model.values()) if kept.matches(query)]

        rows = self.run(self.store.find(query, limit=limit, offset=offset))

        page = expected[offset : offset + limit] if limit else expected[offset:]
        assert [row.id for row in rows] == [kept.message.id for kept in page]
        assert self.run(self.store.count(query)) == count(expected)

    @rule(number=st.integers(0, 30))
    def look_at_one(self, number: int) -> None:
        """Row, bytes and transcript of a message are those it was added with, or None."""
        (name,) = self.pick({number})
        kept = self.model.get(name)

        row = self.run(self.store.get(name))
        raw = self.run(self.store.raw(name))
        said = self.run(self.store.transcript(name))

        if kept is None:
            assert (row, raw, said) == (None, None, None)
        else:
            assert row is not None
            assert (row.cursor, row.read, row.envelope) == (
                kept.cursor,
                kept.read,
                kept.message.envelope,
            )
            assert raw == kept.message.raw
            assert said == self.transcripts[kept.message.session.session_id]

    @invariant()
    def counts_are_right(self) -> None:
        """The counts of all that is kept, counted on the fly, are those of the model."""
        assert self.run(self.store.count()) == count([*self.model.values()])


def count(kept: list[Kept]) -> Counts:
    """Count as a store does."""
    return Counts(
        total=len(kept),
        unread=sum(not one.read for one in kept),
        size=sum(len(one.message.raw) for one in kept),
    )


SETTINGS = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,  # a step may wait for the disk
    suppress_health_check=[HealthCheck.too_slow],  # likewise
)
TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = SETTINGS


def test_postgres_store(postgres: PostgresServer) -> None:
    """A store in PostgreSQL does so, too."""

    class PostgresMachine(StoreMachine):
        """Does all that to a store that begins empty."""

        def __init__(self) -> None:
            super().__init__()
            self.lent = ExitStack()
            self.url = self.lent.enter_context(postgres.inbox())

        async def open_store(self) -> MessageStore:
            """Open it."""
            return await PostgresStore.open(self.url)

        def teardown(self) -> None:
            """Close everything."""
            super().teardown()
            self.lent.close()

    # Each step is a round trip, each opening makes connections.
    run_state_machine_as_test(PostgresMachine, settings=settings(SETTINGS, max_examples=10))
