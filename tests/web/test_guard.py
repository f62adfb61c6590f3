"""Who may ask, what every answer carries, and that no error gets out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from bindpost.errors import StoreError
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.guard import Guard, host_of, is_allowed

from .conftest import Desk

REBIND = "/api/bindpost/v1/listeners/0/rebind"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8025",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:8025",
        "localhost.",
    ],
)
async def test_loopback_may_ask(http: httpx.AsyncClient, host: str) -> None:
    """Names and addresses of loopback are allowed without being told."""
    assert (await http.get("/livez", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8025", "localhost.evil.example", "10.0.0.1"),
        *("[2001:db8::1]", "", "@localhost", "localhost@evil.example", "127.0.0.1.evil.example"),
        *("localhost:x", "[::1"),
    ],
)
async def test_another_host_is_refused(http: httpx.AsyncClient, host: str) -> None:
    """A request that names another host gets 403, whatever it asks for."""
    response = await http.get("/api/v1/messages", headers={"Host": host})

    assert response.status_code == 403
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_bound_host_may_ask(store: MemoryStore) -> None:
    """A host that the app was told is allowed, in any case."""
    app = create_app(store, ready=lambda: True, version="1", hosts=["Mail.Lab"])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mail.lab:80") as client:
        assert (await client.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("192.0.2.7", ["0.0.0.0"], True),
        ("2001:db8::7", ["::"], True),
        ("evil.example", ["0.0.0.0", "::"], False),
        ("anything.example", ["*"], True),
        ("", ["mail.lab"], False),
    ],
)
def test_a_wildcard_allows_addresses_only(host: str, allowed: list[str], expected: bool) -> None:
    """A server bound to every address may be asked by any address, and not by any name."""
    assert is_allowed(host, allowed) is expected


@pytest.mark.parametrize(
    ("authority", "host"),
    [("A.b:1", "a.b"), ("[::1]:2", "::1"), ("::1", ""), ("a b", ""), ("a:b:c", ""), ("a.", "a")],
)
def test_the_host_is_read_out_of_the_field(authority: str, host: str) -> None:
    """The host comes without port, brackets and case; what is malformed is no host."""
    assert host_of(authority) == host


async def test_a_websocket_from_elsewhere_is_closed() -> None:
    """The rules hold for WebSockets too."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"evil.example")]}
    await Guard(Starlette())(scope, receive, send)

    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9", "http://["]
)
async def test_pages_of_others_may_not_ask(http: httpx.AsyncClient, origin: str) -> None:
    """A request that a browser sends for another page gets 403."""
    response = await http.request("DELETE", "/api/v1/messages", headers={"Origin": origin})

    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
async def test_pages_of_others_may_not_bind_again(
    asking: httpx.AsyncClient, desk: Desk, headers: dict[str, str]
) -> None:
    """A POST for another host or from another page gets 403, and no listener is touched."""
    refused = await asking.post(REBIND, headers=headers)
    touched = list(desk.rebound)
    allowed = await asking.post(REBIND, headers={"Origin": "http://localhost:8025"})

    assert (refused.status_code, touched) == (403, [])
    assert (allowed.status_code, desk.rebound) == (200, [0])


async def test_one_good_origin_of_two_does_not_help(http: httpx.AsyncClient) -> None:
    """Each Origin must be the Host, also behind a proxy that adds one of its own."""
    origins = [("Origin", "http://localhost:8025"), ("Origin", "http://evil.example")]

    assert (await http.get("/livez", headers=origins)).status_code == 403


async def test_own_pages_may_ask(http: httpx.AsyncClient) -> None:
    """An Origin that is the Host is allowed."""
    response = await http.get("/livez", headers={"Origin": "http://localhost:8025"})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/api/v1/messages", "/nothing", "/static/style.css"]
)
async def test_every_answer_has_the_security_headers(http: httpx.AsyncClient, path: str) -> None:
    """nosniff and a strict policy are on everything, errors included."""
    response = await http.get(path)

    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


@pytest.fixture
def failing() -> Callable[[Exception], httpx.AsyncClient]:
    """Give a function that makes a client of an app that fails in this way."""

    def make(error: Exception) -> httpx.AsyncClient:
        async def fail(_: Request) -> Response:
            raise error

        async def fail_late(_: Request) -> Response:
            async def body() -> AsyncIterator[bytes]:
                yield b"begun"
                raise error

            return StreamingResponse(body())

        routes = [Route("/", fail), Route("/late", fail_late)]
        app = Starlette(routes=routes, middleware=[Middleware(Guard)])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    return make


async def test_an_unexpected_error_shows_no_traceback(
    failing: Callable[[Exception], httpx.AsyncClient],
) -> None:
    """A fault gives 500 and a sentence without a word of the exception."""
    async with failing(ZeroDivisionError("secret detail")) as client:
        response = await client.get("/")

    assert response.status_code == 500
    assert "secret" not in response.text
    assert "Traceback" not in response.text


async def test_a_failed_store_is_told(failing: Callable[[Exception], httpx.AsyncClient]) -> None:
    """A failure of the store gives 503 and its sentence."""
    async with failing(StoreError("the disk is full")) as client:
        response = await client.get("/")

    assert (response.status_code, response.text) == (
        503,
        "The message store failed: the disk is full",
    )


async def test_an_answer_that_has_begun_is_cut(
    failing: Callable[[Exception], httpx.AsyncClient],
) -> None:
    """An error behind the first bytes goes up to the server, which ends the connection."""
    async with failing(ZeroDivisionError()) as client:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - alone or in a group
            await client.get("/late")

    assert (
        caught.group_contains(ZeroDivisionError)
        if isinstance(caught.value, BaseExceptionGroup)
        else isinstance(caught.value, ZeroDivisionError)
    )
