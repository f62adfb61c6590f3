"""The event store in a file: reopening, damage, readers beside a writer, rights."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bindpost.errors import StoreError
from bindpost.server.store.codec import encode
from bindpost.server.store.events import EventQuery, KeptEvent
from bindpost.server.store.sqlite_event_file import EVENTS_FILE, iterate_file, read_file
from bindpost.server.store.sqlite_event_queries import SCHEMA
from bindpost.server.store.sqlite_events import TRIM_AT, SqliteEventStore

from .bench import PATIENCE, event, messages, take


async def test_cursors_go_on_after_reopening(tmp_path: Path) -> None:
    """What was kept is there again, and no cursor is given twice, though all events be gone."""
    store = await SqliteEventStore.open(tmp_path, keep=0)
    for number in range(TRIM_AT):
        store.append(event(str(number)))
    await store.close()
    store = await SqliteEventStore.open(tmp_path, keep=0)
    assert store.latest == TRIM_AT
    store.append(event("lets all others go"))
    await store.close()

    store = await SqliteEventStore.open(tmp_path, keep=10_000)
    followed = store.follow(EventQuery(after=0))
    store.append(event("next"))

    assert [(k.cursor, k.message) for k in await take(followed, 2)] == [
        (TRIM_AT + 1, "lets all others go"),
        (TRIM_AT + 2, "next"),
    ]
    await store.close()


async def test_who_was_heard_is_known_after_reopening(tmp_path: Path) -> None:
    """The file's id and how far others were heard outlive the process; a new file has another."""
    store = await SqliteEventStore.open(tmp_path, keep=10)
    name = store.id
    store.hear([KeptEvent(**msgspec.structs.asdict(event(log="other")), cursor=5)])
    await store.close()

    store = await SqliteEventStore.open(tmp_path, keep=10)

    assert store.id == name
    assert await store.heard() == {"other": 5}
    await store.close()
    (tmp_path / EVENTS_FILE).unlink()
    store = await SqliteEventStore.open(tmp_path, keep=10)
    assert store.id != name
    await store.close()


async def test_a_file_from_before_nodes_is_taken_over(tmp_path: Path) -> None:
    """Its events are found by their computer, also by who only reads it; hearing works."""
    path = tmp_path / EVENTS_FILE
    record = encode(event("old")).replace(',"log":""', "")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        connection.execute(
            "INSERT INTO event (time, source, id, type, folded, record)"
            " VALUES (0, '', 1, 1, '', ?)",
            (record,),
        )
        connection.commit()

    assert messages(read_file(path, EventQuery(nodes=("EXCH55",), own=True))) == ["old"]
    store = await SqliteEventStore.open(tmp_path, keep=10)
    store.hear([KeptEvent(**msgspec.structs.asdict(event("new", log="other")), cursor=5)])

    assert messages(await store.find(EventQuery(nodes=("EXCH55",)))) == ["new", "old"]
    assert messages(await store.find(EventQuery(own=True))) == ["old"]
    await store.close()


async def test_a_lower_limit_takes_effect(tmp_path: Path) -> None:
    """A file with more events than are to be kept from now on is trimmed."""
    store = await SqliteEventStore.open(tmp_path, keep=10_000)
    for _ in range(TRIM_AT + 10):
        store.append(event())
    await store.close()

    store = await SqliteEventStore.open(tmp_path, keep=5)
    store.append(event())

    assert len(await store.find(limit=0)) == 6
    await store.close()


@pytest.mark.parametrize("content", [b"no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
async def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is named and left as it is, and the error says what to do."""
    path = tmp_path / EVENTS_FILE
    path.write_bytes(content)

    with pytest.raises(StoreError, match="move the file away") as opening:
        await SqliteEventStore.open(tmp_path, keep=10_000)
    with pytest.raises(StoreError, match="move the file away"):
        read_file(path)

    assert str(path) in str(opening.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("CREATE TABLE event (a)", id="no version"),
        pytest.param("CREATE TABLE event (a); PRAGMA user_version = 1", id="version 1"),
        pytest.param("PRAGMA application_id = 1", id="another application"),
    ],
)
async def test_another_programs_database_is_refused(tmp_path: Path, script: str) -> None:
    """Nothing is written into a database that isn't ours."""
    path = tmp_path / EVENTS_FILE
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    before = path.read_bytes()

    with pytest.raises(StoreError, match="another program"):
        await SqliteEventStore.open(tmp_path, keep=10_000)
    with pytest.raises(StoreError, match="another program"):
        read_file(path)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer bindpost is named with its version."""
    await (await SqliteEventStore.open(tmp_path, keep=10_000)).close()
    path = tmp_path / EVENTS_FILE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreError, match="version 99"):
        await SqliteEventStore.open(tmp_path, keep=10_000)


async def test_damage_inside_the_file_is_told(tmp_path: Path) -> None:
    """A file whose pages are overwritten gives an error that names it, and no wrong events."""
    store = await SqliteEventStore.open(tmp_path, keep=10_000)
    for number in range(200):
        store.append(event(f"event {number}" * 50))
    await store.close()
    path = tmp_path / EVENTS_FILE
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * (path.stat().st_size - 4096))

    with pytest.raises(StoreError, match=EVENTS_FILE):
        read_file(path)


async def test_folder_that_is_missing(tmp_path: Path) -> None:
    """A folder that isn't there is named; reading a file that isn't there says what that means."""
    with pytest.raises(StoreError, match="nowhere"):
        await SqliteEventStore.open(tmp_path / "nowhere", keep=1)
    with pytest.raises(StoreError, match="no server has kept events"):
        read_file(tmp_path / EVENTS_FILE)


async def test_an_empty_file_has_no_events(tmp_path: Path) -> None:
    """A file that a server has made a moment ago, and not filled yet, is no error."""
    path = tmp_path / EVENTS_FILE
    path.touch()

    assert read_file(path) == []
    assert list(iterate_file(path)) == []


async def test_reading_the_file_while_it_is_written(tmp_path: Path) -> None:
    """Another reader of the file sees whole events, in order, up to those of this moment."""
    store = await SqliteEventStore.open(tmp_path, keep=100)
    path = tmp_path / EVENTS_FILE
    looked, done = threading.Event(), threading.Event()

    def append() -> None:
        for number in range(1500):
            store.append(event(str(number + 1)))
            if number == 700:  # however late the reader's thread begins
                assert looked.wait(PATIENCE)
        done.set()

    def read() -> None:
        while not done.is_set():
            for found in (read_file(path)[::-1], list(iterate_file(path))):
                cursors = [kept.cursor for kept in found]
                assert cursors == sorted(set(cursors))
                assert messages(found) == [str(cursor) for cursor in cursors]
            looked.set()

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(asyncio.to_thread(append), asyncio.to_thread(read))
    assert read_file(path, EventQuery(before=1500), limit=1)[0].cursor == 1499
    await store.close()
    assert [kept.cursor for kept in iterate_file(path)][-1] == 1500


@pytest.fixture
def barred_folder() -> Iterator[Path]:
    """Give a folder in which this process may read and write, and later only read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o700)


async def test_reading_where_nothing_may_be_written(barred_folder: Path) -> None:
    """A file in a folder that is not ours to write to, a copy for instance, can be read."""
    store = await SqliteEventStore.open(barred_folder, keep=10)
    store.append(event())
    await store.close()
    os.chmod(barred_folder / EVENTS_FILE, 0o444)
    os.chmod(barred_folder, 0o555)
    if os.getuid() == 0:
        os.seteuid(65534)

    assert messages(read_file(barred_folder / EVENTS_FILE)) == ["it happened"]
    assert os.listdir(barred_folder) == [EVENTS_FILE]


async def test_the_file_is_its_owners(tmp_path: Path) -> None:
    """Events tell of peers and addresses: nobody else may read the file."""
    store = await SqliteEventStore.open(tmp_path, keep=10_000)
    store.append(event())

    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in os.scandir(tmp_path)}

    assert EVENTS_FILE in modes
    assert set(modes.values()) == {0o600}
    await store.close()


async def test_a_failed_append_is_not_kept_twice(tmp_path: Path) -> None:
    """Where there is no room the error says so; tried again with room, the event is there once."""
    store = await SqliteEventStore.open(tmp_path, keep=0)
    for number in range(TRIM_AT):
        store.append(event(str(number)))
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    store.append(event("makes room by trimming"))
    refused = event("x" * 4096 * (pages + 10))
    with pytest.raises(StoreError):
        store.append(refused)

    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.append(refused)

    assert [kept.cursor for kept in await store.find()] == [TRIM_AT + 2, TRIM_AT + 1]
    await store.close()
