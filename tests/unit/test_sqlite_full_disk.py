"""A full disk refuses messages by name, harms none that is kept, and can be cured by deleting."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bindpost.errors import StoreError, StoreFullError
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_connection import open_writer, translate
from bindpost.server.store.sqlite_space import Space
from bindpost.server.store.store import MessageRow

MIB = 1024 * 1024
MORE_THAN_ANY_DISK = 2**62


def make_message(raw: bytes = b"x") -> Message:
    """Make a message."""
    return Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("from@example.com", (Recipient("to@example.com"),)),
        session=SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain"),
        raw=raw,
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "bindpost-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a real full disk: needs root and mount, to make a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def fill(store: SqliteStore, raw: bytes) -> list[str]:
    """Add messages, 1 MiB at once, until the disk is full; give the ids of those kept."""
    kept: list[str] = []
    while True:
        messages = [make_message(raw) for _ in range(max(1, MIB // len(raw)))]
        results = await asyncio.gather(
            *(store.add(message, ()) for message in messages), return_exceptions=True
        )
        kept += [row.id for row in results if isinstance(row, MessageRow)]
        refused = [error for error in results if isinstance(error, BaseException)]
        assert all(isinstance(error, StoreFullError) for error in refused)
        if refused:
            return kept


async def test_reserve_is_left_free(tmp_path: Path) -> None:
    """With less than `keep_free` on the disk messages are refused, and deleting still works."""
    store = await SqliteStore.open(tmp_path)
    row = await store.add(make_message(), ())
    await store.close()

    store = await SqliteStore.open(tmp_path, keep_free=MORE_THAN_ANY_DISK)
    try:
        with pytest.raises(StoreFullError, match=r"disk of .*mail\.db.*delete messages"):
            await store.add(make_message(), ())
        assert await store.raw(row.id) == b"x"
        assert await store.delete([row.id]) == 1
    finally:
        await store.close()


@pytest.mark.parametrize("size", [4000, 100_000, MIB])
async def test_deleting_makes_room_on_a_full_disk(small_disk: Path, size: int) -> None:
    """On a disk that mail has filled, what is kept is intact, and deleting lets mail in again."""
    raw = os.urandom(size)
    store = await SqliteStore.open(small_disk / "mail")
    try:
        ids = await fill(store, raw)

        assert (await store.count()).size == len(ids) * size
        assert await store.raw(ids[0]) == await store.raw(ids[-1]) == raw
        half = ids[len(ids) // 2 :]
        assert await store.delete(half) == len(half)
        assert len(await fill(store, raw)) >= len(half) // 2
        assert await store.raw(ids[0]) == raw
    finally:
        await store.close()


async def test_deleting_here_and_there_makes_room_on_a_full_disk(small_disk: Path) -> None:
    """When every other large message is deleted, what stays is moved together to make room."""
    raw = os.urandom(300_000)
    store = await SqliteStore.open(small_disk / "mail")
    try:
        ids = await fill(store, raw)
        gone, kept = ids[::2], ids[1::2]
        assert await store.delete(gone) == len(gone)

        assert len(await fill(store, raw)) >= len(gone) // 2
        assert [await store.raw(known) == raw for known in kept] == [True] * len(kept)
    finally:
        await store.close()


async def test_disk_filled_by_others_takes_nothing_half(small_disk: Path) -> None:
    """Large messages that meet a disk filled by others are refused as full, and leave nothing."""
    store = await SqliteStore.open(small_disk / "mail", keep_free=-MIB * 1024)
    try:
        row = await store.add(make_message(bytes(MIB)), ())
        others = small_disk / "others"
        take_all(others)
        (segment,) = (small_disk / "mail" / "segments").iterdir()

        results = await asyncio.gather(
            *(store.add(make_message(bytes(MIB)), ()) for _ in range(3)), return_exceptions=True
        )

        assert [type(result) for result in results] == [StoreFullError] * 3
        assert segment.stat().st_size == MIB
        assert await store.raw(row.id) == bytes(MIB)
        others.unlink()
        assert (await store.add(make_message(bytes(MIB)), ())).size == MIB
    finally:
        await store.close()


async def test_disk_filled_by_others_is_is_an_error_until_it_is_not(small_disk: Path) -> None:
    """When others take the last byte, writing says that the disk is full, and recovers."""
    store = await SqliteStore.open(small_disk / "mail")
    try:
        row = await store.add(make_message(), ())
        said = tuple(TranscriptLine(number, "C", "x" * 1000) for number in range(2000))
        others = small_disk / "others"
        take_all(others)

        with pytest.raises(StoreFullError, match=r"mail\.db: the disk is full"):
            await store.end_session("one", said)
        with pytest.raises(StoreFullError):
            await store.add(make_message(), ())
        assert await store.raw(row.id) == b"x"
        assert await store.transcript(row.id) == ()

        others.unlink()
        await store.end_session("one", said)
        await store.add(make_message(), said)
        assert await store.transcript(row.id) == said
    finally:
        await store.close()


async def test_batch_on_a_nearly_full_disk_keeps_what_fits(small_disk: Path) -> None:
    """Of messages that come together, those that fit are kept and the others refused."""
    store = await SqliteStore.open(small_disk / "mail")
    try:
        messages = [make_message(bytes(MIB)) for _ in range(40)]
        results = await asyncio.gather(
            *(store.add(message, ()) for message in messages), return_exceptions=True
        )

        refused = [result for result in results if isinstance(result, StoreFullError)]
        assert 0 < len(refused) < 40
        assert (await store.count()).total == 40 - len(refused)
    finally:
        await store.close()


def test_i_o_error_on_a_full_disk_means_full(small_disk: Path, tmp_path: Path) -> None:
    """SQLite calls a full disk that an fsync meets an I/O error; the free space tells which."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    take_all(small_disk / "others")

    assert isinstance(translate(error, small_disk / "mail.db"), StoreFullError)
    assert not isinstance(translate(error, tmp_path / "mail.db"), StoreFullError)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_system_errors_that_mean_full(tmp_path: Path, number: int) -> None:
    """No space and no quota left are a full disk; another error is just an error."""
    path = tmp_path / "mail.db"

    assert isinstance(translate(OSError(number, "no"), path), StoreFullError)
    other = translate(OSError(errno.EACCES, "no"), path)
    assert isinstance(other, StoreError)
    assert not isinstance(other, StoreFullError)


def test_full_database_means_full(tmp_path: Path) -> None:
    """SQLite's own "database or disk is full" is a full disk."""
    path = tmp_path / "mail.db"
    with closing(open_writer(path)) as connection:
        connection.execute("PRAGMA max_page_count = 4")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("CREATE TABLE t AS SELECT zeroblob(100000)")

    assert isinstance(translate(full.value, path), StoreFullError)


def space_after_deleting(connection: sqlite3.Connection, path: Path, size: int) -> Space:
    """Fill a database with so many bytes and delete them again."""
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(?))", (size,))
    connection.execute("DELETE FROM t")
    return Space(connection, path, keep_free=0)


def test_quiet_moment_gives_space_back(tmp_path: Path) -> None:
    """In quiet moments the disk gets back what deleting freed, but for a spare 16 MiB."""
    path = tmp_path / "mail.db"
    with closing(open_writer(path)) as connection:
        space = space_after_deleting(connection, path, 24 * MIB)

        while space.tidy():
            pass

        assert 10 * MIB < path.stat().st_size <= 17 * MIB


def test_need_gives_everything_back(tmp_path: Path) -> None:
    """When room is needed the disk gets back all that deleting freed, and the log."""
    path = tmp_path / "mail.db"
    with closing(open_writer(path)) as connection:
        space = space_after_deleting(connection, path, 5 * MIB)

        space.make_room(MORE_THAN_ANY_DISK)

        assert path.stat().st_size < MIB
        assert (tmp_path / "mail.db-wal").stat().st_size == 0


def take_all(file: Path) -> None:
    """Write a file until the disk is full to the last byte."""
    with file.open("wb", buffering=0) as filling:
        for size in (MIB, 1):
            try:
                while filling.write(bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the size of the disk is the test
