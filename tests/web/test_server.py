"""The HTTP server itself, on real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bindpost.client import Client
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WebLimits
from bindpost.errors import BindError
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

from ..clock import Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop

Deliver = Callable[..., Awaitable[MessageRow]]
ANY_PORT = Endpoint("127.0.0.1", 0)
LIMITS = WebLimits(request_time=60)


async def test_a_client_reads_what_was_delivered(app: Starlette, deliver: Deliver) -> None:
    """The real server on a free port and the real client understand each other."""
    raw = b"Subject: All bytes\r\n\r\n" + bytes(range(256))
    row = await deliver(raw)
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(app)
    client = Client(server.url)
    try:
        assert await asyncio.to_thread(client.ready)
        assert await asyncio.to_thread(client.raw, row.id) == raw
        message = await asyncio.to_thread(client.message, "latest")
    finally:
        await server.stop()

    assert (message.id, message.subject) == (row.id, "All bytes")


async def test_a_port_that_is_taken_is_told() -> None:
    """A failed bind raises the Winsock code with the path and a hint."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BindError) as caught:
            await WebServer(Endpoint("127.0.0.1", port)).bind()

    assert (caught.value.code, caught.value.path) == (10048, "direct:")
    assert caught.value.hint


async def test_a_unix_socket_works(app: Starlette, deliver: Deliver, tmp_path: Path) -> None:
    """The server can be bound to a Unix socket, whose file is gone afterwards."""
    row = await deliver()
    path = tmp_path / "web.sock"
    server = WebServer(Endpoint(path=str(path)))
    await server.bind()
    await server.serve(app)
    try:
        messages = await asyncio.to_thread(Client(server.url).messages)
    finally:
        await server.stop()

    assert server.url == f"unix:{path}"
    assert [message.id for message in messages] == [row.id]
    assert not path.exists()


async def test_two_servers_live_in_one_process(
    app: Starlette, store: MemoryStore, deliver: Deliver
) -> None:
    """Two servers don't know of each other: stopping one leaves the other."""
    await deliver()
    first, second = WebServer(ANY_PORT), WebServer(ANY_PORT)
    await first.bind()
    await first.serve(app)
    await second.bind()
    await second.serve(create_app(store, ready=lambda: False, version="2"))
    await first.stop()
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(f"{second.url}/readyz")
    finally:
        await second.stop()

    assert response.status_code == 503


async def test_nothing_of_the_process_is_changed(
    app: Starlette, capfd: pytest.CaptureFixture[str]
) -> None:
    """The server leaves signal handlers and others' loggers alone and prints nothing."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    access = logging.getLogger("uvicorn.access")
    before = (list(access.handlers), access.propagate, access.level)
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(app)
    during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{server.url}/livez")
    await server.stop()

    assert during == handlers
    assert (list(access.handlers), access.propagate, access.level) == before
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"GET / HT",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n",
        b"PUT /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["nothing", "line", "header", "body"],
)
async def test_a_request_has_to_come_in_time(app: Starlette, part: bytes, clock: Clock) -> None:
    """A connection on which none comes, or only a part of one, is closed."""
    server = WebServer(ANY_PORT, limits=LIMITS)
    await server.bind()
    await server.serve(app)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.write(part)
        await clock.move_on(61)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
    finally:
        await server.stop()


async def test_the_second_request_has_to_come_in_time_too(app: Starlette, clock: Clock) -> None:
    """On a connection that is kept a request may not be begun and left either."""
    server = WebServer(ANY_PORT, limits=LIMITS)
    await server.bind()
    await server.serve(app)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.write(b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /livez HT")
        await clock.move_on(61)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
    finally:
        await server.stop()

    assert answer.startswith(b"HTTP/1.1 200")


async def test_an_answer_may_take_longer(clock: Clock) -> None:
    """A request that has come whole has its time, and so has the next one."""
    over = asyncio.Event()
    waiting = Waiting(over)
    server = WebServer(ANY_PORT, limits=LIMITS)
    await server.bind()
    await server.serve(waiting.app)
    try:
        reader, writer = await _ask(server)
        await waiting.asked.wait()
        silent, other = await asyncio.open_connection("127.0.0.1", server.address.port)
        await clock.move_on(61)
        assert await silent.read() == b""  # its time is over, which began later
        over.set()
        answer = await reader.readuntil(b"done")
        for each in (writer, other):
            each.close()
    finally:
        await server.stop()

    assert answer.startswith(b"HTTP/1.1 200")


class Waiting:
    """An app whose one request waits for something; `asked` is set when it has come."""

    def __init__(self, until: asyncio.Event) -> None:
        self.asked = asyncio.Event()
        self.cut = False
        self._until = until
        self.app = Starlette(routes=[Route("/", self.answer)])
        self.app.state.stopping = asyncio.Event()

    async def answer(self, _: Request) -> Response:
        """Wait, then answer."""
        self.asked.set()
        try:
            await self._until.wait()
        except asyncio.CancelledError:
            self.cut = True
            raise
        return PlainTextResponse("done")


async def _ask(
    server: WebServer, path: str = "/", field: str = "Accept: */*"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    streams = await asyncio.open_connection("127.0.0.1", server.address.port)
    streams[1].write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n\r\n".encode())
    return streams


async def test_what_stands_behind_the_last_request_means_nothing() -> None:
    """Some clients send an empty line too many; they get their answer, not a 400."""
    until = asyncio.Event()
    waiting = Waiting(until)
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(waiting.app)
    reader, writer = await _ask(server, field="Connection: close")
    await waiting.asked.wait()
    writer.write(b"\r\n")
    other, later = await _ask(server, "/nothing")
    assert b" 404 " in await other.readline()  # so the line has come, too

    until.set()
    answer = await reader.read()
    for each in (writer, later):
        each.close()
    await server.stop()

    assert answer.endswith(b"done")


async def test_stopping_tells_those_who_wait_and_lets_them_end() -> None:
    """A request under way learns that the server stops, and its answer still goes out."""
    until = asyncio.Event()
    waiting = Waiting(until)
    waiting.app.state.stopping = until
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(waiting.app)
    reader, writer = await _ask(server)
    await waiting.asked.wait()

    await server.stop()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"done")


async def test_stopping_cuts_what_does_not_end() -> None:
    """A request that doesn't end is cancelled and its connection cut when the grace is over."""
    waiting = Waiting(asyncio.Event())
    server = WebServer(ANY_PORT, grace=0.01)
    await server.bind()
    await server.serve(waiting.app)
    reader, writer = await _ask(server)
    await waiting.asked.wait()

    await server.stop()

    assert waiting.cut
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()


async def test_idle_connections_do_not_delay_stopping(app: Starlette) -> None:
    """A connection that is kept alive and asks nothing is closed at once."""
    server = WebServer(ANY_PORT, grace=60)
    await server.bind()
    await server.serve(app)
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{server.url}/livez")
        await asyncio.wait_for(server.stop(), 20)


async def test_invalid_http_is_answered(app: Starlette, caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP gets 400, and the warning goes to our logger."""
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(app)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
    writer.write(b"EHLO you\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    await server.stop()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert {record.name for record in caplog.records if record.levelno >= logging.WARNING} == {
        "bindpost.web"
    }


async def test_a_client_that_breaks_off_is_no_fault(
    app: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that ends too early, or is malformed, deletes nothing and is no error of ours."""
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(app)
    head = b"DELETE /api/bindpost/v1/messages HTTP/1.1\r\nHost: localhost\r\n"
    for rest in (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.write(head + rest)
        writer.write_eof()
        assert b" 500 " not in await reader.read()
        writer.close()
        await writer.wait_closed()
    await server.stop()

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_list_is_json(app: Starlette) -> None:
    """The media type of the API's answers is JSON."""
    server = WebServer(ANY_PORT)
    await server.bind()
    await server.serve(app)
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"{server.url}/api/v1/messages")
    await server.stop()

    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content)["messages"] == []


async def test_who_comes_before_there_is_an_app_waits_for_it(app: Starlette) -> None:
    """From the bind on a client can connect and ask; the answer comes once the app is served."""
    server = WebServer(ANY_PORT)
    await server.bind()
    reader, writer = await _ask(server, "/livez")

    await server.serve(app)
    answer = await reader.readline()
    writer.close()
    await server.stop()

    assert answer == b"HTTP/1.1 200 OK\r\n"


async def test_a_port_without_an_app_is_given_back() -> None:
    """`stop()` frees what was bound and never served."""
    first = WebServer(ANY_PORT)
    await first.bind()
    await first.stop()

    second = WebServer(first.address)
    await second.bind()
    await second.stop()

    assert second.url == first.url


async def test_stopping_what_never_started_is_harmless() -> None:
    """`stop()` may be called on a server that was not started."""
    server = WebServer(ANY_PORT)

    await server.stop()

    assert server.url == "http://127.0.0.1:0"
