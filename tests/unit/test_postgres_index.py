"""The search index in PostgreSQL: taken turns at, never wrong, and made on after any death."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psycopg
import pytest

from bindpost.errors import SearchTimeoutError
from bindpost.server.indexer import postgres as module
from bindpost.server.indexer.indexing import indexing
from bindpost.server.indexer.postgres import PostgresBuilding
from bindpost.server.indexer.supervising import Supervisor, start_indexer
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store import postgres_queries
from bindpost.server.store.grams import numbers_of
from bindpost.server.store.postgres import PostgresStore, _take
from bindpost.server.store.postgres_connection import Server, Session
from bindpost.server.store.postgres_reader import Reader
from bindpost.server.store.store import MessageRow, Query, unsorted
from bindpost.server.store.terms import Term
from bindpost.testing.postgres import PostgresServer

PATIENCE = 60.0
WORD = Query(terms=(Term("text", "word"),))
MakeBuilding = Callable[..., PostgresBuilding]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of an empty inbox."""
    with postgres.inbox() as url:
        yield url


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    """Give its store."""
    store = await PostgresStore.open(url)
    yield store
    await store.close()


@pytest.fixture
def make_building(url: str) -> Iterator[MakeBuilding]:
    """Give what makes the working part of an indexer, each with a connection of its own."""
    sessions: list[Session] = []

    def make(**options: object) -> PostgresBuilding:
        sessions.append(Session(Server(url)))
        return PostgresBuilding(sessions[-1], **options)  # type: ignore[arg-type]  # any

    yield make
    for session in sessions:
        session.close()


async def keep(store: PostgresStore, *words: str) -> list[MessageRow]:
    """Keep a message for each of these texts."""
    messages = [
        Message(
            id=new_id(),
            received=utc_now(),
            envelope=Envelope("jane@one.example", (Recipient("bob@two.example"),)),
            session=SessionFacts(new_id(), utc_now(), "127.0.0.1:25", "direct:", "plain"),
            raw=f"From: Jane\r\nSubject: news\r\n\r\n{text}\r\n".encode(),
        )
        for text in words
    ]
    return [await store.add(message, ()) for message in messages]


def delete_all(url: str) -> None:
    """Delete all messages, as another node does."""
    _, inbox = _take(Server(url), remembered=100, sort=unsorted, durability="normal")
    with closing(inbox):
        inbox.begin()
        inbox.delete_slice(inbox.sequence)
        inbox.commit()


def told(url: str, sql: str) -> list[tuple[object, ...]]:
    """Ask the database."""
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


async def test_what_is_indexed_is_not_read_again(
    store: PostgresStore, url: str, make_building: MakeBuilding
) -> None:
    """A search asks the index alone for what is in it, and lists get their digests from it."""
    rows = await keep(store, "a word", "other")
    assert await store.digests(rows) == {}

    assert make_building().step() == 2

    told(url, "DELETE FROM body RETURNING 1")
    assert await store.find(WORD) == rows[:1]
    assert (await store.count(WORD)).total == 1
    digests = await store.digests(rows)
    assert [digests[row.id].snippet for row in rows] == ["a word", "other"]


async def test_indexers_take_turns(
    store: PostgresStore, url: str, make_building: MakeBuilding
) -> None:
    """While one indexer is at it another does nothing and waits for nobody; then it goes on."""
    await keep(store, "a word")
    building = make_building()
    with psycopg.connect(url) as other:
        other.execute("SELECT upto FROM content_frontier FOR UPDATE")

        assert building.step() == 0

    assert building.step() == 1


async def test_a_step_that_is_cut_off_leaves_nothing_undone(
    store: PostgresStore, make_building: MakeBuilding
) -> None:
    """An indexer that dies in the middle of a step has done none of it; another does it all."""
    rows = await keep(store, "a word", "another word")

    def die(_upto: int, cursor: int) -> None:
        if cursor == rows[1].cursor:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_building(reading=die).step()

    assert await store.find(WORD) == rows[::-1]
    assert (await store.progress()).indexed == 0
    assert make_building().step() == 2
    assert await store.find(WORD) == rows[::-1]


async def test_deleted_messages_leave_the_index(
    store: PostgresStore, url: str, make_building: MakeBuilding
) -> None:
    """What is deleted is in the index no more, also when that happened while it was read."""
    building = make_building(reading=lambda _upto, cursor: delete_all(url) if cursor == 3 else None)
    first, *_ = await keep(store, "a word", "another word", "one more word")
    assert building.step() == 3
    assert told(url, "SELECT cursor FROM content") == []

    (kept, gone) = await keep(store, "a word", "another word")
    assert building.step() == 2
    await store.delete([gone.id])

    assert told(url, "SELECT cursor FROM content") == [(kept.cursor,)]
    assert await store.find(WORD) == [kept]
    assert first.id not in await store.digests([first])


async def test_a_step_has_bounds(
    store: PostgresStore, make_building: MakeBuilding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step ends after so many messages, bytes or seconds, but has one at least."""
    rows = await keep(store, *["a word"] * 6)
    monkeypatch.setattr(module, "BATCH", 2)
    assert make_building().step() == 2
    monkeypatch.setattr(module, "BATCH", 100)
    monkeypatch.setattr(module, "BATCH_BYTES", 1)
    assert make_building().step() == 1
    monkeypatch.setattr(module, "BATCH_BYTES", 10_000)
    monkeypatch.setattr(module, "BATCH_SECONDS", 0)
    assert make_building().step() == 1
    monkeypatch.undo()
    assert make_building(ending=lambda: True).step() == 1
    assert make_building().step() == 1
    assert await store.find(WORD) == rows[::-1]


async def test_new_grams_are_put_in_order(
    store: PostgresStore, url: str, make_building: MakeBuilding
) -> None:
    """In a quiet moment nothing is left of what PostgreSQL has gathered of new grams."""
    building = make_building()
    (row,) = await keep(store, "a word")
    building.step()

    building.tidy()

    assert told(url, "SELECT gin_clean_pending_list('content_grams')") == [(0,)]
    assert await store.find(WORD) == [row]


async def test_of_a_suspect_the_header_is_read(
    store: PostgresStore, make_building: MakeBuilding
) -> None:
    """A message that has ended indexers is found by its header; it is not read again."""
    (row,) = await keep(store, "a word")

    make_building(suspect=row.cursor).step()

    assert await store.find(WORD) == []
    assert await store.find(Query(terms=(Term("text", "news"),))) == [row]


async def test_a_search_that_reads_says_what_is_missing(url: str) -> None:
    """Out of time, a search names the cursor behind which messages have to be read."""
    store = await PostgresStore.open(url, search_seconds=0)
    await keep(store, "a word")

    with pytest.raises(SearchTimeoutError, match="behind cursor 0 are not in the search index"):
        await store.find(WORD)

    await store.close()


async def test_a_rare_text_is_looked_up(store: PostgresStore, url: str) -> None:
    """PostgreSQL finds a rare text among a few thousand by the index of grams."""
    values = [(n, f"{n:08} and {n * 7919:x}") for n in range(1, 3001)]
    question = postgres_queries.find_indexed(
        Query(terms=(Term("text", "rarest"),)), limit=50, by_grams=True
    )
    with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
        connection.cursor().executemany(
            "INSERT INTO content VALUES ($1, 0, 0, NULL, $2, $3::smallint[])",
            [(cursor, text, numbers_of([text])) for cursor, text in values],
        )
        connection.execute("ANALYZE content")

    reader = Reader(Server(url))
    await reader.open()

    plan = await reader.ask(question._replace(sql=f"EXPLAIN {question.sql}"))

    await reader.close()
    assert "content_grams" in str(plan)


# The process


class Started:
    """Starts indexers and remembers them."""

    def __init__(self) -> None:
        self.processes: list[Process] = []

    async def __call__(self) -> Process:
        """Start one."""
        self.processes.append(await start_indexer())
        return self.processes[-1]


@asynccontextmanager
async def supervised(store: PostgresStore, start: Started) -> AsyncIterator[Supervisor]:
    """Have the index of a store made."""
    supervisor = Supervisor(store, start, pauses=(0.01, 0.01))
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_server_has_it_made(store: PostgresStore) -> None:
    """A store in PostgreSQL is one that the server has an index made for."""
    (row,) = await keep(store, "a word")
    async with indexing(store) as index, asyncio.timeout(PATIENCE):
        await store.index.reached(row.cursor)

        assert (await index.state()).state == "current"


async def test_what_was_moved_here_is_news_for_the_indexer(store: PostgresStore) -> None:
    """An import wakes the indexer as mail does; else it would look only now and then."""
    rows = await keep(store, "a word")
    copies = await store.copies(rows)
    await store.delete(None)
    store.index.start_over()

    assert await store.restore(copies) == []

    assert store.index.news.is_set()


async def test_a_node_indexes_what_others_have_taken(store: PostgresStore, url: str) -> None:
    """The indexer of one node goes on where another was killed, and both show how far it is."""
    there = await PostgresStore.open(url)
    (early,) = await keep(there, "a word")
    started = Started()
    async with supervised(store, started) as supervisor:
        assert (await store.progress()).behind <= 1
        await store.index.reached(early.cursor)
        started.processes[0].send_signal(signal.SIGKILL)
        (late,) = await keep(store, "another word")
        await store.index.reached(late.cursor)
        state = await supervisor.state()

        assert (state.state, state.indexed, state.messages_behind) == ("current", 2, 0)
        assert (await there.progress()).indexed == 2
        assert await there.find(WORD) == [late, early]

    assert [process.returncode for process in started.processes] == [-signal.SIGKILL, 0]
    await there.close()


def arguments_of(pid: int) -> bytes:
    """Give what everybody sees of how a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_its_arguments_tell_nothing_of_the_database(
    store: PostgresStore, postgres: PostgresServer
) -> None:
    """Others see the arguments of a process, but not the password."""
    started = Started()
    store.index.database = store.index.database.replace("user=bindpost", "user=bindpost password=x")
    (row,) = await keep(store, "a word")
    async with supervised(store, started):
        await store.index.reached(row.cursor)
        (process,) = started.processes
        said = arguments_of(process.pid)

    assert said.endswith(b"bindpost.server.indexer\0")


async def test_an_outage_is_over_by_itself(
    store: PostgresStore, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """While the database is away its name and the error are told; then the index goes on."""
    started = Started()
    async with supervised(store, started):
        (early,) = await keep(store, "a word")
        await store.index.reached(early.cursor)
        with postgres.away():
            store.index.news.set()
            await started.processes[0].wait()
        (late,) = await keep(store, "another word")
        await store.index.reached(late.cursor)

        assert await store.find(WORD) == [late, early]

    assert "PostgreSQL 127.0.0.1" in caplog.records[0].message
