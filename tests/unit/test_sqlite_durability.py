"""What an SQLite store has acknowledged is there after a restart, a crash, and a busy moment."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

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
from bindpost.server.store.backlog import BACKLOG_BYTES, BACKLOG_JOBS
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_connection import open_writer
from bindpost.server.store.sqlite_inbox import LARGE
from bindpost.server.store.store import Counts, MessageRow

SAID: Transcript = (TranscriptLine(0, "S", "220 ready"),)

ADDER = """
import asyncio, hashlib, sys
from pathlib import Path
from bindpost.server.message.model import *
from bindpost.server.store.sqlite import SqliteStore

async def add_for_ever(store, session):
    facts = SessionFacts(session, utc_now(), "127.0.0.1:25", "direct:", "plain")
    while True:
        name = new_id()
        raw = hashlib.sha256(name.encode()).digest() * 200
        await store.add(Message(name, utc_now(), Envelope("a@x", ()), facts, raw), ())
        print(name, flush=True)

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), large=int(sys.argv[2]), segment=50_000)
    await asyncio.gather(*(add_for_ever(store, str(number)) for number in range(8)))

asyncio.run(main())
"""


def make_message(raw: bytes = b"Subject: x\r\n\r\n", *, session: str = "one") -> Message:
    """Make a message."""
    return Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("from@example.com", (Recipient("to@example.com"),)),
        session=SessionFacts(session, utc_now(), "127.0.0.1:25", "direct:", "plain"),
        raw=raw,
    )


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Rows, bytes, transcripts, read flags, counts and the sequence survive closing."""
    store = await SqliteStore.open(tmp_path)
    first = await store.add(make_message(b"one"), SAID)
    second = await store.add(make_message(b"three"), SAID)
    await store.mark([first.id], read=True)
    sequence = store.sequence
    await store.close()

    store = await SqliteStore.open(tmp_path)
    try:
        rows = await store.find()
        assert [(row.id, row.read) for row in rows] == [(second.id, False), (first.id, True)]
        assert rows[0] == second
        assert await store.raw(first.id) == b"one"
        assert await store.transcript(second.id) == SAID
        assert await store.count() == Counts(total=2, unread=1, size=8)
        assert store.sequence == sequence
    finally:
        await store.close()


async def test_cursor_is_not_reused_after_a_restart(tmp_path: Path) -> None:
    """The cursor of a deleted newest message is not given again."""
    store = await SqliteStore.open(tmp_path)
    first = await store.add(make_message(), SAID)
    await store.delete(None)
    await store.close()

    store = await SqliteStore.open(tmp_path)
    try:
        assert (await store.add(make_message(), SAID)).cursor > first.cursor
    finally:
        await store.close()


async def test_added_messages_are_told_again_after_a_restart(tmp_path: Path) -> None:
    """A follower that comes back with a number from before the restart misses no message."""
    store = await SqliteStore.open(tmp_path)
    rows = [await store.add(make_message(), SAID) for _ in range(250)]
    await store.close()

    store = await SqliteStore.open(tmp_path)
    try:
        await store.mark([rows[7].id], read=True)
        changes = store.changes(rows[4].cursor)
        seen = [await anext(changes) for _ in range(246)]
        assert [change.row for change in seen[:-1]] == rows[5:]
        assert (seen[-1].kind, seen[-1].ids) == ("marked", (rows[7].id,))
    finally:
        await store.close()


async def test_other_changes_before_a_restart_are_not_made_up(tmp_path: Path) -> None:
    """When something was marked or deleted before the restart, asking for it raises."""
    store = await SqliteStore.open(tmp_path)
    row = await store.add(make_message(), SAID)
    await store.mark([row.id], read=True)
    later = await store.add(make_message(), SAID)
    await store.close()

    store = await SqliteStore.open(tmp_path)
    try:
        with pytest.raises(StoreError, match="no longer remembered"):
            await anext(store.changes(row.cursor))
        assert (await anext(store.changes(later.cursor - 1))).row == later
    finally:
        await store.close()


async def test_nothing_of_a_deleted_message_is_left(tmp_path: Path) -> None:
    """Deleting the messages of a session leaves no row in any table."""
    store = await SqliteStore.open(tmp_path)
    rows = [await store.add(make_message(), SAID) for _ in range(3)]
    await store.delete([row.id for row in rows])
    await store.close()

    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        for table in ("message", "body", "recipient", "session", "transcript"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_long_session_writes_each_line_once(tmp_path: Path) -> None:
    """Each message of a session writes only the lines that its transcript has grown by."""
    said = tuple(TranscriptLine(number, "C", f"line {number}") for number in range(30))
    store = await SqliteStore.open(tmp_path)
    for length in (10, 20, 20, 30):
        row = await store.add(make_message(), said[:length])
    assert await store.transcript(row.id) == said
    await store.close()

    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        pieces = database.execute("SELECT previous, json_array_length(lines) FROM transcript")
        assert pieces.fetchall() == [(0, 10), (1, 10), (2, 10)]


async def test_sessions_are_told_apart(tmp_path: Path) -> None:
    """Transcripts that grow side by side are each their own, and each goes with its messages."""
    lengths = (3, 5, 9)
    said = {
        session: tuple(TranscriptLine(number, "C", f"{session} {number}") for number in range(9))
        for session in ("a", "b")
    }
    store = await SqliteStore.open(tmp_path)
    rows = {
        (session, length): await store.add(make_message(session=session), said[session][:length])
        for length in lengths
        for session in said
    }

    assert await store.transcript(rows["a", 3].id) == said["a"]
    assert await store.transcript(rows["b", 9].id) == said["b"]
    await store.delete([rows["a", length].id for length in lengths[:2]])
    assert await store.transcript(rows["a", 9].id) == said["a"]
    await store.delete([rows["a", 9].id])
    assert await store.transcript(rows["b", 5].id) == said["b"]
    await store.close()

    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        assert database.execute("SELECT name, messages FROM session").fetchall() == [("b", 3)]
        assert database.execute("SELECT count(*) FROM transcript").fetchone() == (3,)


async def test_a_session_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Its transcript is written anew then, and its messages are still counted."""
    store = await SqliteStore.open(tmp_path)
    first = await store.add(make_message(), SAID[:1])
    await store.close()
    store = await SqliteStore.open(tmp_path)
    second = await store.add(make_message(), SAID)

    assert await store.transcript(first.id) == SAID
    await store.delete([second.id])
    assert await store.transcript(first.id) == SAID
    await store.delete([first.id])
    await store.close()

    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        for table in ("session", "transcript"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


async def test_commit_means_fsync(tmp_path: Path) -> None:
    """The connection that writes is in WAL mode with synchronous=FULL and pages of 8 KiB."""
    with closing(open_writer(tmp_path / "mail.db")) as connection:
        facts = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "page_size")
        }

    assert facts == {"journal_mode": "wal", "synchronous": 2, "page_size": 8192}


async def test_normal_durability_syncs_no_commit(tmp_path: Path) -> None:
    """With the durability `normal` commits are not synced; what was added outlives a restart."""
    store = await SqliteStore.open(tmp_path, durability="normal", large=10)
    rows = [await store.add(make_message(bytes(1000)), SAID) for _ in range(2)]
    await store.delete([rows[1].id])
    await store.close()

    store = await SqliteStore.open(tmp_path, durability="normal")
    try:
        assert await store.find() == rows[:1]
        assert await store.raw(rows[0].id) == bytes(1000)
    finally:
        await store.close()
    with closing(open_writer(tmp_path / "mail.db", "normal")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (1,)


async def add_together(
    store: SqliteStore, folder: Path, messages: Sequence[Message]
) -> list[MessageRow | BaseException]:
    """Add messages of which none is committed before all are there; gives what comes of each."""
    with closing(sqlite3.connect(folder / "mail.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # holds the writer
        tasks = [asyncio.ensure_future(store.add(message, SAID)) for message in messages]
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_200_adds_at_once_share_transactions(tmp_path: Path) -> None:
    """Messages that come together are committed together."""
    store = await SqliteStore.open(tmp_path)
    try:
        before = store.commits
        await add_together(store, tmp_path, [make_message() for _ in range(200)])
        assert 1 <= store.commits - before <= 20
    finally:
        await store.close()


async def test_large_messages_are_split_over_transactions(tmp_path: Path) -> None:
    """A transaction takes no more than 32 MiB of messages."""
    store = await SqliteStore.open(tmp_path)
    try:
        before = store.commits
        raw = bytes(10 * 1024 * 1024)
        await asyncio.gather(*(store.add(make_message(raw), SAID) for _ in range(4)))
        assert store.commits - before >= 2
    finally:
        await store.close()


async def test_reading_does_not_wait_for_writing(tmp_path: Path) -> None:
    """While a write is held up, readers get their answers."""
    store = await SqliteStore.open(tmp_path)
    try:
        row = await store.add(make_message(), SAID)
        with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            adding = asyncio.ensure_future(store.add(make_message(), SAID))
            assert await store.find() == [row]
            assert not adding.done()
            other.execute("ROLLBACK")
        assert (await adding).cursor > row.cursor
    finally:
        await store.close()


async def test_a_bad_message_costs_few_transactions(tmp_path: Path) -> None:
    """Of 400 messages that come together a bad one is found in halves, not one by one."""
    store = await SqliteStore.open(tmp_path)
    try:
        messages = [make_message(session="\ud800" if n == 77 else "s") for n in range(400)]
        results = await add_together(store, tmp_path, messages)
        assert [n for n, result in enumerate(results) if isinstance(result, StoreError)] == [77]
        assert store.commits <= 20
    finally:
        await store.close()


async def test_no_more_waits_than_there_is_room_for(tmp_path: Path) -> None:
    """What is added beyond the backlog is not queued before there is room: it can be cancelled."""
    store = await SqliteStore.open(tmp_path)
    try:
        with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # holds the writer
            tasks = [
                asyncio.ensure_future(store.add(make_message(b""), ()))
                for _ in range(BACKLOG_JOBS + 10)
            ]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            other.execute("ROLLBACK")
        await asyncio.wait(tasks)
        await store.add(make_message(b""), ())
        assert (await store.count()).total == BACKLOG_JOBS + 1
    finally:
        await store.close()


async def test_what_waited_for_room_is_kept(tmp_path: Path) -> None:
    """More bytes than the backlog takes wait while the writer is held, and are all kept."""
    raw = bytes(4 * 1024 * 1024)
    store = await SqliteStore.open(tmp_path)
    try:
        with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            count = BACKLOG_BYTES // len(raw) + 4
            tasks = [asyncio.ensure_future(store.add(make_message(raw), ())) for _ in range(count)]
            await asyncio.sleep(0)
            other.execute("ROLLBACK")
        rows = await asyncio.gather(*tasks)
        assert [row.cursor for row in rows] == list(range(1, count + 1))
    finally:
        await store.close()


async def test_many_large_messages_are_not_copied(tmp_path: Path) -> None:
    """Keeping 100 messages of 1 MiB at once takes less than 4 MiB beside the messages."""
    raw = bytes(1024 * 1024)
    messages = [make_message(raw) for _ in range(100)]
    store = await SqliteStore.open(tmp_path)
    tracemalloc.start()
    try:
        await asyncio.gather(*(store.add(message, SAID) for message in messages))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        await store.close()

    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("replaced", [False, True])
async def test_data_folder_that_vanishes(tmp_path: Path, replaced: bool) -> None:
    """While the folder is away, or another in its place, adding fails; back again, it goes on."""
    folder, away = tmp_path / "data", tmp_path / "away"
    store = await SqliteStore.open(folder)
    try:
        row = await store.add(make_message(b"before"), SAID)
        folder.rename(away)
        if replaced:
            await (await SqliteStore.open(folder)).close()

        with pytest.raises(StoreError, match=r"mail\.db has been moved or removed .* put the data"):
            await store.add(make_message(), SAID)

        if replaced:
            folder.rename(tmp_path / "other")
        away.rename(folder)
        await store.add(make_message(b"after"), SAID)
        assert await store.raw(row.id) == b"before"
        assert (await store.count()).total == 2
    finally:
        await store.close()


async def test_message_that_cannot_be_written_fails_alone(tmp_path: Path) -> None:
    """What SQLite refuses is a StoreError for its sender; others in the batch are kept."""
    store = await SqliteStore.open(tmp_path)
    try:
        messages = [make_message(session="\ud800" if number == 2 else "s") for number in range(5)]
        results = await asyncio.gather(
            *(store.add(message, SAID) for message in messages), return_exceptions=True
        )
        assert [isinstance(result, StoreError) for result in results] == [
            number == 2 for number in range(5)
        ]
        assert (await store.count()).total == 4
    finally:
        await store.close()


async def test_closing_leaves_no_thread(tmp_path: Path) -> None:
    """A closed store has ended its threads."""
    store = await SqliteStore.open(tmp_path)
    await store.add(make_message(), SAID)
    await store.find()
    await store.close()

    assert [one.name for one in threading.enumerate() if "bindpost-store" in one.name] == []


@pytest.mark.parametrize("large", [LARGE, 1000])
def test_acknowledged_messages_survive_a_kill(tmp_path: Path, large: int) -> None:
    """Every id that a killed process printed after `add` is there, bytes and all."""
    process = subprocess.Popen(
        [sys.executable, "-c", ADDER, str(tmp_path), str(large)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as printed:
        ids = [printed.readline().strip() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        ids += printed.read().split()
    process.wait()

    kept = asyncio.run(_bytes_of(tmp_path, ids))

    assert kept == [hashlib.sha256(name.encode()).digest() * 200 for name in ids]
    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def _bytes_of(folder: Path, ids: list[str]) -> list[bytes | None]:
    store = await SqliteStore.open(folder)
    try:
        return [await store.raw(name) for name in ids]
    finally:
        await store.close()
