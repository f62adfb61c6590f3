"""Stores with mailboxes, in memory and in databases, agree, whatever is done in which mailbox."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import MessageStore, Query, SharedStore
from bindpost.testing.postgres import PostgresServer

T = TypeVar("T")

NAMES = ("a", "b", "c")
PLACES = st.sampled_from([None, *NAMES])
"""Where something is done; None is the whole inbox."""
SETS = st.sets(st.sampled_from(NAMES))
PICKS = st.none() | st.sets(st.integers(0, 12), max_size=4)
TAGS = st.lists(st.sampled_from(["x", "X", "y", "z"]), max_size=3)
TAG = st.sampled_from(["x", "X", "y", "z"])


def by_recipient(envelope: Envelope, _: SessionFacts) -> tuple[str, ...]:
    """Put a message into the mailboxes that its recipients name."""
    return tuple(sorted(to.address for to in envelope.recipients))


class MailboxMachine(RuleBasedStateMachine):
    """Does the same to both stores, and compares what can be seen from each place."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.ids: list[str] = []

    def run(self, doing: Awaitable[T]) -> T:
        """Wait for something."""

        async def wait() -> T:
            return await doing

        return self.runner.run(wait())

    @initialize()
    def open(self) -> None:
        """Open both."""

        async def open_both() -> tuple[SharedStore, SharedStore]:
            return MemoryStore(sort=by_recipient), await self.open_other()

        self.stores = self.run(open_both())

    async def open_other(self) -> SharedStore:
        """Open the one that isn't in memory."""
        return await SqliteStore.open(Path(self.folder.name), sort=by_recipient)

    def teardown(self) -> None:
        """Close everything."""
        for store in self.stores:
            self.run(store.close())
        self.runner.close()
        self.folder.cleanup()

    def seen(self, store: SharedStore, place: str | None) -> MessageStore:
        """Give a store as it is seen from a place."""
        return store if place is None else MailboxView(store, place)

    def both(self, place: str | None, do: Callable[[MessageStore], Awaitable[int]]) -> None:
        """Do something to both in a place; each tells the same, and no other place is touched."""
        others = [name for name in NAMES if place not in (None, name)]
        before = [self.view_of(self.stores[0], name) for name in others]
        told = [self.run(do(self.seen(store, place))) for store in self.stores]
        assert told[0] == told[1]
        assert [self.view_of(self.stores[0], name) for name in others] == before

    def pick(self, numbers: set[int] | None) -> list[str] | None:
        """Choose messages of those that are and were there; None = all."""
        if numbers is None or not self.ids:
            return None if numbers is None else ["unknown"]
        return [self.ids[number % len(self.ids)] for number in sorted(numbers)]

    @rule(to=SETS, tags=TAGS)
    def add(self, to: set[str], tags: list[str]) -> None:
        """A message comes that brings tags."""
        message = Message(
            id=new_id(),
            received=utc_now(),
            envelope=Envelope("s@x", tuple(map(Recipient, sorted(to)))),
            session=SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain"),
            raw=f"X-Tags: {', '.join(tags)}\r\n\r\n".encode(),
        )
        rows = [self.run(store.add(message, ())) for store in self.stores]
        assert rows[0].mailboxes == rows[1].mailboxes == tuple(sorted(to))
        self.ids.append(message.id)

    @rule(place=PLACES, numbers=PICKS, read=st.booleans())
    def mark(self, place: str | None, numbers: set[int] | None, read: bool) -> None:
        """Read flags are set or cleared."""
        ids = self.pick(numbers)
        self.both(place, lambda store: store.mark(ids, read=read))

    @rule(place=PLACES, numbers=PICKS, tags=TAGS)
    def tag(self, place: str | None, numbers: set[int] | None, tags: list[str]) -> None:
        """Tags are replaced."""
        ids = self.pick(numbers) or self.ids
        self.both(place, lambda store: store.set_tags(ids, tags))

    @rule(place=PLACES, name=TAG, new=TAG)
    def rename_tag(self, place: str | None, name: str, new: str) -> None:
        """A tag is renamed."""
        self.both(place, lambda store: store.rename_tag(name, new))

    @rule(place=PLACES, name=TAG)
    def remove_tag(self, place: str | None, name: str) -> None:
        """A tag is removed."""
        self.both(place, lambda store: store.remove_tag(name))

    @rule(place=PLACES, numbers=PICKS)
    def delete(self, place: str | None, numbers: set[int] | None) -> None:
        """Messages are deleted."""
        ids = self.pick(numbers)
        self.both(place, lambda store: store.delete(ids))

    def view_of(self, store: SharedStore, place: str | None) -> object:
        """Give all that can be seen from a place, but for cursors and times."""
        seen = self.seen(store, place)
        rows = self.run(seen.find(limit=0))
        counts = self.run(seen.count())
        assert counts == self.run(seen.count(Query(after=0)))
        return (
            [(row.id, row.read, row.tags, row.mailboxes) for row in rows],
            counts,
            list(self.run(seen.tags()).items()),
        )

    @invariant()
    def they_agree(self) -> None:
        """From each place both look the same, and so do their mailboxes."""
        if not hasattr(self, "stores"):
            return
        one, other = self.stores
        for place in (None, *NAMES):
            assert self.view_of(one, place) == self.view_of(other, place)
        assert self.run(one.mailboxes()) == self.run(other.mailboxes())


SETTINGS = settings(
    max_examples=10,
    stateful_step_count=15,
    deadline=None,  # a step may wait for the disk
    suppress_health_check=[HealthCheck.too_slow],  # likewise
)
TestMailboxes = MailboxMachine.TestCase
TestMailboxes.settings = SETTINGS


def test_mailboxes_in_postgres(postgres: PostgresServer) -> None:
    """A store in PostgreSQL agrees, too."""

    class PostgresMachine(MailboxMachine):
        """Compares with a store that begins empty."""

        def __init__(self) -> None:
            super().__init__()
            self.lent = ExitStack()

        async def open_other(self) -> SharedStore:
            """Open it."""
            url = self.lent.enter_context(postgres.inbox())
            return await PostgresStore.open(url, sort=by_recipient)

        def teardown(self) -> None:
            """Close everything."""
            super().teardown()
            self.lent.close()

    run_state_machine_as_test(PostgresMachine, settings=settings(SETTINGS, max_examples=5))
