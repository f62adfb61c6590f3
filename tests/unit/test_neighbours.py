"""Nodes with one inbox in PostgreSQL, in one process: what each tells the others, and hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from bindpost.config.model import EventLog, Listener, Settings
from bindpost.errors import BindError, ConfigError
from bindpost.events import (
    BIND_FAILED,
    NODE_BACK,
    NODE_DOUBLED,
    NODE_GONE,
    SERVICE_STARTED,
    SERVICE_STOPPED,
)
from bindpost.server.app import Bindpost
from bindpost.server.nodes.desk import NodesDesk
from bindpost.server.nodes.neighbours import MISSED
from bindpost.server.nodes.table import KEPT, PAGE
from bindpost.server.overview import describe
from bindpost.server.store.events import EventQuery, KeptEvent
from bindpost.server.store.sqlite_events import SqliteEventStore
from bindpost.server.web.node_objects import Node, Nodes
from bindpost.testing.postgres import PostgresServer
from tests.conformance.events.bench import event

from ..clock import Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop

HEARTBEAT: Final = 0.2
PATIENCE: Final = 30.0
NOWHERE: Final = Listener("127.0.0.1:0", via="winsock://127.0.0.1:1")


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


class Apps:
    """The nodes of a test; each has a data folder of its own, by its name."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self._url = url
        self._folder = folder
        self._stack = stack

    def make(self, name: str, *listeners: Listener, data: str = "", **others: Any) -> Bindpost:
        """Make a node that is not started."""
        usual: dict[str, Any] = {"node_heartbeat": HEARTBEAT, "on_bind_failure": "continue"}
        settings = Settings(
            **usual | others,
            listener=listeners or (Listener("127.0.0.1:0"),),
            web="off",
            data=data or name,
            store=self._url,
            node=name,
        )
        return Bindpost(settings, folder=self._folder)

    async def start(self, name: str, *listeners: Listener, **others: Any) -> Bindpost:
        """Start a node, which lives as long as the test."""
        return await self._stack.enter_async_context(self.make(name, *listeners, **others))


@pytest.fixture
async def apps(url: str, tmp_path: Path) -> AsyncIterator[Apps]:
    """Give what starts nodes with one inbox."""
    async with AsyncExitStack() as stack:
        yield Apps(url, tmp_path, stack)


async def until(what: Callable[[], bool]) -> None:
    """Return when something holds, which must come to be so."""
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)


def told(app: Bindpost) -> Nodes:
    """Give what a node tells of all."""
    return NodesDesk(app.here, lambda: describe(app.listeners.posts), app.neighbours).nodes()


def node_on(app: Bindpost, name: str) -> Node | None:
    """Give a node as another one tells of it."""
    return next((node for node in told(app).nodes if node.name == name), None)


def states_on(app: Bindpost, name: str) -> list[str]:
    """Give the states of a node's listeners as another one tells of them."""
    node = node_on(app, name)
    return [] if node is None else [listener.state.value for listener in node.listeners]


async def in_state(app: Bindpost, name: str, state: str) -> Node:
    """Give a node as another tells of it, once it is in a state."""
    await until(lambda: (node := node_on(app, name)) is not None and node.state == state)
    found = node_on(app, name)
    assert found is not None
    return found


async def kept(app: Bindpost, number: int, *nodes: str) -> Sequence[KeptEvent]:
    """Give the events of a number, of some nodes, that a node keeps."""
    assert app.events is not None
    return await app.events.find(EventQuery(ids=(number,), nodes=nodes), limit=0)


async def event_on(app: Bindpost, number: int, *nodes: str) -> KeptEvent:
    """Give the only event of a number, of some nodes, once a node keeps it."""
    assert app.events is not None
    async with asyncio.timeout(PATIENCE):
        found = await anext(app.events.follow(EventQuery(after=0, ids=(number,), nodes=nodes)))
    assert await kept(app, number, *nodes) == [found]
    return found


async def test_a_failed_listener_is_told_with_its_error(apps: Apps) -> None:
    """Another node tells of 10050 as the node itself does, and keeps the event as it was."""
    a, b = await apps.start("a", NOWHERE), await apps.start("b")

    await until(lambda: states_on(b, "a") == ["failed"])

    there, here = node_on(b, "a"), node_on(a, "a")
    assert there is not None
    assert here is not None
    assert there.listeners == here.listeners
    assert there.listeners[0].last_error is not None
    assert there.listeners[0].last_error.code == 10050
    assert (there.here, here.here, there.run) == (False, True, here.run)
    found, own = await event_on(b, BIND_FAILED.id), await event_on(a, BIND_FAILED.id)
    assert (found.log, own.log) == (own_log(a), "")
    assert (found.time, found.fields, found.computer) == (own.time, own.fields, "a")


async def test_a_change_of_a_listener_is_told_at_once(apps: Apps, tmp_path: Path) -> None:
    """With a heartbeat of an hour the others know of a listener that a reload has added."""
    a = await apps.start("a", node_heartbeat=3600.0)
    b = await apps.start("b", node_heartbeat=3600.0)
    await until(lambda: states_on(b, "a") == ["listening"])

    more = apps.make("a", Listener("127.0.0.1:0"), NOWHERE)
    await a.reload(more.settings, folder=tmp_path)

    await until(lambda: states_on(b, "a") == ["listening", "failed"])


async def test_why_a_start_failed_is_told(apps: Apps) -> None:
    """A node whose start ends with 4007 is stopped, and the others keep the event."""
    b = await apps.start("b")

    with pytest.raises(BindError):
        async with apps.make("a", NOWHERE, on_bind_failure="stop"):
            pass

    await in_state(b, "a", "stopped")
    await event_on(b, BIND_FAILED.id, "a")


async def test_a_node_that_ends_is_stopped(apps: Apps) -> None:
    """Its very last event is kept by the others, also by one that comes later; none says gone."""
    b = await apps.start("b")
    async with apps.make("a"):
        await in_state(b, "a", "alive")

    c = await apps.start("c")

    for other in (b, c):
        await in_state(other, "a", "stopped")
        await event_on(other, SERVICE_STOPPED.id, "a")
    await beats(b, 2 * MISSED)
    assert await kept(b, NODE_GONE.id) == []


async def test_a_node_that_no_more_tells_is_gone_and_comes_back(apps: Apps) -> None:
    """One of two others logs that it is gone, both keep that; the node itself, that it is back."""
    a, b, c = [await apps.start(name) for name in "abc"]
    await in_state(b, "a", "alive")
    paused = hold(a)

    for other in (b, c):
        await in_state(other, "a", "gone")
    gone = await event_on(b, NODE_GONE.id)
    await event_on(c, NODE_GONE.id)
    paused()

    assert gone.computer in ("b", "c")
    assert gone.strings[0] == "a"
    assert int(gone.strings[1]) >= 0
    for other in (b, c):
        await in_state(other, "a", "alive")
        assert (await event_on(other, NODE_BACK.id)).computer == "a"
    await event_on(a, NODE_GONE.id)


async def test_an_outage_is_told_of_and_over_by_itself(
    apps: Apps, postgres: PostgresServer
) -> None:
    """Meanwhile each node tells what it knew and why; nobody is gone, and events come later."""
    a, b = await apps.start("a"), await apps.start("b")
    await until(lambda: states_on(b, "a") == ["listening"])
    loop = asyncio.get_running_loop()

    with postgres.away():
        slow, too_late = hold(a), loop.time() + MISSED * HEARTBEAT
        await until(lambda: "can't be used now" in told(b).trouble)
        assert (await in_state(b, "a", "alive")).listeners
        assert a.events is not None
        a.events.append(event("meanwhile", id=1))
        await until(lambda: loop.time() > too_late)
    await until(lambda: not told(b).trouble)
    await in_state(b, "a", "alive")  # though it has not come back yet
    slow()

    assert (await event_on(b, 1)).message == "meanwhile"
    await beats(b, 3 * MISSED)
    assert told(b).trouble == ""
    for app in (a, b):
        await in_state(app, "a", "alive")
        assert await kept(app, NODE_GONE.id) == []


async def test_of_many_events_the_latest_are_told_each_once(apps: Apps, tmp_path: Path) -> None:
    """A node with a long past tells its latest events, in order; a second start tells no more."""
    (tmp_path / "a").mkdir()
    past = await SqliteEventStore.open(tmp_path / "a", keep=10 * KEPT)
    for number in range(KEPT + PAGE):
        past.append(event(str(number), id=1, computer="a"))
    await past.close()

    b = await apps.start("b")
    for _ in range(2):
        async with apps.make("a"):
            await in_state(b, "a", "alive")
        await in_state(b, "a", "stopped")

    await until(lambda: b.events is not None and b.events.latest > KEPT)
    numbers = [int(one.message) for one in (await kept(b, 1))[::-1]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == KEPT + PAGE - 1
    assert len(numbers) <= KEPT
    assert len(await kept(b, SERVICE_STARTED.id, "a")) == 2


async def test_a_name_that_is_taken_is_refused(apps: Apps) -> None:
    """The error names the setting; so it is for a copy of a node's data folder."""
    a = await apps.start("a")

    with pytest.raises(ConfigError, match='node: another node of this inbox is called "a"'):
        async with apps.make("a", data="other"):
            pass

    assert (await in_state(a, "a", "alive")).here
    async with apps.make("other"):
        pass  # what the refused one had is let go of


async def test_a_node_whose_machine_vanished_loses_its_name(apps: Apps, clock: Clock) -> None:
    """
    Another one may have it; when the first is back after all, both say that there are two.

    Once, though they should stand still for a while.
    """
    first, watching = await apps.start("a"), await apps.start("b")
    await in_state(watching, "a", "alive")
    paused = hold(first)
    await in_state(watching, "a", "gone")

    second = await apps.start("a", data="other")
    paused()

    for app in (first, second):
        async with asyncio.timeout(PATIENCE):
            while len(await kept(app, NODE_DOUBLED.id)) < 2:  # its own, and the other one's
                await beats(app, 1)
    assert [node.name for node in told(watching).nodes] == ["a", "a", "b"]
    await clock.move_on(MISSED * HEARTBEAT)
    await beats(first, MISSED)  # what they hear of each other they don't tell again
    for app in (first, second):
        assert len(await kept(app, NODE_DOUBLED.id)) == 2


async def test_a_node_in_memory_is_known_by_its_name(apps: Apps) -> None:
    """Started again it has another log, but the former one is not shown beside it."""
    b = await apps.start("b")
    for _ in range(2):
        async with apps.make("a", data=":memory:"):
            await in_state(b, "a", "alive")
            assert [node.name for node in told(b).nodes] == ["a", "b"]


async def test_without_events_the_nodes_are_told_all_the_same(apps: Apps) -> None:
    """With `event_log.keep = 0` there is no event to tell or to keep."""
    a = await apps.start("a", event_log=EventLog(keep=0))
    b = await apps.start("b")

    await in_state(a, "b", "alive")
    await in_state(b, "a", "alive")
    assert a.events is None


async def test_long_silent_nodes_are_forgotten(apps: Apps, url: str) -> None:
    """After a week without a heartbeat a node's row and events go; one that comes back is there."""
    a, b = await apps.start("a"), await apps.start("b")
    await in_state(b, "a", "alive")
    paused = hold(a)
    await in_state(b, "a", "gone")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE node SET heartbeat = now() - interval '8 days' WHERE name = 'a'"
        )
        await until(lambda: node_on(b, "a") is None)
        left = await connection.execute(
            "SELECT count(*) FROM node_event WHERE node NOT IN (SELECT id FROM node)"
        )
        assert await left.fetchone() == (0,)
    paused()

    await in_state(b, "a", "alive")


async def test_what_another_version_says_stops_nothing(apps: Apps, url: str) -> None:
    """A node whose listeners can't be read here is told without them."""
    b = await apps.start("b")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO node (id, name, run, version, patience, listeners)"
            " VALUES ('x', 'future', 'r', '99', interval '1 h', '[{\"new\": 1}]')"
        )

    assert (await in_state(b, "future", "alive")).listeners == []


async def test_a_node_alone_tells_of_itself(tmp_path: Path) -> None:
    """Without PostgreSQL there is one node, and its events have its name."""
    settings = Settings(listener=(Listener("127.0.0.1:0"),), web="off", data="data", node="n1")
    async with Bindpost(settings, folder=tmp_path) as app:
        alone = told(app)
        assert (alone.shared, [node.name for node in alone.nodes]) == (False, ["n1"])
        assert (await event_on(app, SERVICE_STARTED.id)).computer == "n1"


def own_log(app: Bindpost) -> str:
    """Give the id of a node's event log."""
    assert app.events is not None
    return app.events.id


def hold(app: Bindpost) -> Callable[[], None]:
    """Have a node tell and hear nothing, as if it stood still; gives what lets it go on."""
    neighbours = app.neighbours
    assert neighbours is not None
    exchange, go_on = neighbours._exchange, asyncio.Event()

    async def wait(*arguments: Any, **named: Any) -> None:
        await go_on.wait()
        await exchange(*arguments, **named)

    neighbours._exchange = wait  # type: ignore[method-assign]

    def release() -> None:
        neighbours._exchange = exchange  # type: ignore[method-assign]
        go_on.set()

    return release


async def beats(app: Bindpost, count: int) -> None:
    """Return when a node has beaten so many times."""
    heard: set[datetime] = set()

    def has_beaten() -> bool:
        assert app.neighbours is not None
        heard.update(one.read for one in app.neighbours.known.values())
        return len(heard) > count

    await until(has_beaten)
