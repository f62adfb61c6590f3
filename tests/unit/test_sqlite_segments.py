"""Large bodies in segment files: where they are, what a crash leaves, what deleting gives back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bindpost.errors import StoreError
from bindpost.server.message.model import Envelope, Message, SessionFacts, new_id, utc_now
from bindpost.server.store import sqlite_bodies, sqlite_queries
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_connection import open_reader, open_writer
from bindpost.server.store.sqlite_inbox import SqliteInbox
from bindpost.server.store.sqlite_schema import migrate
from bindpost.server.store.store import Query
from bindpost.server.store.terms import Term

LARGE = 100
SEGMENT = 1000


def make_message(raw: bytes) -> Message:
    """Make a message."""
    facts = SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain")
    return Message(new_id(), utc_now(), Envelope("a@x", ()), facts, raw)


def bodies(count: int, size: int = 4 * LARGE) -> list[bytes]:
    """Make bodies that differ."""
    return [bytes([number % 256]) * size for number in range(count)]


@contextmanager
def opened(folder: Path) -> Iterator[SqliteInbox]:
    """Open the inbox of a folder as its writer does, with small segments."""
    path = folder / "mail.db"
    connection = open_writer(path)
    migrate(connection, path)
    inbox = SqliteInbox(connection, path, keep_free=0, large=LARGE, segment=SEGMENT)
    try:
        yield inbox
    finally:
        inbox.close()


def add(inbox: SqliteInbox, raws: Sequence[bytes]) -> list[str]:
    """Add messages, each in its own transaction; give their ids."""
    ids = []
    for raw in raws:
        message = make_message(raw)
        inbox.begin()
        inbox.add(message, ())
        inbox.commit()
        ids.append(message.id)
    return ids


def add_together(inbox: SqliteInbox, raws: Sequence[bytes]) -> list[str]:
    """Add messages in one transaction, so in one segment; give their ids."""
    messages = [make_message(raw) for raw in raws]
    inbox.begin()
    for message in messages:
        inbox.add(message, ())
    inbox.commit()
    return [message.id for message in messages]


def delete(inbox: SqliteInbox, ids: Sequence[str]) -> None:
    """Delete messages."""
    inbox.begin()
    assert inbox.delete(ids) == len(ids)
    inbox.commit()


def read(folder: Path, ids: Sequence[str]) -> list[bytes | None]:
    """Read messages by a connection that only reads."""
    with closing(open_reader(folder / "mail.db")) as connection:
        return [sqlite_queries.raw(connection, folder, known) for known in ids]


def segments(folder: Path) -> list[Path]:
    """Give the segment files, oldest first."""
    return sorted((folder / sqlite_bodies.SEGMENT_FOLDER).glob("*"))


def sizes(folder: Path) -> list[int]:
    """Give the lengths of the segment files."""
    return [file.stat().st_size for file in segments(folder)]


# Where bodies are


def test_only_large_bodies_are_in_segments(tmp_path: Path) -> None:
    """Small bodies are in the database, large ones in a file that only its owner may read."""
    with opened(tmp_path) as inbox:
        add(inbox, [b"small", *bodies(2)])

    (file,) = segments(tmp_path)
    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        assert database.execute("SELECT raw FROM body").fetchall() == [(b"small",)]
    assert file.read_bytes() == b"".join(bodies(2))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_lone_body_that_is_not_worth_a_sync_is_in_the_database(tmp_path: Path) -> None:
    """A transaction with little that is large makes no segment; one with much of it does."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(1, LARGE))
        assert segments(tmp_path) == []
        ids += add_together(inbox, bodies(4, LARGE))

    assert sizes(tmp_path) == [4 * LARGE]
    assert read(tmp_path, ids) == bodies(1, LARGE) + bodies(4, LARGE)


def test_a_full_segment_takes_no_more(tmp_path: Path) -> None:
    """When a segment has its length the next message begins another, also after a restart."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(4))
    with opened(tmp_path) as inbox:
        ids += add(inbox, bodies(3))

    assert sizes(tmp_path) == [1200, 1200, 400]
    assert read(tmp_path, ids) == bodies(4) + bodies(3)


# What a crash leaves


def test_what_was_never_committed_is_cut_off(tmp_path: Path) -> None:
    """Bytes behind the last message, and files that no message is in, are gone at the next open."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(2))
    (file,) = segments(tmp_path)
    with file.open("ab") as segment:
        segment.write(b"from a transaction that was never committed")
    other_number = file.with_name(file.name.replace("00000001", "00000002"))
    other_number.write_bytes(b"likewise")

    with opened(tmp_path) as inbox:
        assert sizes(tmp_path) == [800]
        ids += add(inbox, bodies(1))

    assert read(tmp_path, ids) == bodies(2) + bodies(1)


def test_segments_of_another_database_are_left_alone(tmp_path: Path) -> None:
    """Who moves `mail.db` away gets a new one, and loses nothing that belongs to the old."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(2))
    (tmp_path / "mail.db").rename(tmp_path / "old.db")
    with opened(tmp_path) as inbox:
        add(inbox, bodies(3))
    (tmp_path / "old.db").replace(tmp_path / "mail.db")

    with opened(tmp_path):
        assert read(tmp_path, ids) == bodies(2)


def test_a_rollback_leaves_nothing(tmp_path: Path) -> None:
    """A transaction that fails after its bodies were written takes them along, file and all."""
    message = make_message(bodies(1)[0])
    with opened(tmp_path) as inbox:
        for before in ([], bodies(1), bodies(2)):  # in a new file, behind another, in a full one
            ids = add(inbox, before)
            length = sizes(tmp_path)
            inbox.begin()
            inbox.add(message, ())
            inbox.add(message, ())
            with pytest.raises(StoreError, match=message.id):
                inbox.commit()
            inbox.rollback()
            assert sizes(tmp_path) == length
            assert read(tmp_path, ids) == before
        assert read(tmp_path, add(inbox, bodies(2))) == bodies(2)


# Damage


def cut(file: Path) -> None:
    """Take the last byte away."""
    os.truncate(file, file.stat().st_size - 1)


def change(file: Path) -> None:
    """Change the last byte."""
    file.write_bytes(file.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "shorter than the 1200 bytes"),
        (change, "bytes 800 to 1200 are not those that were written"),
        (Path.unlink, "No such file"),
    ],
)
async def test_damage_is_told_by_the_message_that_it_met(
    tmp_path: Path, damage: object, reason: str
) -> None:
    """A message whose bytes are damaged raises with file and cause; the others are read."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(4))
    assert callable(damage)
    damage(segments(tmp_path)[0])

    store = await SqliteStore.open(tmp_path, large=LARGE, segment=SEGMENT)
    try:
        with pytest.raises(StoreError, match=rf"00000001\.seg: .*{reason}.*; restore"):
            await store.raw(ids[2])
        assert await store.raw(ids[3]) == bodies(4)[3]
        assert len(await store.find()) == 4
        found = await store.find(Query(terms=(Term("raw", "\x03"),)))
        assert [row.id for row in found] == [ids[3]]
        row = await store.add(make_message(bodies(1)[0]), ())
        assert await store.raw(row.id) == bodies(1)[0]
        assert await store.delete([ids[2]]) == 1
    finally:
        await store.close()


def test_a_damaged_segment_is_not_compacted(tmp_path: Path) -> None:
    """Compacting leaves a damaged segment as it is, and goes on with others."""
    with opened(tmp_path) as inbox:
        damaged, sound = (add_together(inbox, bodies(20, 100)) for _ in range(2))
        add_together(inbox, bodies(20, 100))
        delete(inbox, damaged[:10] + sound[:16])
        delete(inbox, damaged[11:])
        change(segments(tmp_path)[0])

        tidy(inbox)

        assert sizes(tmp_path) == [1100, 2000, 400]
        assert read(tmp_path, sound[16:]) == bodies(20, 100)[16:]


# The disk gets back what is deleted


def tidy(inbox: SqliteInbox) -> None:
    """Do what the writer does in quiet moments, until nothing is left."""
    while inbox.tidy():
        pass


def test_deleting_the_last_makes_a_segment_shorter(tmp_path: Path) -> None:
    """Behind the last message that is kept a segment ends; without one it is gone."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(3))
        delete(inbox, [ids[1]])
        assert sizes(tmp_path) == [1200]
        delete(inbox, [ids[2]])
        assert sizes(tmp_path) == [400]
        again = add(inbox, bodies(1))
        assert sizes(tmp_path) == [800]
        delete(inbox, [ids[0], *again])
        assert sizes(tmp_path) == []
        assert read(tmp_path, add(inbox, bodies(1))) == bodies(1)


def test_a_transaction_may_add_and_delete(tmp_path: Path) -> None:
    """What is added behind what is deleted in the same transaction stays."""
    with opened(tmp_path) as inbox:
        ids = add(inbox, bodies(1))
        kept, gone = make_message(bodies(2)[1]), make_message(bodies(1)[0])
        inbox.begin()
        inbox.add(kept, ())
        inbox.delete(ids)
        inbox.add(gone, ())
        inbox.delete([gone.id])
        inbox.commit()

        assert read(tmp_path, [kept.id, gone.id]) == [kept.raw, None]
        assert sizes(tmp_path) == [800]
        assert read(tmp_path, add(inbox, bodies(1))) == bodies(1)


def test_a_sparse_segment_is_compacted_in_quiet_moments(tmp_path: Path) -> None:
    """When less than a quarter of a segment is kept, that is moved and the file dropped."""
    with opened(tmp_path) as inbox:
        sparse, full = (add_together(inbox, bodies(20, 100)) for _ in range(2))
        delete(inbox, sparse[:15])
        tidy(inbox)
        assert sizes(tmp_path) == [2000, 2000]
        delete(inbox, sparse[15:16])

        tidy(inbox)

        assert [file.stem[-1] for file in segments(tmp_path)] == ["2", "3"]
        assert sizes(tmp_path) == [2000, 400]
        assert read(tmp_path, sparse[16:] + full) == bodies(20, 100)[16:] + bodies(20, 100)


def test_need_compacts_everything(tmp_path: Path) -> None:
    """When the disk is full nothing stays of what is deleted, wherever in the files it was."""
    with opened(tmp_path) as inbox:
        ids = [known for _ in range(4) for known in add_together(inbox, bodies(20, 100))]
        kept = ids[::3]
        delete(inbox, [known for known in ids if known not in kept])

        inbox.make_room([2**62])

        assert sum(sizes(tmp_path)) == 100 * len(kept)
        assert read(tmp_path, kept) == (bodies(20, 100) * 4)[::3]
    with opened(tmp_path):
        assert read(tmp_path, kept) == (bodies(20, 100) * 4)[::3]


async def test_reading_goes_on_while_segments_move(tmp_path: Path) -> None:
    """One who reads while messages are deleted and moved gets the bytes, or None; no error."""
    ends = threading.Event()
    with opened(tmp_path) as inbox:
        kept = add(inbox, bodies(5, 500))

        def read_on() -> int:
            turns = 0
            while not ends.is_set():
                assert read(tmp_path, kept) == bodies(5, 500)
                turns += 1
            return turns

        reading = asyncio.ensure_future(asyncio.to_thread(read_on))
        try:
            await asyncio.to_thread(churn, inbox, rounds=5)
        finally:
            ends.set()
            turns = await reading
    assert turns > 0


def churn(inbox: SqliteInbox, *, rounds: int) -> None:
    """Add and delete around what is kept, and move it about."""
    for _ in range(rounds):
        ids = add(inbox, bodies(6, 500))
        delete(inbox, ids)
        inbox.make_room([2**62])
        tidy(inbox)
