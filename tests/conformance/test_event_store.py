"""The contract of `EventStore`, sentence by sentence, held by every implementation."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.errors import StoreError
from bindpost.server.message.model import new_id
from bindpost.server.store.events import EventQuery, EventStore, KeptEvent, NewEvent
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.sqlite_event_file import EVENTS_FILE, iterate_file, read_file
from bindpost.server.store.sqlite_events import TRIM_AT, SqliteEventStore

OpenEvents = Callable[..., Awaitable[EventStore]]
"""Opens an empty event store; it takes `keep`."""
MOMENT = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
PATIENCE = 20.0


async def make_store(kind: str, folder: Path, *, keep: int = 1000) -> EventStore:
    """Open a store of a kind."""
    if kind == "memory":
        return MemoryEventStore(keep=keep)
    return await SqliteEventStore.open(folder, keep=keep)


@pytest.fixture(params=["memory", "sqlite"])
async def open_events(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenEvents]:
    """Give what opens an event store; the test runs once with each implementation."""
    async with AsyncExitStack() as stack:

        async def open_one(*, keep: int = 1000) -> EventStore:
            folder = tmp_path / new_id()
            folder.mkdir()
            store = await make_store(request.param, folder, keep=keep)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(open_events: OpenEvents) -> EventStore:
    """Give an empty store that keeps a thousand events."""
    return await open_events()


def event(message: str = "it happened", **facts: object) -> NewEvent:
    """Make an event."""
    made = NewEvent(
        time=MOMENT,
        source="MSExchangeIMC",
        id=4007,
        type=1,
        category=1,
        category_name="Initialization/Termination",
        identifier=0xC0000FA7,
        computer="EXCH55",
        logger="bindpost.test",
        process_id=4321,
        thread_id=2**63 - 1,
        message=message,
    )
    return msgspec.structs.replace(made, **facts)


def messages(found: Sequence[KeptEvent]) -> list[str]:
    """Give their sentences."""
    return [kept.message for kept in found]


async def take(followed: AsyncIterator[KeptEvent], count: int) -> list[KeptEvent]:
    """Give the next events."""
    async with asyncio.timeout(PATIENCE):
        return [await anext(followed) for _ in range(count)]


async def rest(followed: AsyncIterator[KeptEvent]) -> list[KeptEvent]:
    """Give all events to the end."""
    async with asyncio.timeout(PATIENCE):
        return [kept async for kept in followed]


# Keeping


async def test_everything_of_an_event_is_kept(store: EventStore) -> None:
    """What comes out is what went in, and its cursor."""
    new = event(
        strings=("10050", ""),
        fields={"wsa_error": 10050, "addresses": ["a", None], "deep": {"x": 1.5, "y": True}},
        error={"code": "10050", "stack_trace": "one\ntwo"},
    )

    store.append(new)

    (kept,) = await store.find()
    assert kept == KeptEvent(**msgspec.structs.asdict(new), cursor=1)
    assert store.latest == 1


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800 and \udcff", id="lone surrogates"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("\x1b[2J\r\n\u202e", id="controls"),
        pytest.param("x" * 32_768, id="32 KiB"),
        pytest.param("\U0001f4a3" * 32_768, id="32 KiB of what needs two UTF-16 units"),
        pytest.param("'; DROP TABLE event; --", id="SQL"),
        pytest.param('{"cursor": 9}', id="JSON"),
    ],
)
async def test_hostile_texts_survive(store: EventStore, text: str) -> None:
    """Whatever a text holds, it comes back as it was, and the event is found by it."""
    new = event(text, strings=(text,), computer=text, fields={text: text}, error={"message": text})
    store.append(new)

    (kept,) = await store.find(EventQuery(text=text))

    assert kept == KeptEvent(**msgspec.structs.asdict(new), cursor=1)


async def test_time_zone_does_not_move_the_time(store: EventStore) -> None:
    """An event told in another time zone is found by the instant it happened at."""
    time = datetime(1998, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-5)))
    store.append(event(time=time))

    (kept,) = await store.find(EventQuery(since=time.astimezone(UTC), until=time))

    assert kept.time == time


async def test_cursors_rise_in_the_order_of_appending(store: EventStore) -> None:
    """Each event gets the next cursor, whatever its time says."""
    for number in range(5):
        store.append(event(f"event {number}", time=MOMENT - timedelta(hours=number)))

    found = await store.find()

    assert [kept.cursor for kept in found] == [5, 4, 3, 2, 1]
    assert messages(found) == [f"event {number}" for number in (4, 3, 2, 1, 0)]


# Finding


async def test_limit_and_order(store: EventStore) -> None:
    """The newest come first unless told otherwise; 0 means all, the default is 50."""
    for number in range(60):
        store.append(event(str(number)))

    assert messages(await store.find(limit=2)) == ["59", "58"]
    assert messages(await store.find(limit=2, oldest_first=True)) == ["0", "1"]
    assert len(await store.find()) == 50
    assert len(await store.find(limit=0)) == 60
    assert len(await store.find(limit=2**70)) == 60


@pytest.mark.parametrize(
    "query",
    [
        EventQuery(after=2**70),
        EventQuery(before=-(2**70)),
        EventQuery(ids=(2**70,)),
        EventQuery(types=(-(2**70),)),
        EventQuery(sources=("\udcff",)),
        EventQuery(sources=("\x00",)),
        EventQuery(text="\udcff"),
        EventQuery(since=datetime.max.replace(tzinfo=UTC)),
        EventQuery(until=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
    ],
)
async def test_odd_queries_find_nothing(store: EventStore, query: EventQuery) -> None:
    """A condition that no event can meet finds none, and is no error."""
    store.append(event())

    assert list(await store.find(query)) == []


MOMENTS = st.integers(0, 5).map(lambda minutes: MOMENT + timedelta(minutes=minutes))
TEXTS = st.text(st.sampled_from("aAßsSİi\u0307\x00%_'\ud800\udfff"), max_size=6)
EVENTS = st.lists(
    st.builds(
        event,
        TEXTS,
        time=MOMENTS,
        source=st.sampled_from(["MSExchangeIMC", "bindpost", "msexchangeimc"]),
        id=st.integers(100, 103),
        type=st.sampled_from([1, 2, 4, 16]),
    ),
    max_size=12,
)
CURSORS = st.none() | st.integers(-1, 14)
QUERIES = st.builds(
    EventQuery,
    ids=st.lists(st.integers(100, 104), max_size=2).map(tuple),
    sources=st.lists(st.sampled_from(["MSExchangeIMC", "bindpost", ""]), max_size=2).map(tuple),
    types=st.lists(st.sampled_from([1, 2, 4]), max_size=2).map(tuple),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    text=TEXTS.map(lambda text: text[:2]),
    after=CURSORS,
    before=CURSORS,
)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(appended=EVENTS, queries=st.lists(QUERIES, min_size=1, max_size=5))
def test_finding_and_following_give_what_matches(
    kind: str, appended: list[NewEvent], queries: list[EventQuery]
) -> None:
    """`find` and `follow` give exactly the events of which `EventQuery.matches` says so."""

    async def check(store: EventStore) -> None:
        for new in appended:
            store.append(new)
        everything = await store.find(limit=0, oldest_first=True)
        assert len(everything) == len(appended)
        followed = []
        for query in queries:
            expected = [kept for kept in everything if query.matches(kept)]
            assert list(await store.find(query, limit=0, oldest_first=True)) == expected
            assert list(await store.find(query, limit=0)) == expected[::-1]
            behind = msgspec.structs.replace(query, after=query.after or 0)
            followed.append((store.follow(behind), [k for k in everything if behind.matches(k)]))
        await store.close()
        for follower, expected in followed:
            assert await rest(follower) == expected

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            await check(await make_store(kind, Path(folder)))

    asyncio.run(run())


# Following


async def test_following_begins_at_the_moment_of_the_call(store: EventStore) -> None:
    """Without a cursor only events come that were appended after `follow` was called."""
    store.append(event("before"))
    followed = store.follow()
    store.append(event("behind it"))
    store.append(event("and another"))

    assert messages(await take(followed, 2)) == ["behind it", "and another"]


async def test_following_from_a_cursor_then_live(store: EventStore) -> None:
    """What is behind the cursor comes first, however much it is, then what happens."""
    for number in range(250):
        store.append(event(str(number)))
    followed = store.follow(EventQuery(after=20))

    assert messages(await take(followed, 230)) == [str(number) for number in range(20, 250)]
    following = asyncio.create_task(take(followed, 1))
    await asyncio.to_thread(store.append, event("live"))
    assert messages(await following) == ["live"]


async def test_followers_get_only_what_matches(store: EventStore) -> None:
    """A follower passes over what does not match, and is woken by what does."""
    followed = store.follow(EventQuery(ids=(4020,), after=0))
    following = asyncio.create_task(take(followed, 2))
    for number in (4007, 4020, 4007, 4020):
        await asyncio.to_thread(store.append, event(id=number))

    assert [kept.cursor for kept in await following] == [2, 4]


async def test_a_step_that_is_cancelled_loses_nothing(store: EventStore) -> None:
    """Whether it waits or fetches, its next step may be cancelled and taken again."""
    followed = store.follow()
    for number in range(50):
        step = asyncio.ensure_future(anext(followed))
        if number % 2:
            await asyncio.sleep(0)
            store.append(event(str(number)))
            for _ in range(number // 10):
                await asyncio.sleep(0)
        if not step.done():
            step.cancel()
        await asyncio.wait([step])
        if not step.cancelled():
            store.append(event(step.result().message))

    store.append(event("last"))
    got: list[str] = []
    while not got or got[-1] != "last":
        got += messages(await take(followed, 1))
    assert len(got) == len(set(got))
    odd = [str(number) for number in range(1, 50, 2)]
    assert sorted(got[:-1], key=int) == odd


async def test_appending_while_others_look(store: EventStore) -> None:
    """While threads append, a follower gets each event once, in order, and finds see whole ones."""
    followed = store.follow()
    done = threading.Event()

    def append(name: str) -> None:
        for number in range(200):
            store.append(event(f"{name} {number}"))

    async def look() -> None:
        while not done.is_set():
            found = [kept.cursor for kept in await store.find(limit=0)]
            assert found == list(range(len(found), 0, -1))
            await asyncio.sleep(0)  # a look in memory waits for nothing

    looking = asyncio.create_task(look())
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as threads:
        for name in ("one", "two"):
            threads.create_task(asyncio.to_thread(append, name))
    got = await take(followed, 400)
    done.set()
    await looking
    assert [kept.cursor for kept in got] == list(range(1, 401))
    for name in ("one", "two"):
        own = [text for text in messages(got) if text.startswith(name)]
        assert own == [f"{name} {number}" for number in range(200)]


async def test_following_ends_at_close_after_all_that_was_kept(store: EventStore) -> None:
    """Who waits is told of the end; who is behind still gets the rest, then the end."""
    waiting = asyncio.create_task(rest(store.follow()))
    behind = store.follow(EventQuery(after=0))
    for number in range(250):
        store.append(event(str(number)))
    assert messages(await take(behind, 1)) == ["0"]

    await store.close()

    assert messages(await waiting) == [str(number) for number in range(250)]
    assert messages(await rest(behind)) == [str(number) for number in range(1, 250)]
    assert await rest(store.follow()) == []


async def test_closed_store_refuses(store: EventStore) -> None:
    """A closed store says so; closing it again is harmless."""
    await store.close()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        store.append(event())
    with pytest.raises(StoreError, match="closed"):
        await store.find()


# Trimming


async def test_the_oldest_go(open_events: OpenEvents) -> None:
    """At least `keep` events stay, the newest; cursors go on, and a follower goes on too."""
    store = await open_events(keep=10)
    followed = store.follow(EventQuery(after=0))
    total = 2 * TRIM_AT + 25
    for number in range(total):
        store.append(event(str(number)))

    kept = [found.cursor for found in await store.find(limit=0)]

    assert 10 <= len(kept) <= 10 + TRIM_AT
    assert kept == list(range(total, total - len(kept), -1))
    assert store.latest == total
    (oldest,) = await take(followed, 1)
    assert oldest.cursor == kept[-1]


# The file


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
    done = threading.Event()

    def append() -> None:
        for number in range(1500):
            store.append(event(str(number + 1)))
        done.set()

    def read() -> int:
        looks = 0
        while not done.is_set():
            for found in (read_file(path)[::-1], list(iterate_file(path))):
                cursors = [kept.cursor for kept in found]
                assert cursors == sorted(set(cursors))
                assert messages(found) == [str(cursor) for cursor in cursors]
            looks += 1
        return looks

    async with asyncio.timeout(PATIENCE):
        _, looks = await asyncio.gather(asyncio.to_thread(append), asyncio.to_thread(read))
    assert looks > 0
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
