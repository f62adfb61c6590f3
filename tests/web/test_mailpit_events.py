"""Mailpit's WebSocket, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WebLimits
from bindpost.server.activity import Activity, Refusal
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow, Retention
from bindpost.server.web import mailpit_events
from bindpost.server.web.app import create_app
from bindpost.server.web.mailpit_events import ONE_BY_ONE
from bindpost.server.web.server import WebServer

from ..clock import Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop
from .websocket import WebSocketClient

Deliver = Callable[..., Awaitable[MessageRow]]
EVENTS = "/api/events"


@pytest.fixture
def activity() -> Activity:
    """Give what SMTP would tell."""
    return Activity()


@pytest.fixture
async def server(store: MemoryStore, activity: Activity) -> AsyncIterator[WebServer]:
    """Give a server on a free port."""
    app = create_app(store, ready=lambda: True, version="1.2", activity=activity)
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    yield server
    await server.stop()


@pytest.fixture
async def client(server: WebServer) -> AsyncIterator[WebSocketClient]:
    """Give a client that has had the statistics with which every connection begins."""
    async with WebSocketClient(server.address.port, EVENTS) as client:
        first = await client.frame()
        assert first == {"Type": "stats", "Data": {"Total": 0, "Unread": 0, "Version": "v1.2"}}
        yield client


async def test_a_message_is_told_as_a_summary(client: WebSocketClient, deliver: Deliver) -> None:
    """`new` has the Summary of the message; statistics follow."""
    row = await deliver(b"Subject: Hi\r\nFrom: a@b\r\n\r\nwords", to=("x+tag@y",))

    new = await client.frame_of("new")
    stats = await client.frame_of("stats")

    assert len(new) == 15
    assert (new["ID"], new["Subject"], new["Tags"]) == (row.id, "Hi", ["tag"])
    assert new["Snippet"] == "words"
    assert (stats["Total"], stats["Unread"]) == (1, 1)


async def test_changes_of_a_message_are_told(
    client: WebSocketClient, deliver: Deliver, store: MemoryStore
) -> None:
    """Read flags, tags and deletions are told one by one; what changes nothing is not."""
    first, second = await deliver(), await deliver()
    ids = [first.id, second.id]

    await store.mark(ids, read=True)
    assert await client.frame_of("update") == {"ID": first.id, "Read": True}
    assert await client.frame_of("update") == {"ID": second.id, "Read": True}
    await store.mark(ids, read=True)
    await store.set_tags(ids, ["a"])
    assert await client.frame_of("update") == {"ID": first.id, "Tags": ["a"]}
    assert await client.frame_of("update") == {"ID": second.id, "Tags": ["a"]}
    await store.delete(ids)
    assert await client.frame_of("delete") == {"ID": first.id}
    assert await client.frame_of("delete") == {"ID": second.id}


async def test_many_are_told_at_once(
    client: WebSocketClient, deliver: Deliver, store: MemoryStore
) -> None:
    """Changes of very many messages, and of a tag everywhere, are `prune`; of all `truncate`."""
    rows = [await deliver() for _ in range(ONE_BY_ONE + 1)]
    ids = [row.id for row in rows]
    await store.delete(ids)
    assert await client.frame_of("prune") is None

    row = await deliver()
    await store.set_tags([row.id], ["a"])
    await store.rename_tag("a", "b")
    assert await client.frame_of("prune") is None
    await store.delete(None)
    assert await client.frame_of("truncate") is None


async def test_retention_is_told_as_prune(deliver: Deliver) -> None:
    """What retention deletes is not told one by one."""
    store = MemoryStore(Retention(max_messages=1))
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(create_app(store, ready=lambda: True, version="1"))
    async with WebSocketClient(server.address.port, EVENTS) as client:
        await client.frame_of("stats")
        await deliver(into=store)
        await deliver(into=store)
        assert await client.frame_of("prune") is None
    await server.stop()
    await store.close()


@pytest.mark.parametrize(("code", "level"), [(451, "warning"), (550, "error")])
async def test_refusals_are_told(
    client: WebSocketClient, activity: Activity, deliver: Deliver, code: int, level: str
) -> None:
    """A reply of 4yz is a warning, one of 5yz an error, each with the client's address."""
    await deliver()
    await client.frame_of("new")  # by now every source has begun

    activity.refuse(Refusal(code, "192.0.2.7", f"{code} no"))

    assert await client.frame_of("error") == {
        "Level": level,
        "Type": "smtpd",
        "IP": "192.0.2.7",
        "Message": f"{code} no",
    }


async def test_statistics_are_throttled(
    server: WebServer, deliver: Deliver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much happens, statistics come once in an interval, and the last ones are right."""
    monkeypatch.setattr(mailpit_events, "STATS_INTERVAL", 60.0)
    async with WebSocketClient(server.address.port, EVENTS) as client:
        assert (await client.frame())["Data"]["Total"] == 0
        for total in (10, 20, 30):
            for _ in range(10):
                await deliver()
            assert [(await client.frame())["Type"] for _ in range(10)] == ["new"] * 10
            await clock.move_on(60)
            assert (await client.frame())["Data"]["Total"] == total


async def test_what_a_client_says_is_ignored(client: WebSocketClient, deliver: Deliver) -> None:
    """Frames from the client change nothing."""
    client.say('{"Type": "delete"}')
    await deliver()

    assert await client.frame_of("new")


async def test_a_frame_that_is_too_large_ends_the_connection(client: WebSocketClient) -> None:
    """A client that sends more than a frame may have is cut off."""
    client.say("x" * (WebLimits().websocket_message + 1))

    while await client.frame() is not None:
        pass


async def test_clients_come_and_go(server: WebServer, deliver: Deliver, store: MemoryStore) -> None:
    """A client that vanishes leaves the others, and the server, as they were."""
    async with WebSocketClient(server.address.port, EVENTS) as stays:
        await stays.frame_of("stats")
        async with WebSocketClient(server.address.port, EVENTS) as goes:
            await goes.frame_of("stats")
            goes.cut()
        row = await deliver()
        assert (await stays.frame_of("new"))["ID"] == row.id


async def test_the_end_of_the_server_ends_the_connection(
    server: WebServer, client: WebSocketClient
) -> None:
    """When the server stops, its clients are told so, and it need not wait for them."""
    stopping = asyncio.create_task(server.stop())

    while await client.frame() is not None:
        pass
    client.cut()
    await stopping


@pytest.mark.parametrize(
    "path", [EVENTS, "/%61pi/events", "//api/events", "/api//events", "/api/v2/websocket"]
)
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost", "http://evil.example"),
        ("localhost", "null"),
        ("evil.example", None),
        ("evil.example", "http://evil.example"),
    ],
)
async def test_pages_of_others_may_not_listen(
    server: WebServer, path: str, host: str, origin: str | None
) -> None:
    """Another host or another page is refused, however the path is written."""
    async with WebSocketClient(server.address.port, path, host=host, origin=origin) as client:
        assert client.refused == 403


async def test_own_pages_may_listen(server: WebServer) -> None:
    """A page of this server is let in."""
    origin = f"http://localhost:{server.address.port}"
    host = f"localhost:{server.address.port}"
    async with WebSocketClient(server.address.port, EVENTS, host=host, origin=origin) as client:
        assert client.refused is None
        assert await client.frame_of("stats")


async def test_another_path_is_no_websocket(server: WebServer) -> None:
    """A path without a WebSocket refuses one."""
    async with WebSocketClient(server.address.port, "/api/v1/messages") as client:
        assert client.refused in (403, 404)
