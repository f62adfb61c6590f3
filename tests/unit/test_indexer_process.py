"""The indexer as a process: it follows the inbox, comes back when it dies, ends with its server."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bindpost.server.indexer.supervising import Supervisor, start_indexer
from bindpost.server.indexer.talk import read_order
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import MessageRow, Query
from bindpost.server.store.terms import Term

PATIENCE = 45.0
WORD = Query(terms=(Term("text", "word"),))
SERVER = """
import asyncio, sys
from functools import partial
from pathlib import Path
from bindpost.server.indexer.supervising import Supervisor, start_indexer
from bindpost.server.store.sqlite import SqliteStore

async def main(folder):
    store = await SqliteStore.open(folder)
    async def start():
        process = await start_indexer(folder)
        print(process.pid, flush=True)
        return process
    running = asyncio.create_task(Supervisor(store, start).run())
    await store.index.reached(1)
    print("indexed", flush=True)
    await running

asyncio.run(main(Path(sys.argv[1])))
"""


DIES = """
import os, signal, sys
with open(sys.argv[1], "a") as said:
    said.write(sys.stdin.readline())
print('{"reading": 7}', flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def keep(store: SqliteStore, body: str) -> MessageRow:
    """Keep a message."""
    message = Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("a@x", (Recipient("b@y"),), {}),
        session=SessionFacts(
            session_id=new_id(),
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            peer="127.0.0.1:40000",
            helo="client.example",
            esmtp=True,
        ),
        raw=f"Subject: news\r\n\r\n{body}\r\n".encode(),
    )
    return await store.add(message, ())


class Started:
    """Starts indexers and remembers them; for a time it may be unable to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[Process] = []
        self.failures = 0
        self.may_start = asyncio.Event()
        self.may_start.set()

    async def __call__(self) -> Process:
        """Start one."""
        await self.may_start.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("no more processes")
        self.processes.append(await start_indexer(self._folder))
        return self.processes[-1]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Give an empty store that gives a search no time to read messages."""
    store = await SqliteStore.open(tmp_path / "data", search_seconds=0)
    yield store
    await store.close()


@pytest.fixture
def started(store: SqliteStore) -> Started:
    """Give what starts indexers."""
    return Started(store.index.path.parent)


@asynccontextmanager
async def supervised(store: SqliteStore, start: Started) -> AsyncIterator[Supervisor]:
    """Have the index of a store made."""
    supervisor = Supervisor(store, start, pauses=(0.01, 0.01))
    running = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(PATIENCE):
            yield supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_it_follows_the_inbox(store: SqliteStore, started: Started) -> None:
    """The first message starts it; what comes later is indexed, its lag told, and it ends."""
    started.may_start.clear()
    async with supervised(store, started) as supervisor:
        assert (await supervisor.state()).state == "current"
        first = await keep(store, "a word")
        behind = await supervisor.state()
        started.may_start.set()
        await store.index.reached(first.cursor)
        second = await keep(store, "another word")
        await store.index.reached(second.cursor)

        assert await store.find(WORD) == [second, first]
        assert (await supervisor.state()).indexed == 2

    assert (behind.state, behind.messages_behind) == ("behind", 1)
    assert behind.seconds_behind >= 0
    assert [process.returncode for process in started.processes] == [0]


async def test_deletions_reach_it(store: SqliteStore, started: Started) -> None:
    """What is deleted is taken out of the index."""
    async with supervised(store, started) as supervisor:
        gone = await keep(store, "a word")
        await store.index.reached(gone.cursor)
        await store.delete([gone.id])
        kept = await keep(store, "other")
        await store.index.reached(kept.cursor)

        # It may tell of the new one first, when it was just looking for more.
        report = store.index._progress
        while (await supervisor.state()).indexed != 1:
            await report.wait()
            report = store.index._progress


async def test_it_is_started_again(
    store: SqliteStore, started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is killed, or can't be started, is started again, and an event says so."""
    async with supervised(store, started):
        first = await keep(store, "a word")
        await store.index.reached(first.cursor)
        started.failures = 1
        started.processes[0].send_signal(signal.SIGKILL)
        second = await keep(store, "another word")
        await store.index.reached(second.cursor)

        assert await store.find(WORD) == [second, first]

    said = [record.message for record in caplog.records]
    assert "(the indexer has ended with status -9)" in said[0]
    assert "(no more processes)" in said[1]
    assert len(started.processes) == 2


async def test_a_message_that_ends_indexers_is_named(store: SqliteStore, tmp_path: Path) -> None:
    """After two indexers died of the same message the next one is told which it is."""
    said, has_three = tmp_path / "said", asyncio.Event()
    starts = iter(range(3))

    async def start() -> Process:
        if next(starts, None) is None:
            has_three.set()
            raise OSError("enough")
        command = (sys.executable, "-c", DIES, str(said))
        return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)

    await keep(store, "a word")
    running = asyncio.create_task(Supervisor(store, start, pauses=(0.01, 0.01)).run())
    await asyncio.wait_for(has_three.wait(), PATIENCE)
    running.cancel()

    with said.open("rb") as lines:
        assert [read_order(line).suspect for line in lines] == [0, 0, 7]


async def test_damage_is_mended(
    store: SqliteStore, started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """An index that a search can't read is made anew while the server runs, and this is told."""
    async with supervised(store, started):
        row = await keep(store, "a word")
        await store.index.reached(row.cursor)
        store.index.give_up()
        await store.index.reached(row.cursor)

        assert await store.find(WORD) == [row]

    assert "made anew: a search could not read it" in caplog.records[0].message


async def test_it_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """However the server ends, its indexer does too: nobody holds the pipe any more."""
    store = await SqliteStore.open(tmp_path)
    await keep(store, "a word")
    await store.close()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(tmp_path)), stdout=PIPE
    )
    assert server.stdout is not None
    async with asyncio.timeout(PATIENCE):
        pid = int(await server.stdout.readline())
        assert await server.stdout.readline() == b"indexed\n"
    indexer = os.pidfd_open(pid)

    server.kill()
    await server.wait()

    ended = select.poll()
    ended.register(indexer, select.POLLIN)
    assert await asyncio.to_thread(partial(ended.poll, PATIENCE * 1000))
    os.close(indexer)
