"""
Mailboxes through the web side: each shows its own mail and nothing else.

Isolation is a matter of security, so one test goes over every route that there is.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Mailbox, WebAccess
from bindpost.errors import ConfigError
from bindpost.server.activity import Activity, Refusal
from bindpost.server.eventlog import FORMATS
from bindpost.server.mailboxes import Mailboxes
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.access import Access
from bindpost.server.web.app import create_app
from bindpost.server.web.checking import OFF
from bindpost.server.web.server import WebServer

from .conftest import Desk
from .websocket import WebSocketClient

Deliver = Callable[..., Awaitable[MessageRow]]
API = "/api/bindpost/v1"
TOKEN = "token-of-the-mailbox-a"
TABLES = (
    Mailbox(name="a", domains=("a.example",), users="a", tokens="a-tokens"),
    Mailbox(name="b", domains=("b.example",), users="b"),
    Mailbox(name="ci-*", plus_tags=("ci-*",)),
)
SECRET = "kLm7x"
"""Is in every part of the mail for b, and is asked for in another case, so an echo is no leak."""
ASKED = SECRET.upper()
LEAK = re.compile(rf"{SECRET}|b\.example")
MAIL_FOR_B = f"""\
From: {SECRET}-sender@x.example
To: you@b.example
Subject: {SECRET} subject
X-Tags: {SECRET}-Tag
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: text/html

<p>{SECRET} <a href='https://{SECRET}.example/'>x</a>
--o
Content-Type: image/png; name={SECRET}.png

{SECRET} bytes
--o--
""".replace("\n", "\r\n").encode()
ROUTES_ABOUT_THE_SERVER = {
    *(f"{API}/{name}" for name in ("events", "listeners", "nodes", "paths", "webhooks", "import")),
    f"{API}/inbox",
    *(f"{API}/events/{name}" for name in ("stream", "export", "{cursor}")),
    *(f"{API}/listeners/{{number}}/rebind", f"{API}/messages/{{id}}/release"),
    *("/api/v1/message/{id}/release", "/api/v1/messages/{id}/release"),
    f"{API}/search-index",
    *(f"{API}/scenarios", f"{API}/scenarios/stream", f"{API}/scenarios/{{name}}"),
    *(f"{API}/scenarios/{{name}}/{verb}" for verb in ("run", "stop", "report")),
    *("/events", "/events/{cursor}", "/path", "/metrics"),
    *(f"/path/{{name}}{verb}" for verb in ("", "/run", "/stop")),
    *(f"/faults{verb}" for verb in ("", "/use", "/remove", "/reset")),
    *(f"{API}/faults{rest}" for rest in ("", "/log", "/reset", "/authority", "/presets")),
    *(f"{API}/faults/presets/{{name}}", f"{API}/faults/{{name}}"),
    *("/api/v1/chaos", "/api/v2/jim"),
}


def basic(name: str) -> dict[str, str]:
    """Give the header that logs a user in, whose password is the name twice."""
    pair = base64.b64encode(f"{name}:{name}{name}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


@pytest.fixture
def mailboxes(tmp_path: Path) -> Mailboxes:
    """Give two mailboxes with a user each, and those that plus-tags make."""
    (tmp_path / "a").write_text("anna:annaanna\n", "utf-8")
    (tmp_path / "b").write_text("bert:bertbert\n", "utf-8")
    (tmp_path / "a-tokens").write_text(f"{TOKEN}\n", "utf-8")
    (tmp_path / "all").write_text("root:rootroot\n", "utf-8")
    return Mailboxes.load(TABLES, folder=tmp_path)


@pytest.fixture
async def store(mailboxes: Mailboxes) -> AsyncIterator[MemoryStore]:
    """Give an empty store with these mailboxes."""
    store = MemoryStore(sort=mailboxes.of)
    yield store
    await store.close()


@pytest.fixture
def activity() -> Activity:
    """Give what SMTP would tell."""
    return Activity()


@pytest.fixture
def app(
    store: MemoryStore,
    kept: MemoryEventStore,
    desk: Desk,
    tmp_path: Path,
    mailboxes: Mailboxes,
    activity: Activity,
) -> Starlette:
    """Give the app with all its routes, behind a login."""
    access = Access.load(WebAccess(users="all"), folder=tmp_path, keys=mailboxes.keys)
    return create_app(
        store,
        ready=lambda: True,
        version="1",
        access=access,
        mailboxes=mailboxes,
        listeners=desk,
        activity=activity,
        events=kept,
        exports=FORMATS,
    )


@dataclass(frozen=True)
class Ids:
    """Ids of a message for a, and of one for b."""

    a: str
    b: str


@pytest.fixture
async def ids(deliver: Deliver) -> Ids:
    """Keep mail for both."""
    a = await deliver(b"Subject: for a\r\nX-Tags: open\r\n\r\nHi.\r\n", to=("me@a.example",))
    b = await deliver(MAIL_FOR_B, to=("you@b.example", f"{SECRET}@b.example"))
    return Ids(a.id, b.id)


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client without a login."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


def requests(routes: list[BaseRoute], ids: Ids) -> Iterator[tuple[str, str, object]]:
    """Give every request that a route takes, with what might lead to b's message, and a body."""
    bodies: list[object] = [
        {"ids": [ids.b]},
        {"ids": [ids.b], "read": True},
        {"ids": [ids.b], "tags": ["stolen"]},
        {"name": "stolen"},
        {"search": f"subject:{ASKED}", "read": True},
        {"all": True},
        {"all": True, "read": True},
        {"to": ["x@x.example"]},
        {},
        None,
    ]
    for route in routes:
        if isinstance(route, WebSocketRoute | Mount):
            continue
        assert isinstance(route, Route)
        for message in (ids.b, "latest"):
            values = {
                "id": message,
                "tag": f"{ASKED}-Tag",
                "part": "2",
                "number": "0",
                "cursor": "2",
                "name": "q203116",
            }
            path = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], route.path)  # noqa: B023
            if "{id}" not in route.path and message == "latest":
                continue
            found = ["query={}", "q={}", "kind=containing&query={}", "subject={}"]
            searches = ["", "?after=0", *("?" + one.format(ASKED) for one in found)]
            for method in sorted((route.methods or set()) - {"HEAD"}):
                is_reading = method == "GET"
                for body in [None] if is_reading else bodies:
                    for search in searches if is_reading else ["", f"?query=subject:{ASKED}"]:
                        yield method, path + search, body


async def test_no_route_shows_or_touches_another_s_mail(
    app: Starlette, http: httpx.AsyncClient, store: MemoryStore, ids: Ids
) -> None:
    """Whatever a's user asks, sends or deletes, nothing of b comes out, and b stays as it is."""
    app.state.stopping.set()  # so that streams and waits end at once
    tried = list(requests(app.routes, ids))
    reading = [path for method, path, _ in tried if method == "GET"]
    whole = [await http.get(path, headers=basic("root")) for path in reading]
    assert len([answer for answer in whole if LEAK.search(answer.text)]) > 50  # or all is in vain
    before = await store.get(ids.b, mailbox="b")

    for method, path, body in tried:
        answer = await http.request(method, path, json=body, headers=basic("anna"))

        told = f"{answer.headers}{answer.text}".replace(path.partition("?")[0], "")
        assert not LEAK.search(told), (method, path, body)
        assert ids.b not in told or ids.b in str(body), (method, path, body)

    assert await store.get(ids.b, mailbox="b") == before
    assert await store.tags(mailbox="b") == {f"{SECRET}-Tag": 1}
    assert await store.raw(ids.b) == MAIL_FOR_B


async def test_what_is_about_the_server_is_refused(
    app: Starlette, http: httpx.AsyncClient, ids: Ids
) -> None:
    """What tells of the whole server, imports and releases are 403 for a mailbox's user."""
    app.state.stopping.set()
    refused = set()
    for route in app.routes:
        if not isinstance(route, Route):
            continue
        path = re.sub(r"\{\w+\}", "1", route.path).replace("/1/", f"/{ids.a}/")
        for method in (route.methods or set()) - {"HEAD"}:
            answer = await http.request(method, path, headers=basic("anna"))
            if answer.status_code == 403 and answer.text != OFF:  # no links are asked for here
                refused.add(route.path)
                assert "about the whole server" in answer.text

    assert refused == ROUTES_ABOUT_THE_SERVER


async def test_streams_tell_of_their_mailbox_only(
    app: Starlette, deliver: Deliver, activity: Activity
) -> None:
    """Streams, WebSockets and waits of a's user pass b's mail and the server's refusals over."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    login, ready = basic("anna"), asyncio.Barrier(6)
    paths = [f"{API}/stream", "/api/v1/events", f"{API}/wait?subject=for", f"{API}/stream?after=0"]

    async def read(path: str) -> str:
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=20, headers=login) as client,
            client.stream("GET", path) as response,
        ):
            text = ""
            if "/wait" not in path:  # which has no beginning to be heard
                await ready.wait()
            async for piece in response.aiter_text():
                text += piece
                if "for a" in text:
                    break
            return text

    async def listen(path: str) -> str:
        async with WebSocketClient(
            server.address.port, path, authorization=login["Authorization"]
        ) as client:
            text = ""
            await ready.wait()
            while "for a" not in text:
                text += str(await client.frame())
            return text

    try:
        async with asyncio.timeout(20):
            reading = [asyncio.create_task(read(path)) for path in paths]
            reading += [
                asyncio.create_task(listen(path)) for path in ("/api/events", "/api/v2/websocket")
            ]
            await ready.wait()
            for _ in range(3):
                activity.refuse(Refusal(550, "10.0.0.9", f"550 {SECRET}@b.example: no"))
                await deliver(MAIL_FOR_B, to=("you@b.example",))
            await deliver(b"Subject: for a\r\n\r\n", to=("me@a.example",))
            told = await asyncio.gather(*reading)
    finally:
        await server.stop()

    assert all("for a" in text for text in told)
    assert not [text for text in told if LEAK.search(text) or "10.0.0.9" in text]


@pytest.mark.parametrize("headers", [basic("anna"), {"Authorization": f"Bearer {TOKEN}"}])
async def test_a_login_picks_its_mailbox(
    http: httpx.AsyncClient, ids: Ids, headers: dict[str, str]
) -> None:
    """The user and the token of a mailbox see its mail in each API, and no other mailbox."""
    own = (await http.get(f"{API}/messages", headers=headers)).json()["messages"]
    mailpit = (await http.get("/api/v1/messages", headers=headers)).json()
    mailhog = (await http.get("/api/v2/messages", headers=headers)).json()

    assert [one["id"] for one in own] == [ids.a]
    assert [one["mailboxes"] for one in own] == [["a"]]
    assert (mailpit["total"], mailpit["tags"]) == (1, ["open"])
    assert mailhog["total"] == 1
    for path in ("/?mailbox=b", "/mailbox/b/", f"{API}/messages?mailbox=ci-1"):
        answer = await http.get(path, headers=headers)
        assert (answer.status_code, answer.text) == (403, "Your login is for the mailbox 'a' only.")
    for path in ("/?mailbox=a", "/?mailbox=", "/mailbox/A/api/v1/info?mailbox=a"):
        assert (await http.get(path, headers=headers)).status_code == 200


async def test_a_wrong_password_opens_nothing(http: httpx.AsyncClient, ids: Ids) -> None:
    """A mailbox's user needs the password, and without a login there is none."""
    wrong = {"Authorization": "Basic " + base64.b64encode(b"anna:bertbert").decode()}

    assert (await http.get("/", headers=wrong)).status_code == 401
    assert (await http.get("/mailbox/a/")).status_code == 401


@pytest.mark.parametrize("path", ["/mailbox/b{}", "/mailbox/B{}", "{}?mailbox=b"])
async def test_who_sees_all_chooses(
    http: httpx.AsyncClient, store: MemoryStore, ids: Ids, path: str
) -> None:
    """By a parameter or in front of the path, with Mailpit's API as with our own."""
    root = basic("root")
    found = (await http.get(path.format("/api/v1/messages"), headers=root)).json()
    assert [one["ID"] for one in found["messages"]] == [ids.b]
    one = await http.get(path.format(f"{API}/messages/{ids.a}"), headers=root)
    assert one.status_code == 404

    body = {"all": True}
    gone = await http.request("DELETE", path.format(f"{API}/messages"), json=body, headers=root)

    assert gone.json() == {"deleted": 1, "unknown": []}
    assert [row.id for row in await store.find()] == [ids.a]


async def test_without_a_choice_all_is_seen(http: httpx.AsyncClient, ids: Ids) -> None:
    """Who sees everything sees the whole inbox, and in which mailboxes each message is."""
    found = (await http.get(f"{API}/messages", headers=basic("root"))).json()["messages"]

    assert [one["mailboxes"] for one in found] == [["b"], ["a"]]


async def test_an_empty_name_is_not_the_whole(
    http: httpx.AsyncClient, store: MemoryStore, ids: Ids
) -> None:
    """A script that forgot to set its mailbox deletes nothing; only the page's form may say so."""
    for path in (f"{API}/messages?mailbox=", f"/mailbox/{API}/messages"):
        answer = await http.request("DELETE", path, json={"all": True}, headers=basic("root"))
        assert answer.status_code == 404
    own = await http.request("DELETE", f"{API}/messages?mailbox=", headers=basic("anna"))
    assert own.status_code == 403
    assert (await store.count()).total == 2
    assert (await http.get("/?mailbox=", headers=basic("root"))).status_code == 200


@pytest.mark.parametrize("name", ["c", "ci-", "../a", "a/b", "%00", "a" * 101, "\u00e4"])
async def test_a_mailbox_that_can_t_be_is_told(http: httpx.AsyncClient, name: str) -> None:
    """A name that is none, or that no rule makes, is 404 and no empty inbox."""
    for path in ("/api/v1/messages", f"{API}/messages", "/"):
        answer = await http.get(path, params={"mailbox": name}, headers=basic("root"))

        assert answer.status_code == 404
        assert "There is no mailbox" in answer.text


async def test_two_names_are_one_too_many(http: httpx.AsyncClient) -> None:
    """A request means one mailbox."""
    answer = await http.get("/mailbox/a/?mailbox=b", headers=basic("root"))

    assert answer.status_code == 400


async def test_a_mailbox_may_be_waited_for(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """One that a plus-tag makes can be asked before its first message is there."""
    path = f"/mailbox/ci-7{API}/wait?timeout=10"
    waiting = asyncio.create_task(http.get(path, headers=basic("root")))
    await asyncio.sleep(0)
    await deliver(to=("you+ci-8@x.example",))

    row = await deliver(to=("you+ci-7@x.example",))

    assert (await waiting).json()["id"] == row.id


async def test_a_websocket_may_name_its_mailbox(app: Starlette, deliver: Deliver) -> None:
    """In front of its path, as for any request; one for a mailbox that can't be is refused."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    port, login = server.address.port, basic("root")["Authorization"]
    try:
        async with WebSocketClient(port, "/mailbox/a/api/events", authorization=login) as client:
            await client.frame_of("stats")
            await deliver(MAIL_FOR_B, to=("you@b.example",))
            row = await deliver(to=("me@a.example",))
            assert (await client.frame_of("new"))["ID"] == row.id
        async with WebSocketClient(port, "/mailbox/c/api/events", authorization=login) as client:
            assert client.refused == 404
    finally:
        await server.stop()


async def test_mailboxes_are_listed(http: httpx.AsyncClient, ids: Ids, deliver: Deliver) -> None:
    """With their counts: all for who sees all, empty ones too; its own for a mailbox's user."""
    row = await deliver(to=("x+ci-7@b.example",))
    path = f"{API}/mailboxes"

    everything = (await http.get(path, headers=basic("root"))).json()["mailboxes"]
    own = (await http.get(path, headers=basic("anna"))).json()["mailboxes"]

    assert [(one["name"], one["total"], one["unread"]) for one in everything] == [
        *(("a", 1, 1), ("b", 2, 2), ("ci-7", 1, 1))
    ]
    assert everything[2]["size"] == row.size
    assert own == everything[:1]


async def test_what_a_user_sends_is_theirs(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """A message that is sent by the API with a mailbox's login is in that mailbox too."""
    mail = {"From": {"Email": "x@y.example"}, "To": [{"Email": "you@b.example"}], "Text": "Hi"}

    sent = await http.post("/api/v1/send", json=mail, headers=basic("anna"))

    row = await store.get(sent.json()["ID"])
    assert row is not None
    assert row.mailboxes == ("a", "b")


async def test_what_is_imported_can_be_put_in(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """Who sees all can import into a mailbox."""
    path = f"{API}/import?mailbox=ci-9"

    done = await http.post(path, content=b"To: you@b.example\r\n\r\n", headers=basic("root"))

    assert done.status_code == 201
    row = await store.get(done.json()["id"])
    assert row is not None
    assert row.mailboxes == ("b", "ci-9")


async def test_the_page_shows_where_one_is(http: httpx.AsyncClient, ids: Ids) -> None:
    """Who sees all gets a choice, kept in all links; a mailbox's user gets its name and no more."""
    everything = (await http.get("/", headers=basic("root"))).text
    chosen = (await http.get("/?mailbox=b", headers=basic("root"))).text
    own = (await http.get("/", headers=basic("anna"))).text

    assert '<option value="b">b (1)</option>' in everything
    assert "mailbox=" not in everything
    assert '<option value="b" selected>' in chosen
    assert f'/view/{ids.b}?mailbox=b"' in chosen
    assert "for a" not in chosen
    assert "<option" not in own
    assert "<bdi>a</bdi>" in own
    assert 'href="/path"' not in own
    assert 'href="/events"' not in own


async def test_the_newest_of_a_mailbox_is_found(http: httpx.AsyncClient, ids: Ids) -> None:
    """`/view/latest` leads to the newest message of the mailbox, and stays there."""
    answer = await http.get("/view/latest?mailbox=a", headers=basic("root"))

    assert answer.headers["location"] == f"/view/{ids.a}?mailbox=a"


async def test_a_page_without_mailboxes_has_no_choice(deliver: Deliver) -> None:
    """Where there are no mailboxes, nothing tells of any."""
    app = create_app(MemoryStore(), ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        page = (await client.get("/")).text

    assert "mailbox" not in page.lower().replace("mailbox-name", "")


def test_one_name_is_one_user(tmp_path: Path, mailboxes: Mailboxes) -> None:
    """A user of a mailbox can't be one who sees everything, in whatever case."""
    (tmp_path / "all").write_text("Anna:x\n", "utf-8")

    with pytest.raises(ConfigError, match="user of the mailbox 'a' too"):
        Access.load(WebAccess(users="all"), folder=tmp_path, keys=mailboxes.keys)


def test_one_token_is_one_login(tmp_path: Path, mailboxes: Mailboxes) -> None:
    """A token of a mailbox can't open everything."""
    with pytest.raises(ConfigError, match="opens a mailbox too"):
        Access.load(WebAccess(tokens="a-tokens"), folder=tmp_path, keys=mailboxes.keys)
