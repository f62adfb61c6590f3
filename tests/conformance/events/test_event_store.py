"""The contract of the event store, for each implementation."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.errors import StoreError
from bindpost.server.store.events import EventQuery, EventStore, KeptEvent, NewEvent
from bindpost.server.store.sqlite_events import TRIM_AT

from .bench import MOMENT, PATIENCE, OpenEvents, event, make_store, messages, take


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
        EventQuery(nodes=("\udcff",)),
        EventQuery(nodes=("\x00", "'")),
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


# Hearing of others


def heard(cursor: int, text: str = "", log: str = "other", **facts: object) -> KeptEvent:
    """Make an event that another store keeps."""
    new = event(text, log=log, computer="there", **facts)
    return KeptEvent(**msgspec.structs.asdict(new), cursor=cursor)


async def test_what_was_heard_is_kept_once(store: EventStore) -> None:
    """Events of other stores come in behind one's own, with cursors of their own, each once."""
    store.append(event("own"))
    followed = store.follow()

    store.hear([heard(7, "seven"), heard(3, "three", log="third"), heard(9, "nine")])
    store.hear([heard(7, "seven"), heard(9, "nine"), heard(10, "ten"), heard(4, log="third")])

    assert messages(await take(followed, 5)) == ["seven", "three", "nine", "ten", ""]
    assert [kept.cursor for kept in await store.find()] == [6, 5, 4, 3, 2, 1]
    assert await store.heard() == {"other": 10, "third": 4}


async def test_own_events_and_those_of_a_node(store: EventStore) -> None:
    """They are told apart by the log that they were heard from, and found by their computer."""
    store.append(event("own", computer="here"))
    store.hear([heard(1, "heard")])
    store.append(event("of the same name", computer="there"))

    assert messages(await store.find(EventQuery(own=True))) == ["of the same name", "own"]
    assert messages(await store.find(EventQuery(nodes=("here",)))) == ["own"]
    there = await store.find(EventQuery(nodes=("there", "nowhere")))
    assert messages(there) == ["of the same name", "heard"]
    assert [kept.log for kept in there] == ["", "other"]


async def test_nothing_is_heard_after_closing(store: EventStore) -> None:
    """A closed store says so."""
    await store.close()

    with pytest.raises(StoreError):
        store.hear([heard(1)])


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
    store.hear([heard(number) for number in range(1, 2 * TRIM_AT)])
    store.append(event("lets the oldest go"))
    assert len(await store.find(limit=0)) <= 10 + TRIM_AT + 1
