"""MailHog's API, as far as it is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import Compatibility, create_app
from bindpost.server.web.mailhog import PAGE_BYTES
from bindpost.server.web.server import WebServer

from .websocket import WebSocketClient

Deliver = Callable[..., Awaitable[MessageRow]]
RAW = (
    b"From: Jane <jane@example.com>\r\nSubject: =?utf-8?q?=41?=\r\nX-Two: a\r\nX-Two: b\r\n"
    b"Content-Type: multipart/mixed; boundary=o\r\n\r\n"
    b"--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
    b"--i\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\n"
    b"--o\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"AAE=\r\n--o--\r\n"
)


@pytest.fixture
async def row(deliver: Deliver) -> MessageRow:
    """Keep a message of several parts."""
    return await deliver(RAW, to=("bob@example.com", "carol"), sender="bounces@example.com")


async def test_a_message_has_exactly_mailhogs_fields(
    http: httpx.AsyncClient, row: MessageRow
) -> None:
    """Envelope, header and bodies as they came, and the parts as a tree."""
    message = (await http.get(f"/api/v1/messages/{row.id}")).json()

    created = message.pop("Created")
    assert created.startswith(row.received.isoformat()[:19])
    body = RAW.partition(b"\r\n\r\n")[2].decode()
    headers = {
        "From": ["Jane <jane@example.com>"],
        "Subject": ["=?utf-8?q?=41?="],
        "X-Two": ["a", "b"],
        "Content-Type": ["multipart/mixed; boundary=o"],
    }
    inner = "--i\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--"
    assert message == {
        "ID": row.id,
        "From": {"Relays": None, "Mailbox": "bounces", "Domain": "example.com", "Params": ""},
        "To": [
            {"Relays": None, "Mailbox": "bob", "Domain": "example.com", "Params": ""},
            {"Relays": None, "Mailbox": "carol", "Domain": "", "Params": ""},
        ],
        "Content": {"Headers": headers, "Body": body, "Size": len(body), "MIME": None},
        "MIME": {
            "Parts": [
                {
                    "Headers": {"Content-Type": ["multipart/alternative; boundary=i"]},
                    "Body": inner,
                    "Size": len(inner),
                    "MIME": {
                        "Parts": [
                            {"Headers": {}, "Body": "plain", "Size": 5, "MIME": None},
                            {
                                "Headers": {"Content-Type": ["text/html"]},
                                "Body": "<p>",
                                "Size": 3,
                                "MIME": None,
                            },
                        ]
                    },
                },
                {
                    "Headers": {
                        "Content-Type": ["application/pdf; name=a.pdf"],
                        "Content-Transfer-Encoding": ["base64"],
                    },
                    "Body": "AAE=",
                    "Size": 4,
                    "MIME": None,
                },
            ]
        },
        "Raw": {
            "From": "bounces@example.com",
            "To": ["bob@example.com", "carol"],
            "Data": RAW.decode(),
            "Helo": "client.example",
        },
    }


async def test_lists_are_newest_first_and_page(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """start and limit cut the list; total is all."""
    rows = [await deliver() for _ in range(4)]

    page = (await http.get("/api/v2/messages?start=1&limit=2")).json()

    assert [item["ID"] for item in page["items"]] == [rows[2].id, rows[1].id]
    assert (page["total"], page["count"], page["start"]) == (4, 2, 1)
    assert (await http.get("/api/v2/messages?limit=0")).json()["count"] == 0


async def test_a_page_of_large_messages_ends_early(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Messages are given whole, so a page ends when it is large enough."""
    for _ in range(3):
        await deliver(b"\r\n" + b"x" * (PAGE_BYTES // 2))

    page = (await http.get("/api/v2/messages")).json()

    assert (page["total"], page["count"], len(page["items"])) == (3, 1, 1)


@pytest.mark.parametrize(
    ("kind", "query", "total"),
    [
        ("from", "BOUNCES@", 1),
        ("from", "jane@example", 1),
        ("from", "bob@", 0),
        ("to", "carol", 1),
        ("to", "jane", 0),
        ("containing", "aae=", 1),
        ("containing", "X-TWO: A", 1),
        ("containing", "grüße", 0),
    ],
)
async def test_a_search_looks_where_mailhog_looks(
    http: httpx.AsyncClient, row: MessageRow, kind: str, query: str, total: int
) -> None:
    """Envelope and header for addresses, the bytes as they came for anything else."""
    found = await http.get("/api/v2/search", params={"kind": kind, "query": query})

    assert found.json()["total"] == total


@pytest.mark.parametrize("query", ["", "?kind=from", "?kind=x&query=y", "?kind=to&query="])
async def test_a_bad_search_is_refused(http: httpx.AsyncClient, query: str) -> None:
    """A kind that there isn't, and an empty query, give 400."""
    assert (await http.get(f"/api/v2/search{query}")).status_code == 400


async def test_a_message_is_deleted(
    http: httpx.AsyncClient, row: MessageRow, store: MemoryStore
) -> None:
    """DELETE takes one message, and answers without a body."""
    response = await http.delete(f"/api/v1/messages/{row.id}")

    assert (response.status_code, response.content) == (200, b"")
    assert (await store.count()).total == 0
    assert (await http.delete(f"/api/v1/messages/{row.id}")).status_code == 404


async def test_messages_and_parts_are_files(http: httpx.AsyncClient, row: MessageRow) -> None:
    """A message comes as message/rfc822, a part decoded and counted from 0."""
    whole = await http.get(f"/api/v1/messages/{row.id}/download")
    part = await http.get(f"/api/v1/messages/{row.id}/mime/part/1/download")

    assert (whole.content, whole.headers["content-type"]) == (RAW, "message/rfc822")
    assert whole.headers["content-disposition"] == f'attachment; filename="{row.id}.eml"'
    assert (part.content, part.headers["content-type"]) == (b"\x00\x01", "application/pdf")
    assert part.headers["content-disposition"].startswith('attachment; filename="a.pdf"')
    for number in ("0", "7", "x"):
        missing = await http.get(f"/api/v1/messages/{row.id}/mime/part/{number}/download")
        assert missing.status_code == 404


@pytest.mark.parametrize("rest", ["", "/download", "/mime/part/0/download"])
@pytest.mark.parametrize("message_id", ["x", "..%2f..%2fetc%2fpasswd", "%00", "%0d%0aX-Evil:1"])
async def test_an_unknown_id_is_not_found(
    http: httpx.AsyncClient, message_id: str, rest: str
) -> None:
    """What is no message's id gives 404, and reaches no header and no file."""
    response = await http.get(f"/api/v1/messages/{message_id}{rest}")

    assert response.status_code == 404
    assert "x-evil" not in response.headers


async def test_no_server_is_saved(http: httpx.AsyncClient) -> None:
    """There are no servers saved for releases."""
    assert (await http.get("/api/v2/outgoing-smtp")).json() == {}


async def test_deleting_all_is_answered_for_mailhogs_clients(
    store: MemoryStore, deliver: Deliver
) -> None:
    """With the switch, a DELETE without a body deletes all; without Accept its answer is empty."""
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        compatibility=Compatibility(delete_without_body=True),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await deliver()
        mailpits = await client.delete("/api/v1/messages")
        await deliver()
        del client.headers["accept"]
        mailhogs = await client.delete("/api/v1/messages")
        await deliver()
        form = await client.request("DELETE", "/api/v1/messages", content=b"ids=1")

    assert (mailpits.text, mailhogs.text, form.text) == ("ok", "", "ok")
    assert (await store.count()).total == 0


@pytest.fixture
async def port(store: MemoryStore) -> AsyncIterator[int]:
    """Give the port of a server."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(create_app(store, ready=lambda: True, version="1"))
    yield server.address.port
    await server.stop()


async def test_the_websocket_tells_new_messages(
    port: int, deliver: Deliver, store: MemoryStore
) -> None:
    """Each new message is a frame; other changes are not."""
    async with WebSocketClient(port, "/api/v2/websocket") as client:
        first = await deliver()
        assert (await client.frame())["ID"] == first.id
        await store.delete([first.id])
        second = await deliver()
        assert (await client.frame())["ID"] == second.id


async def test_the_stream_tells_new_messages_until_the_end(
    store: MemoryStore, deliver: Deliver
) -> None:
    """Each new message is a server-sent event; the stream ends when the server does."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(create_app(store, ready=lambda: True, version="1"))
    async with (
        httpx.AsyncClient(base_url=server.url, trust_env=False) as client,
        client.stream("GET", "/api/v1/events") as response,
    ):
        lines = response.aiter_lines()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert await anext(lines) == ": here"
        row = await deliver()
        while not (line := await anext(lines)).startswith("data: "):
            pass
        assert json.loads(line.removeprefix("data: "))["ID"] == row.id
        stopping = asyncio.create_task(server.stop())
        assert [line async for line in lines if line] == []
        await stopping
