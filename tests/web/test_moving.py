"""GET and POST /api/bindpost/v1/inbox."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence

import httpx
import pytest

from bindpost.server.mailboxes import Mailboxes
from bindpost.server.mailboxes.rules import Rule
from bindpost.server.store import inbox_file
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Copy, MessageRow
from bindpost.server.web.app import Compatibility, create_app

Deliver = Callable[..., Awaitable[MessageRow]]
ROUTE = "/api/bindpost/v1/inbox"
RAW = b"Subject: one\r\n\r\n.\nFrom me \xff\0"


async def file_of(http: httpx.AsyncClient, **which: str) -> bytes:
    """Give the inbox as a file."""
    answer = await http.get(ROUTE, params=which)
    assert answer.status_code == 200, answer.text
    return answer.content


def ids_in(file: bytes) -> list[str]:
    """Give the ids of the messages in a file."""
    reader = inbox_file.Reader()
    found = [entry.copy.message.id for entry in reader.feed(file)]
    reader.finish()
    return found


async def test_the_form(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A line says what it is; a message is a line of JSON, its bytes, and a line feed."""
    row = await deliver(RAW, login="anna")

    head, line, rest = (await file_of(http)).split(b"\n", 2)

    assert head == b'{"bindpost":"inbox","version":1}'
    assert line.startswith(b'{"bindpost":"message","id":"')
    assert rest == RAW + b"\n"
    told = json.loads(line)
    assert set(told) == {
        *("bindpost", "id", "received", "size", "sha256", "read", "tags", "mailboxes"),
        *("envelope", "session", "transcript"),
    }
    assert (told["id"], told["size"]) == (row.id, len(RAW))
    assert told["sha256"] == hashlib.sha256(RAW).hexdigest()
    assert told["session"]["login"] == "anna"
    assert told["transcript"] == [[0, "S", "220 ready"], [5, "C", "EHLO client.example"]]


async def test_an_inbox_with_gaps(
    http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver
) -> None:
    """Thousands of changes between two messages; the oldest stands first, each once."""
    rows = [await deliver() for _ in range(40)]
    for number in range(3000):
        await store.mark([rows[20].id], read=number % 2 == 0)
    rows += [await deliver() for _ in range(40)]
    await store.delete([rows[0].id, rows[60].id])
    del rows[60], rows[0]

    assert ids_in(await file_of(http)) == [row.id for row in rows]
    after = rows[50].cursor
    assert ids_in(await file_of(http, after=str(after))) == [row.id for row in rows[51:]]
    before = {"before": str(after)}
    assert ids_in(await file_of(http, **before)) == [row.id for row in rows[:50]]


async def test_filters(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Those of the list of messages."""
    row = await deliver(b"Subject: Here\r\n\r\n", to=("x@x",), sender="y@y")
    await deliver()

    for which in ({"recipient": "x@x"}, {"sender": "y@y"}, {"subject": "here"}):
        assert ids_in(await file_of(http, **which)) == [row.id]
    assert (await http.get(ROUTE, params={"after": "x"})).status_code == 400


async def test_messages_that_go_while_it_is_read(
    store: MemoryStore, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are left out, and one that came later brings the transcript of their session."""
    rows = [await deliver() for _ in range(100)]
    copies = store.copies

    async def copies_of_some(
        found: Sequence[MessageRow], *, told: Container[str] = ()
    ) -> Sequence[Copy]:
        await store.delete([row.id for row in rows[::2]])
        return await copies(found, told=told)

    monkeypatch.setattr(store, "copies", copies_of_some)
    app = create_app(store, ready=lambda: True, version="1")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as http:
        file = await file_of(http)

    assert ids_in(file) == [row.id for row in rows[1::2]]
    assert file.count(b'"transcript"') == 50


async def test_it_is_taken(http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver) -> None:
    """The answer counts what was kept, and what was there."""
    rows = [await deliver(RAW) for _ in range(1100)]
    file = await file_of(http)
    assert ids_in(file) == [row.id for row in rows]
    await store.delete([row.id for row in rows[100:]])

    answer = await http.post(ROUTE, content=file)

    assert (answer.status_code, answer.json()) == (200, {"imported": 1000, "there": 100})
    assert ids_in(await file_of(http)) == ids_in(file)


async def test_it_comes_in_any_pieces(
    http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver
) -> None:
    """A body that is sent octet by octet is taken all the same."""
    await deliver(RAW)
    file = await file_of(http)
    await store.delete(None)

    async def octets() -> AsyncIterator[bytes]:
        for octet in file:
            yield bytes([octet])
            await asyncio.sleep(0)

    assert (await http.post(ROUTE, content=octets())).json() == {"imported": 1, "there": 0}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b"Subject: x\r\n\r\n", "neither a message of an inbox file begins here"),
        (b'{"bindpost":"inbox","version":2}\n', "version 2"),
        (b'{"bindpost":"inbox"}\n', "missing required field `version`"),
        (b'{"bindpost":"inbox","ver', "ends in the middle of the line at byte 0"),
        (b'{"bindpost":"message"}\n', "missing required field `id`"),
        (b'{"bindpost":"\xff"}\n', "damaged at byte 0"),
        (b'{"bindpost":"\\ud800"}\n', "damaged at byte 0"),
        (b'{"bindpost":"inbox","x":' + b"[" * 100_000 + b"\n", "damaged at byte 0"),
    ],
)
async def test_what_is_no_inbox_file(http: httpx.AsyncClient, body: bytes, reason: str) -> None:
    """It is told why."""
    answer = await http.post(ROUTE, content=body)

    assert answer.status_code == 400
    assert reason in answer.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"id":"', b'"id":"../', "`$.id`"),
        (b'"read":false', b'"read":0', "`$.read`"),
        (b'"mailboxes":{}', b'"mailboxes":{"A b":{}}', "`$.mailboxes`"),
        (b'"session_id":"', b'"session_id":" ', "no name of a session"),
        (b'"received":"2', b'"received":"0', "out of all bounds"),
        (b'"started":"2', b'"started":"0', "out of all bounds"),
        (b'Z","listener"', b'","listener"', "a time without a zone"),
        (b"Subject", b"subject", "are not those that were written"),
        (b'"size":', b'"size":9', "in the middle of message"),
        (b'[0,"S"', b'[0,"X"', "`$.transcript[0][1]`"),
    ],
)
async def test_what_is_damaged(
    http: httpx.AsyncClient,
    store: MemoryStore,
    deliver: Deliver,
    old: bytes,
    new: bytes,
    reason: str,
) -> None:
    """Nothing of it is kept, and the text says what is wrong."""
    await deliver(RAW)
    file = (await file_of(http)).replace(old, new)
    await store.delete(None)

    answer = await http.post(ROUTE, content=file)

    assert (answer.status_code, reason in answer.text) == (400, True), answer.text
    assert (await store.count()).total == 0


async def test_messages_before_what_is_damaged(
    http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver
) -> None:
    """Batches that are whole are kept, and it is said how many messages that were."""
    for _ in range(inbox_file.BATCH + 1):
        await deliver(RAW)
    file = await file_of(http)
    await store.delete(None)

    answer = await http.post(ROUTE, content=file + b"junk")

    assert answer.status_code == 400
    assert answer.text.endswith("; of this request 256 messages are imported.")
    assert (await store.count()).total == inbox_file.BATCH


async def test_other_bytes_of_the_same_id(
    http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver
) -> None:
    """What the inbox has stays, and the id is named."""
    row = await deliver(RAW)
    copy = next(inbox_file.Reader().feed(await file_of(http))).copy
    other = inbox_file.write(
        Copy(
            message=type(copy.message)(row.id, row.received, row.envelope, row.session, b"other"),
            transcript=(),
            whole=copy.whole,
            mailboxes={},
        )
    )

    answer = await http.post(ROUTE, content=inbox_file.HEAD + other)

    assert answer.status_code == 409
    assert row.id in answer.text
    assert await store.raw(row.id) == RAW


async def test_a_message_that_is_too_large(store: MemoryStore, deliver: Deliver) -> None:
    """It is refused before its bytes have come."""
    row = await deliver(RAW)
    limits = Compatibility(message_size=10)
    app = create_app(store, ready=lambda: True, version="1", compatibility=limits)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as http:
        file = await file_of(http)

        answer = await http.post(ROUTE, content=file[: file.index(RAW)])

    assert answer.status_code == 413
    assert f"message {row.id} has {len(RAW)} bytes, more than 10, this server's" in answer.text


async def test_a_page_elsewhere_cannot_import(
    http: httpx.AsyncClient, store: MemoryStore, deliver: Deliver
) -> None:
    """A form of another site can post a body, but not without its Origin."""
    await deliver()
    file = await file_of(http)
    await store.delete(None)

    answer = await http.post(ROUTE, content=file, headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403
    assert (await store.count()).total == 0


async def test_a_mailbox_is_not_moved(store: MemoryStore) -> None:
    """A message may be in several; the whole inbox is moved, with all of them."""
    mailboxes = Mailboxes((Rule(name="a"),))
    app = create_app(store, ready=lambda: True, version="1", mailboxes=mailboxes)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as http:
        answers = [
            await http.get(ROUTE, params={"mailbox": "a"}),
            await http.post(f"/mailbox/a{ROUTE}", content=inbox_file.HEAD),
        ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert "as a whole" in answers[0].text
