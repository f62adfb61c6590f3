"""CORS: which pages elsewhere may use the APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import ConfigError
from bindpost.server.passwords import Plain
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.access import Access
from bindpost.server.web.app import create_app
from bindpost.server.web.origins import Origins
from bindpost.server.web.server import WebServer

from .conftest import Deliver
from .websocket import WebSocketClient

APP = "https://app.example:8443"
TOKEN = "a-token-of-the-tests"

Ask = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def ask(store: MemoryStore) -> Ask:
    """Give a function that makes a client of an app with these origins listed."""

    @asynccontextmanager
    async def ask(*origins: str, access: Access | None = None) -> AsyncIterator[httpx.AsyncClient]:
        listed = Origins(origins)
        app = create_app(store, ready=lambda: True, version="1", origins=listed, access=access)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as http:
            yield http

    return ask


@pytest.mark.parametrize(
    ("listed", "origin", "status"),
    [
        ((), "http://localhost:8025", 200),
        ((), APP, 403),
        ((APP,), APP, 200),
        ((f"{APP}/",), "https://APP.example:8443", 200),
        (("app.example:8443",), APP, 200),
        (("*",), APP, 200),
        ((APP,), "http://localhost:8025", 200),
        ((APP,), "http://app.example:8443", 403),
        ((APP,), "https://app.example", 403),
        ((APP,), "https://app.example:8443.evil.example", 403),
        ((APP,), "https://evil.example", 403),
        ((APP,), "null", 403),
        (("*",), "null", 403),
        (("*",), "", 403),
        (("*",), "https://[", 403),
    ],
)
async def test_an_origin_is_the_host_or_listed(
    ask: Ask, listed: tuple[str, ...], origin: str, status: int
) -> None:
    """Another origin gets 403 for whatever it asks; HTML mail's frame, `null`, always does."""
    async with ask(*listed) as http:
        for method, path in (("GET", "/api/v1/messages"), ("DELETE", "/api/v1/messages")):
            answer = await http.request(method, path, headers={"Origin": origin}, content=b"{}")
            assert answer.status_code == status, (method, answer.text)


@pytest.mark.parametrize("origin", ["", "https://", "https://a/b", "a b", "https://u@a", "a?b"])
def test_what_is_no_origin_is_told(origin: str) -> None:
    """A line of the settings that could never be an `Origin` ends the start, and says which."""
    with pytest.raises(ConfigError, match=r"web_access\.cors_origins") as caught:
        Origins([APP, origin])

    assert repr(origin) in str(caught.value)


async def test_a_listed_page_may_read_the_answers(ask: Ask, deliver: Deliver) -> None:
    """The answer names the origin, so the browser gives it to the page; errors, too."""
    await deliver()
    async with ask(APP) as http:
        for path in ("/api/v1/messages", "/api/bindpost/v1/messages", "/api/v1/message/absent"):
            answer = await http.get(path, headers={"Origin": APP})
            assert answer.headers["access-control-allow-origin"] == APP
            assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers
        page = await http.get("/", headers={"Origin": APP})
        own = await http.get("/api/v1/messages", headers={"Origin": "http://localhost:8025"})

    assert "access-control-allow-origin" not in page.headers, "pages are for people"
    assert "access-control-allow-origin" not in own.headers


async def test_a_browser_asks_before_it_writes(ask: Ask) -> None:
    """OPTIONS is answered with 200, nothing, and what is allowed; no login is needed for that."""
    access = Access(tokens=(Plain.make(TOKEN),))
    headers = {
        "Origin": APP,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    async with ask(APP, access=access) as http:
        asked = await http.options("/api/v1/messages", headers=headers)
        refused = await http.options(
            "/api/v1/messages", headers={**headers, "Origin": "https://evil.example"}
        )
        without = await http.delete("/api/v1/messages", headers={"Origin": APP})
        done = await http.request(
            "DELETE",
            "/api/v1/messages",
            content=b"{}",
            headers={"Origin": APP, "Authorization": f"Bearer {TOKEN}"},
        )

    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["access-control-allow-origin"] == APP
    assert "DELETE" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-headers"] == "*, Authorization"
    assert refused.status_code == 403
    assert (without.status_code, done.status_code) == (401, 200)
    assert without.headers["access-control-allow-origin"] == APP


async def test_without_a_list_nothing_is_asked(ask: Ask) -> None:
    """Where no origin is listed, OPTIONS is a method like any other that isn't there."""
    async with ask() as http:
        assert (await http.options("/api/v1/messages")).status_code == 405


@pytest.mark.parametrize(
    ("origin", "refused"), [(APP, None), ("http://evil.example", 403), ("null", 403)]
)
async def test_web_sockets_have_the_same_rule(
    store: MemoryStore, origin: str, refused: int | None
) -> None:
    """A page that is listed may follow the events, another may not."""
    app = create_app(store, ready=lambda: True, version="1", origins=Origins([APP]))
    server = WebServer(Endpoint.parse("127.0.0.1:0"))
    await server.bind()
    await server.serve(app)
    try:
        port = server.address.port
        assert port is not None
        async with WebSocketClient(port, "/api/events", origin=origin) as client:
            assert client.refused == refused
            if refused is None:
                assert await client.frame_of("stats")
    finally:
        await server.stop()
