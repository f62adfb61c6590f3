"""What a client may cost the web endpoint, on real sockets: each limit of `[web_limits]` is met."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WebAccess, WebLimits
from bindpost.server.smtp.tls import make_context
from bindpost.server.web.server import WebServer

from ..clock import Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop
from ..fixtures import trusting as trusting

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE = 20.0
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class App:
    """Answers `/` at once, `/slow` when it may, and `/endless` until nobody takes it any more."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.is_over = asyncio.Event()
        self.starlette = Starlette(
            routes=[
                Route("/", lambda _: PlainTextResponse("here")),
                Route("/slow", self._answer_slowly),
                Route("/endless", lambda _: StreamingResponse(self._go_on())),
            ]
        )
        self.starlette.state.stopping = asyncio.Event()

    async def _answer_slowly(self, _: Request) -> Response:
        self.asked.set()
        await self.may_answer.wait()
        return PlainTextResponse("at last")

    async def _go_on(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)  # for those who are told that nobody takes it
        finally:
            self.is_over.set()


@pytest.fixture
def asgi() -> App:
    """Give the app."""
    return App()


class Start:
    """Starts servers, and connects to them."""

    def __init__(self, asgi: App, stack: contextlib.AsyncExitStack) -> None:
        self._asgi = asgi
        self._stack = stack
        self._port = 0

    async def __call__(
        self, *, tls: ssl.SSLContext | None = None, handshake_timeout: float = 60.0, **limits: float
    ) -> None:
        """Start a server with these limits."""
        server = WebServer(
            Endpoint("127.0.0.1", 0),
            grace=0.01,
            tls=tls,
            limits=WebLimits(**limits),  # type: ignore[arg-type]  # each as its field wants it
            handshake_timeout=handshake_timeout,
        )
        await server.bind()
        await server.serve(self._asgi.starlette)
        self._stack.push_async_callback(server.stop)
        self._port = server.address.port

    async def say(self, data: bytes, *, tls: ssl.SSLContext | None = None) -> Streams:
        """Connect, and say something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=tls)
        self._stack.callback(writer.close)
        writer.write(data)
        return reader, writer

    async def get(self, *, tls: ssl.SSLContext | None = None) -> bytes:
        """Ask as an honest client; gives the first line of the answer."""
        async with asyncio.timeout(PATIENCE):
            reader, _ = await self.say(GET, tls=tls)
            return await reader.readline()


@pytest.fixture
async def start(asgi: App) -> AsyncIterator[Start]:
    """Give what starts servers."""
    async with contextlib.AsyncExitStack() as stack:
        yield Start(asgi, stack)


async def _end(reader: asyncio.StreamReader) -> None:
    """Return when the server has closed, in whatever way."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.read(1 << 20):
                pass


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nX-Slow: ", id="header"),
        pytest.param(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", id="body"),
        pytest.param(GET, id="idle"),
    ],
)
async def test_who_keeps_it_waiting_longest_makes_room(
    start: Start, asgi: App, part: bytes
) -> None:
    """Where slow ones fill all connections, an honest one takes the place of the first."""
    await start(connections=5)
    asgi.may_answer.set()
    slow = [await start.say(part) for _ in range(5)]
    if part == GET:
        for reader, _ in slow:
            await reader.readuntil(b"here")

    answers = [await start.get() for _ in range(3)]

    assert answers == [b"HTTP/1.1 200 OK\r\n"] * 3
    await _end(slow[0][0])
    await _end(slow[1][0])


async def test_whose_answer_is_due_keeps_its_place(start: Start, asgi: App) -> None:
    """Where the server itself is at work for all of them, one more is told to come again."""
    await start(connections=2)
    busy = [await start.say(GET.replace(b"/", b"/slow", 1)) for _ in range(2)]
    await asgi.asked.wait()

    answer = await start.get()
    asgi.may_answer.set()

    assert answer == b"HTTP/1.1 503 Service Unavailable\r\n"
    for reader, _ in busy:
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_an_answer_has_to_be_taken(start: Start, asgi: App) -> None:
    """A client that reads nothing is cut."""
    await start(answer_time=0.05)
    _, writer = await start.say(GET.replace(b"/", b"/endless", 1))
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can

    async with asyncio.timeout(PATIENCE):
        await asgi.is_over.wait()


async def test_who_takes_an_answer_slowly_makes_room_as_well(start: Start, asgi: App) -> None:
    """Its client keeps the server waiting, too."""
    await start(connections=1)
    _, writer = await start.say(GET.replace(b"/", b"/endless", 1))
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's can

    async with asyncio.timeout(PATIENCE):
        while await start.get() != b"HTTP/1.1 200 OK\r\n":
            pass
        await asgi.is_over.wait()


async def test_a_header_has_a_size(start: Start) -> None:
    """One that never ends is refused when it is too large."""
    await start(header_size=2048)

    reader, _ = await start.say(b"GET / HTTP/1.1\r\nX: " + b"x" * 4000)
    refused = await reader.readline()

    assert refused == b"HTTP/1.1 400 Bad Request\r\n"
    assert await start.get() == b"HTTP/1.1 200 OK\r\n"


async def test_an_idle_connection_ends(start: Start) -> None:
    """It is kept for a while after an answer, and then closed."""
    await start(idle_time=1)

    reader, _ = await start.say(GET)

    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    await _end(reader)


@pytest.fixture
def https() -> ssl.SSLContext:
    """Give a server's TLS context."""
    access = WebAccess(certificate="self-signed")
    context = make_context(access, hostname="localhost", folder=Path(), table="web_access")
    assert context is not None
    return context


@pytest.mark.parametrize("part", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_has_a_time(
    start: Start, clock: Clock, https: ssl.SSLContext, trusting: ssl.SSLContext, part: bytes
) -> None:
    """Who begins none, or does not go on with it, is closed."""
    await start(tls=https, handshake_timeout=60)

    reader, _ = await start.say(part)
    await clock.move_on(61)

    await _end(reader)
    assert await start.get(tls=trusting) == b"HTTP/1.1 200 OK\r\n"


async def test_half_open_ones_make_room_as_well(
    start: Start, https: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    """A connection counts before its handshake is done."""
    await start(tls=https, connections=3)
    slow = [await start.say(b"\x16") for _ in range(3)]

    assert await start.get(tls=trusting) == b"HTTP/1.1 200 OK\r\n"

    await _end(slow[0][0])
