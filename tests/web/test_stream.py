"""The stream of changes, over real sockets: it never ends by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bindpost.config.endpoint import Endpoint
from bindpost.server.message.model import Envelope, Message, SessionFacts, new_id, utc_now
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

Deliver = Callable[..., Awaitable[MessageRow]]
PATH = "/api/bindpost/v1/stream"


class Events:
    """Reads a stream event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, int, Any]:
        """Give the next event: its name, its id and its data."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and "data" in fields:
                return fields["event"], int(fields["id"]), json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError


@pytest.fixture
async def server(app: Starlette) -> AsyncIterator[WebServer]:
    """Give a server of the app on a free port."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    yield server
    await server.stop()


@asynccontextmanager
async def following(server: WebServer, **options: Any) -> AsyncIterator[Events]:
    """Follow the stream of a server."""
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=20) as client,
        client.stream("GET", PATH, **options) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


async def test_changes_come_live(server: WebServer, store: MemoryStore, deliver: Deliver) -> None:
    """Each change comes with its number, its messages and the counts after it."""
    async with following(server) as events:
        assert await events.next() == (
            "ready",
            0,
            {"sequence": 0, "total": 0, "unread": 0, "reason": None},
        )
        row = await deliver()
        kind, number, added = await events.next()
        assert (kind, number, added["ids"], added["unread"]) == ("added", 1, [row.id], 1)
        assert added["message"]["fields"]["subject"] == "Hello"
        await store.mark([row.id], read=True)
        kind, number, marked = await events.next()
        assert (kind, number, marked["read"], marked["unread"]) == ("marked", 2, True, 0)
        await store.delete(None)
        kind, number, deleted = await events.next()
        assert (kind, number, deleted["ids"], deleted["total"]) == ("deleted", 3, [row.id], 0)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"params": {"after": 1}}, id="after"),
        pytest.param({"headers": {"Last-Event-ID": "1"}}, id="header"),
        pytest.param({"params": {"after": 0}, "headers": {"Last-Event-ID": "1"}}, id="both"),
    ],
)
async def test_who_comes_back_misses_nothing(
    server: WebServer, deliver: Deliver, options: dict[str, Any]
) -> None:
    """The changes behind a cursor come first; the header that browsers send counts most."""
    await deliver()
    second = await deliver()

    async with following(server, **options) as events:
        assert (await events.next())[:2] == ("ready", 1)
        kind, number, added = await events.next()
        assert (kind, number, added["ids"]) == ("added", 2, [second.id])


async def test_a_cursor_of_another_store_is_told(server: WebServer, deliver: Deliver) -> None:
    """A cursor that has never been gives a reset with the current number; then it goes on."""
    await deliver()

    async with following(server, params={"after": 99}) as events:
        kind, number, reset = await events.next()
        assert (kind, number, reset["total"]) == ("reset", 1, 1)
        assert "read the inbox anew" in reset["reason"]
        await deliver()
        assert (await events.next())[:2] == ("added", 2)


async def test_it_ends_when_the_server_goes_down(app: Starlette) -> None:
    """A stop isn't held up by who follows."""
    server = WebServer(Endpoint("127.0.0.1", 0), grace=60)
    await server.bind()
    await server.serve(app)
    async with following(server) as events:
        await events.next()
        async with asyncio.timeout(20):
            await server.stop()
        with pytest.raises(EOFError):
            await events.next()


async def test_a_bad_cursor_is_refused(http: httpx.AsyncClient) -> None:
    """What is no number is told."""
    assert (await http.get(PATH, params={"after": "x"})).status_code == 400


async def test_what_happens_in_a_mailbox_only_is_not_told() -> None:
    """A message that was taken out of one of its mailboxes is still here: no event says else."""
    store = MemoryStore(sort=lambda *_: ("a", "b"))
    app = create_app(store, ready=lambda: True, version="1")
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    message = Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("", ()),
        session=SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain"),
        raw=b"",
    )
    try:
        async with following(server) as events:
            await events.next()
            await store.add(message, ())
            await MailboxView(store, "a").delete(None)
            await MailboxView(store, "b").delete(None)

            seen = [await events.next() for _ in range(2)]
    finally:
        await server.stop()

    assert [(kind, data["ids"]) for kind, _, data in seen] == [
        ("added", [message.id]),
        ("deleted", [message.id]),
    ]
