"""Credentials: on every route and WebSocket, good and bad ones, and that none gets out."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from bindpost import events
from bindpost.config.model import WebAccess
from bindpost.errors import ConfigError
from bindpost.server.eventlog import FORMATS
from bindpost.server.password_files import hash_line
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.web.access import Access
from bindpost.server.web.app import create_app
from bindpost.server.web.attempts import BURST, Attempts
from bindpost.server.web.authentication import Authentication
from bindpost.testing.logged import all_said

from .conftest import Desk

NAME, PASSWORD = "jane", "pässword:with colon"
HASHED, HASHED_PASSWORD = "bob", "another-password"
TOKEN = "0123456789abcdef-token"
SECRETS = (PASSWORD, HASHED_PASSWORD, TOKEN)


def basic(name: str, password: str) -> str:
    """Give the Authorization field of a name and a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


GOOD = [basic(NAME, PASSWORD), basic(HASHED, HASHED_PASSWORD), f"Bearer {TOKEN}", f"bearer {TOKEN}"]
BAD = [
    *(basic(NAME, "wrong"), basic(NAME, ""), basic("nobody", PASSWORD), basic("", "")),
    *(basic(HASHED, "wrong"), basic(NAME.upper(), PASSWORD), "Basic", "Basic ?", "Basic /w=="),
    *(f"Bearer {TOKEN}x", "Bearer", "Bearer " + "x" * 5000, f"Digest {TOKEN}", TOKEN, ""),
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the files of users and tokens."""
    folder = tmp_path_factory.mktemp("access")
    users = f"# people\n\n{NAME}:{PASSWORD}\n{hash_line(HASHED, HASHED_PASSWORD)}\n"
    (folder / "users").write_text(users, "utf-8")
    (folder / "tokens").write_text(f"# programs\n{TOKEN}\n", "utf-8")
    return folder


@pytest.fixture
def app(store: MemoryStore, kept: MemoryEventStore, desk: Desk, folder: Path) -> Starlette:
    """Give the app with all its routes, and a WebSocket, behind a login."""
    access = Access.load(WebAccess(users="users", tokens="tokens"), folder=folder)
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        access=access,
        listeners=desk,
        events=kept,
        exports=FORMATS,
    )

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    app.router.routes.append(WebSocketRoute("/socket", socket))
    app.state.stopping.set()  # so that a stream ends at once
    return app


@pytest.fixture
def client(app: Starlette) -> Callable[[str], httpx.AsyncClient]:
    """Give a function that makes a client at an address of its own."""

    def make(address: str = "127.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, client=(address, 5))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    return make


def requests(app: Starlette) -> Iterator[tuple[str, str]]:
    """Give method and path of each route that wants a login."""
    for route in app.routes:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/style.css"
        elif isinstance(route, Route) and route.path not in ("/livez", "/readyz"):
            for method in sorted(route.methods or ()):
                yield method, re.sub(r"\{[^}]*\}", "1", route.path)


async def test_every_route_wants_a_login(
    app: Starlette, client: Callable[[str], httpx.AsyncClient]
) -> None:
    """Whatever the route, without credentials there is 401 and nothing else, with them there is."""
    tried = [*requests(app), ("GET", "/nothing"), ("GET", "//api/v1/messages"), ("PUT", "/livez/x")]
    assert len(tried) > 20
    for method, path in tried:
        async with client("127.0.0.1") as http:
            without = await http.request(method, f"http://localhost{path}")
            good = await http.request(
                method, f"http://localhost{path}", headers={"Authorization": GOOD[2]}, timeout=5
            )

        assert without.status_code == 401, (method, path)
        assert good.status_code != 401, (method, path)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "//livez"])
async def test_health_is_open(client: Callable[[str], httpx.AsyncClient], path: str) -> None:
    """Who watches the server needs no login, and a wrong one doesn't hurt."""
    async with client("127.0.0.1") as http:
        for headers in ({}, {"Authorization": BAD[0]}):
            response = await http.get(f"http://localhost{path}", headers=headers)
            assert response.status_code == 200


@pytest.mark.parametrize("authorization", GOOD)
async def test_good_credentials_are_taken(
    client: Callable[[str], httpx.AsyncClient], authorization: str
) -> None:
    """Users, hashed or not, and tokens get in, the second time too."""
    async with client("127.0.0.1") as http:
        for _ in range(2):
            response = await http.get("/", headers={"Authorization": authorization})
            assert response.status_code == 200


@pytest.mark.parametrize("authorization", BAD)
async def test_bad_credentials_are_refused(
    client: Callable[[str], httpx.AsyncClient], authorization: str
) -> None:
    """Each gets 401 that says what is wanted, an event, and appears nowhere."""
    with all_said() as logs:
        async with client("127.0.0.1") as http:
            response = await http.get("/", headers={"Authorization": authorization})

    assert response.status_code == 401
    assert response.headers.get_list("www-authenticate") == [
        'Basic realm="bindpost", charset="UTF-8"',
        'Bearer realm="bindpost"',
    ]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert [log["event"] for log in logs] == [events.WEB_LOGIN_FAILED]
    given = authorization.partition(" ")[2]
    for secret in (*SECRETS, given, authorization):
        told = f"{logs}{response.text}{response.headers}"
        assert len(secret) < 8 or secret not in told


async def test_the_user_is_told_only_if_there_is_one(
    client: Callable[[str], httpx.AsyncClient],
) -> None:
    """A password in the name's place isn't logged."""
    with all_said() as logs:
        async with client("127.0.0.1") as http:
            await http.get("/", headers={"Authorization": basic(NAME, "mistyped-secret")})
            await http.get("/", headers={"Authorization": basic("mistyped-secret", NAME)})

    assert "mistyped-secret" not in str(logs)
    assert [log.get("user") for log in logs] == [NAME, None]


async def test_two_authorization_fields_are_refused(
    client: Callable[[str], httpx.AsyncClient],
) -> None:
    """A proxy in front may have looked at the other one."""
    async with client("127.0.0.1") as http:
        headers = [("Authorization", GOOD[2]), ("Authorization", GOOD[2])]
        assert (await http.get("/", headers=headers)).status_code == 401


async def test_who_fails_too_often_has_to_wait(
    client: Callable[[str], httpx.AsyncClient],
) -> None:
    """The address gets 429 for good credentials too; other addresses don't notice."""
    async with client("192.0.2.1") as http, client("192.0.2.2") as other:
        with all_said() as logs:
            for _ in range(BURST):
                assert (await http.get("/", headers={"Authorization": BAD[0]})).status_code == 401
        limited = await http.get("/", headers={"Authorization": GOOD[0]})
        without = await http.get("/")
        elsewhere = await other.get("/", headers={"Authorization": GOOD[0]})

    assert (limited.status_code, without.status_code, elsewhere.status_code) == (429, 401, 200)
    assert 1 <= int(limited.headers["retry-after"]) <= 6
    told = [log["event"] for log in logs]
    assert told == [*[events.WEB_LOGIN_FAILED] * BURST, events.WEB_LOGIN_LIMITED]


async def test_many_at_once_are_limited_too(folder: Path) -> None:
    """Requests that arrive together get no more tries at a hashed password than one by one."""
    access = Access.load(WebAccess(users="users"), folder=folder)
    # The clock stands: on a slow machine the hashes take so long that tries come back meanwhile.
    app = Authentication(Response("inside"), access=access, attempts=Attempts(lambda: 0.0))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as http:
        answers = await asyncio.gather(
            *(http.get("/", headers={"Authorization": basic(HASHED, f"x{i}")}) for i in range(30))
        )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (BURST, 30 - BURST)


async def test_a_browsers_first_burst_is_let_in(
    client: Callable[[str], httpx.AsyncClient],
) -> None:
    """Many good requests at once, before the hash was ever checked, all get in."""
    async with client("192.0.2.1") as http:
        answers = await asyncio.gather(
            *(http.get("/", headers={"Authorization": GOOD[1]}) for _ in range(30))
        )

    assert {answer.status_code for answer in answers} == {200}


async def connect(
    app: Starlette, authorization: str | None, *, denial: bool, path: str = "/socket"
) -> list[Message]:
    """Open a WebSocket; give what the app sent. With `denial` the server can send an answer."""
    fields = [(b"host", b"localhost")]
    if authorization is not None:
        fields.append((b"authorization", authorization.encode("latin-1")))
    scope: Scope = {
        "type": "websocket",
        "path": path,
        "headers": fields,
        "query_string": b"",
        "client": ("127.0.0.1", 5),
        "extensions": {"websocket.http.response": {}} if denial else {},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("authorization", [None, BAD[0], f"Bearer {TOKEN}x"])
async def test_a_websocket_wants_a_login_too(app: Starlette, authorization: str | None) -> None:
    """It is refused before it is accepted, with 401 where the server can."""
    for path in (route.path for route in app.routes if isinstance(route, WebSocketRoute)):
        closed = await connect(app, authorization, denial=False, path=path)
        denied = await connect(app, authorization, denial=True, path=path)

        assert [(one["type"], one["code"]) for one in closed] == [("websocket.close", 1008)]
        assert denied[0]["type"] == "websocket.http.response.start"
        assert denied[0]["status"] == 401


@pytest.mark.parametrize("authorization", [GOOD[0], GOOD[2]])
async def test_a_websocket_with_a_login_is_accepted(app: Starlette, authorization: str) -> None:
    """Good credentials open it."""
    sent = await connect(app, authorization, denial=True)

    assert sent[0]["type"] == "websocket.accept"


@pytest.mark.parametrize(
    ("which", "text", "told"),
    [
        ("users", "jane", "line 1"),
        ("users", "ok:fine\njane:$scrypt$secret", "line 2"),
        ("users", "jane:secret\njane:secret", "line 2"),
        ("users", ":secret", "line 1"),
        ("users", "# nobody\n", "there is no user"),
        ("tokens", "secret", "line 1"),
        ("tokens", "a secret with spaces\u2028 in it", "line 1"),
        ("tokens", "", "there is no token"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, which: str, text: str, told: str) -> None:
    """The error names key, file and line, and nothing that stands in it."""
    (tmp_path / "file").write_text(text, "utf-8")
    settings = WebAccess(users="file") if which == "users" else WebAccess(tokens="file")

    with pytest.raises(ConfigError) as caught:
        Access.load(settings, folder=tmp_path)

    assert f"web_access.{which}" in str(caught.value)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    """A missing file doesn't leave the server open."""
    with pytest.raises(ConfigError, match="No such file"):
        Access.load(WebAccess(tokens="absent"), folder=tmp_path)


@asynccontextmanager
async def open_client(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app that knows nobody."""
    app = create_app(store, ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def test_without_users_and_tokens_nobody_logs_in(store: MemoryStore) -> None:
    """Credentials that come all the same are passed over."""
    async with open_client(store) as http:
        assert (await http.get("/", headers={"Authorization": BAD[0]})).status_code == 200
