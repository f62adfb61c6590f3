"""The client of a running server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bindpost.client import Client, MessageNotFoundError
from bindpost.config.endpoint import Endpoint
from bindpost.errors import ServerUnreachableError
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

from ..fixtures import memory_store as memory_store
from ..fixtures import web_server as web_server

Deliver = Callable[..., Awaitable[MessageRow]]
PATIENCE = 20.0
"""Seconds for what must come."""


@pytest.fixture
async def client(server: WebServer) -> Client:
    """Give a client of a server over the store."""
    return Client(server.url)


@pytest.fixture
def deliver(store: MemoryStore) -> Deliver:
    """Give a function that puts a message into the store."""

    async def deliver(raw: bytes = b"Subject: Hi\r\n\r\nText", to: str = "b@x") -> MessageRow:
        facts = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
        envelope = Envelope("a@x", (Recipient(to, {"NOTIFY": "NEVER"}),))
        message = Message(new_id(), utc_now(), envelope, facts, raw)
        return await store.add(message, (TranscriptLine(1, "C", "QUIT"),))

    return deliver


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Give the URL of something that answers everything in this way and hangs up."""

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_message_comes_with_all_its_facts(client: Client, deliver: Deliver) -> None:
    """Envelope, session, content and transcript of a message are there, typed."""
    row = await deliver()

    message = await asyncio.to_thread(client.message, row.id)

    assert (message.id, message.cursor, message.size) == (row.id, row.cursor, row.size)
    assert message.received == row.received
    assert (message.subject, message.text, message.html) == ("Hi", "Text", "")
    assert message.envelope.reverse_path == "a@x"
    assert message.envelope.recipients[0].parameters == {"NOTIFY": "NEVER"}
    assert message.session.listener == "127.0.0.1:1025"
    assert [(line.speaker, line.text) for line in message.transcript] == [("C", "QUIT")]


async def test_the_list_is_newest_first(client: Client, deliver: Deliver) -> None:
    """The newest messages come first, no more than asked for."""
    rows = [await deliver() for _ in range(3)]

    messages = await asyncio.to_thread(client.messages, 2)

    assert [message.id for message in messages] == [rows[2].id, rows[1].id]
    assert messages[0].recipients == ("b@x",)


async def test_a_limit_of_zero_lists_all(client: Client, deliver: Deliver) -> None:
    """More messages than the server gives at once are fetched page by page."""
    for _ in range(1_005):
        await deliver(b"")

    assert len(await asyncio.to_thread(client.messages, 0)) == 1_005


async def test_raw_is_exact(client: Client, deliver: Deliver) -> None:
    """Every byte comes as it was received."""
    raw = bytes(range(256)) * 2
    row = await deliver(raw)

    assert await asyncio.to_thread(client.raw, row.id) == raw


async def test_a_wait_gives_the_message(client: Client, deliver: Deliver) -> None:
    """A wait ends with the message that comes."""
    wait = asyncio.create_task(asyncio.to_thread(client.wait, recipient="C@X", timeout=20))
    await deliver()
    row = await deliver(to="c@x")

    message = await wait

    assert message is not None
    assert message.id == row.id


async def test_a_wait_ends_with_none(client: Client, deliver: Deliver) -> None:
    """A wait without a message gives None."""
    row = await deliver()

    found = await asyncio.to_thread(client.wait, after=row.cursor, timeout=0.01)

    assert found is None


async def test_deletion_tells_what_was_unknown(client: Client, deliver: Deliver) -> None:
    """Deleting tells how many went and which ids named none."""
    row = await deliver()

    deleted = await asyncio.to_thread(client.delete, [row.id, "nobody"])

    assert (deleted.deleted, deleted.unknown) == (1, ("nobody",))


async def test_deleting_no_ids_deletes_nothing(
    client: Client, deliver: Deliver, store: MemoryStore
) -> None:
    """An empty list is no wish to delete all."""
    await deliver()

    assert (await asyncio.to_thread(client.delete, [])).deleted == 0
    assert (await store.count()).total == 1


async def test_all_are_deleted_when_asked_for(
    client: Client, deliver: Deliver, store: MemoryStore
) -> None:
    """`delete_all` deletes all."""
    await deliver()
    await deliver()

    assert (await asyncio.to_thread(client.delete_all)).deleted == 2
    assert (await store.count()).total == 0


@pytest.mark.parametrize("message_id", [pytest.param(new_id(), id="new"), "a/../b", "?x", "ü\r\n"])
async def test_an_unknown_message_is_named(client: Client, message_id: str) -> None:
    """An id that names no message raises an error that says so."""
    with pytest.raises(MessageNotFoundError, match="has no message"):
        await asyncio.to_thread(client.message, message_id)


async def test_an_empty_inbox_has_no_latest(client: Client) -> None:
    """`latest` without any mail raises an error that says so."""
    with pytest.raises(MessageNotFoundError, match="has no mail yet"):
        await asyncio.to_thread(client.message, "latest")


@pytest.mark.parametrize(("ready", "said"), [(True, True), (False, False)])
async def test_readiness_is_told(store: MemoryStore, ready: bool, said: bool) -> None:
    """`ready()` is what /readyz says."""
    app = create_app(store, ready=lambda: ready, version="1")
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    try:
        assert await asyncio.to_thread(Client(server.url).ready) is said
    finally:
        await server.stop()


async def test_no_server_is_told_with_what_to_do(client: Client) -> None:
    """Without a server the error says what was asked, where, why, and what to do."""
    async with answering(b"") as url:
        pass  # its port is closed now

    with pytest.raises(ServerUnreachableError) as caught:
        await asyncio.to_thread(Client(url).ready)

    sentence = str(caught.value)
    for expected in (url, "/readyz", "Connection refused", "bindpost serve", "--server URL"):
        assert expected in sentence


async def test_no_socket_is_told(tmp_path: Path) -> None:
    """A Unix socket that isn't there is told in the same way."""
    with pytest.raises(ServerUnreachableError, match="No such file"):
        await asyncio.to_thread(Client(f"unix:{tmp_path}/none").ready)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"220 mail.example ESMTP\r\n", "220 mail.example"),
        (b"", "closed connection"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "none of bindpost's"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"messages": 1}', "none of bindpost's"),
        (b"HTTP/1.0 500 Oops\r\n\r\nwhy \xff", "gave 500: why"),
        (b"HTTP/1.0 404 Not Found\r\n\r\n404 page not found", "gave 404"),
    ],
)
async def test_what_is_no_bindpost_is_told(answer: bytes, said: str) -> None:
    """An answer that no bindpost gives raises an error that quotes it."""
    async with answering(answer) as url:
        with pytest.raises(ServerUnreachableError, match=said):
            await asyncio.to_thread(Client(url).messages)


async def test_a_refusal_lets_go_of_its_connection() -> None:
    """It is closed though the answer's body was not read, and the error is still there."""
    gone = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(ServerUnreachableError) as refusal:
            await asyncio.to_thread(client.messages)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()

    assert "wants a login" in str(refusal.value)


async def test_silence_is_told() -> None:
    """A server that doesn't answer in time raises an error that says how long it was given."""
    served = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await served.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=0.05)
        with pytest.raises(ServerUnreachableError, match=r"no answer in 0\.05 seconds"):
            await asyncio.to_thread(client.ready)
        served.set()


@pytest.mark.parametrize(
    "url", ["", "localhost:8025", "ftp://x", "http://", "http://x:y", "http://x:0"]
)
def test_a_url_that_is_none_is_told(url: str) -> None:
    """A URL that can't be used is refused at once, with the forms that can."""
    with pytest.raises(ServerUnreachableError, match="http://HOST:PORT"):
        Client(url)


async def test_a_path_before_the_api_is_kept() -> None:
    """A server behind a sub-path of a reverse proxy is asked there."""
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(Client(f"http://127.0.0.1:{port}/mail/").ready)

    assert asked == [b"GET /mail/readyz HTTP/1.1\r\n"]


def test_neither_client_nor_command_imports_the_server() -> None:
    """The client and `bindpost mail` start without loading anything of the server."""
    program = (
        "import sys, bindpost.client, bindpost.cli.mail;"
        "print([name for name in sys.modules if name.startswith('bindpost.server')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"
