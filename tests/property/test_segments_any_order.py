"""Segments keep what a dictionary would, whatever is added, deleted, undone and moved about."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bindpost.server.message.model import Envelope, Message, SessionFacts, new_id, utc_now
from bindpost.server.store import sqlite_queries
from bindpost.server.store.sqlite_bodies import SEGMENT_FOLDER
from bindpost.server.store.sqlite_connection import open_reader, open_writer
from bindpost.server.store.sqlite_inbox import SqliteInbox
from bindpost.server.store.sqlite_schema import migrate

BODIES = st.lists(st.binary(min_size=4, max_size=40), min_size=1, max_size=8)
FACTS = SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain")


class SegmentMachine(RuleBasedStateMachine):
    """Does the same to an inbox with tiny segments and to a dictionary, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "mail.db"
        self.model: dict[str, bytes] = {}
        self.gone: list[str] = []

    @initialize()
    def open(self) -> None:
        """Open the inbox; a body goes to a segment from one byte on."""
        connection = open_writer(self.path)
        connection.execute("PRAGMA synchronous = OFF")  # a crash is not what this is about
        migrate(connection, self.path)
        self.inbox = SqliteInbox(connection, self.path, keep_free=0, large=1, segment=100)

    def teardown(self) -> None:
        """Close everything."""
        self.inbox.close()
        self.folder.cleanup()

    def add_all(self, raws: list[bytes]) -> dict[str, bytes]:
        """Add messages to the transaction."""
        added = {}
        for raw in raws:
            message = Message(new_id(), utc_now(), Envelope("a@x", ()), FACTS, raw)
            self.inbox.add(message, ())
            added[message.id] = raw
        return added

    @rule(raws=BODIES)
    def add(self, raws: list[bytes]) -> None:
        """Messages that are committed are there."""
        self.inbox.begin()
        added = self.add_all(raws)
        self.inbox.commit()
        self.model |= added

    @rule(raws=BODIES, picks=st.sets(st.integers(0, 40), max_size=20))
    def undo(self, raws: list[bytes], picks: set[int]) -> None:
        """A transaction that is rolled back has neither added nor deleted."""
        self.inbox.begin()
        self.inbox.delete(self.picked(picks))
        self.add_all(raws)
        self.inbox.mark([], read=True)  # makes it write what it has collected
        self.inbox.rollback()

    @rule(picks=st.sets(st.integers(0, 40), max_size=30))
    def delete(self, picks: set[int]) -> None:
        """Messages that are deleted are gone, the others not."""
        ids = self.picked(picks)
        self.inbox.begin()
        assert self.inbox.delete(ids) == len(ids)
        self.inbox.commit()
        for known in ids:
            del self.model[known]
            self.gone.append(known)

    def picked(self, picks: set[int]) -> list[str]:
        """Choose some messages."""
        ids = list(self.model)
        return [ids[pick] for pick in picks if pick < len(ids)]

    @rule()
    def tidy(self) -> None:
        """Quiet moments come to an end, and change nothing that is kept."""
        while self.inbox.tidy():
            pass

    @rule()
    def squeeze(self) -> None:
        """When there is need of room, the segments have what is kept and nothing else."""
        self.inbox.make_room([2**62])
        files = (self.path.parent / SEGMENT_FOLDER).glob("*")
        assert sum(file.stat().st_size for file in files) == sum(map(len, self.model.values()))

    @rule()
    def reopen(self) -> None:
        """Closing and opening again changes nothing."""
        self.inbox.close()
        self.open()

    @invariant()
    def everything_is_read(self) -> None:
        """Each message that is kept has its bytes, one that is gone has none."""
        if not self.path.exists():
            return
        with closing(open_reader(self.path)) as connection:
            for known, raw in self.model.items():
                assert sqlite_queries.raw(connection, self.path.parent, known) == raw
            for known in self.gone:
                assert sqlite_queries.raw(connection, self.path.parent, known) is None


TestSegmentMachine = SegmentMachine.TestCase
TestSegmentMachine.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,  # a step may wait for the disk
    suppress_health_check=[HealthCheck.too_slow],  # likewise
)
