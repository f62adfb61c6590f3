"""Sending through Mailpit's REST API."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bindpost.server.message.parse import parse
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import Compatibility, create_app

SEND = "/api/v1/send"
LEAST = {"From": {"Email": "from@example.com"}, "To": [{"Email": "to@example.com"}]}
LINES = "a\nb\r\nc\rd \t\nü" + "x" * 200


async def sent(http: httpx.AsyncClient, store: MemoryStore, **more: Any) -> bytes:
    """Send a message and give its bytes."""
    response = await http.post(SEND, json={**LEAST, **more})
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"ID"}
    raw = await store.raw(response.json()["ID"])
    assert raw is not None
    return raw


async def test_a_message_is_what_was_asked_for(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """Addresses, subject, both texts and the envelope are those of the request."""
    raw = await sent(
        http,
        store,
        From={"Email": "from@example.com", "Name": 'Jörg "J", Müller'},
        Cc=[{"Email": "cc@example.com", "Name": "Copy"}],
        Bcc=["bcc@example.com", "to@example.com"],
        ReplyTo=[{"Email": "reply@example.com"}],
        Subject="Grüße " * 40,
        Text=LINES,
        HTML=f"<p>{LINES}</p>",
        Headers={"X-Own": "ä b", "Message-ID": "<own@example.com>"},
        Tags=["b", "A"],
    )

    message = parse(raw)
    (row,) = await store.find()
    assert (message.text, message.html) == (LINES, f"<p>{LINES}</p>")
    assert message.subject == ("Grüße " * 40).strip()
    assert message.from_[0].name == 'Jörg "J", Müller'
    assert (message.header("X-Own"), message.message_id) == ("ä b", "own@example.com")
    assert row.envelope.reverse_path == "from@example.com"
    assert [to.address for to in row.envelope.recipients] == [
        *("to@example.com", "cc@example.com", "bcc@example.com"),
    ]
    assert (row.tags, row.session.listener) == (("A", "b"), "http")
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    assert not message.defects


async def test_attachments_are_what_they_were(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """Content as base64 or data URL, named and typed; with a Content-ID it is inline."""
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    encoded = base64.b64encode(png).decode()
    raw = await sent(
        http,
        store,
        HTML="<img src='cid:pic'>",
        Attachments=[
            {"Content": encoded, "fileName": "grün.png"},
            {"Content": f"data:image/png;base64,{encoded}", "Filename": "p", "ContentID": "pic"},
            {"Content": "", "Filename": "a.txt"},
            {"Content": "eA==", "Filename": "m.eml", "ContentType": "message/rfc822; x=y"},
        ],
    )

    message = parse(raw)
    assert [(part.file_name, part.content_type) for part in message.attachments] == [
        ("grün.png", "image/png"),
        ("a.txt", "text/plain"),
        ("m.eml", "application/octet-stream"),
    ]
    assert [(part.content_id, part.size) for part in message.inline] == [("pic", len(png))]
    assert message.attachments[0].sha256 == message.inline[0].sha256


async def test_the_login_is_the_username(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """The name of a Basic login is kept with the message."""
    await http.post(SEND, json=LEAST, auth=("jane", "secret"))

    assert (await http.get("/api/v1/message/latest")).json()["Username"] == "jane"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"From": None}, "Expected"),
        ({"From": {}}, "invalid From address: "),
        ({"To": [{"Email": "x"}]}, "invalid To address: x"),
        ({"Cc": [{"Email": "a b@c"}]}, "invalid Cc address: a b@c"),
        ({"Bcc": ["@"]}, "invalid Bcc address: @"),
        ({"ReplyTo": [{"Email": ""}]}, "invalid Reply-To address: "),
        ({"Headers": {"subject": "x"}}, 'cannot overwrite header: "subject"'),
        ({"Headers": {"Return-Path": "x"}}, 'cannot overwrite header: "Return-Path"'),
        ({"Headers": {"X-Tags": "x"}, "Tags": ["a"]}, 'cannot overwrite header: "X-Tags"'),
        ({"Attachments": [{"Content": "?"}]}, "error decoding base64 attachment"),
        ({"Attachments": [{"Content": "", "ContentType": "x"}]}, "invalid ContentType"),
        ({"Attachments": [{"Content": "", "ContentID": "a b"}]}, "invalid ContentID"),
        ({"Attachments": {}}, "Expected"),
    ],
)
async def test_what_can_not_be_sent_is_refused(
    http: httpx.AsyncClient, store: MemoryStore, more: dict[str, Any], text: str
) -> None:
    """A bad request gives 400 and an object with Mailpit's text; nothing is kept."""
    response = await http.post(SEND, json={**LEAST, **more})

    assert response.status_code == 400
    assert set(response.json()) == {"Error"}
    assert response.json()["Error"].startswith(text)
    assert (await store.count()).total == 0


LINE_BREAKS = ("\r\n", "\n", "\r", "\r\n ", "\u2028", "\x00", "\x85", "\x0b")
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "subject": lambda evil: {"Subject": evil},
    "sender": lambda evil: {"From": {"Email": evil}},
    "sender's name": lambda evil: {"From": {"Email": "a@b", "Name": evil}},
    "sender's domain": lambda evil: {"From": {"Email": f"a@{evil}"}},
    "quoted local part": lambda evil: {"To": [{"Email": f'"{evil}"@x'}]},
    "recipient's name": lambda evil: {"To": [{"Email": "a@b", "Name": evil}]},
    "copy": lambda evil: {"Cc": [{"Email": evil}]},
    "blind copy": lambda evil: {"Bcc": [f"a@b>{evil}"]},
    "reply's name": lambda evil: {"ReplyTo": [{"Email": "a@b", "Name": evil}]},
    "header": lambda evil: {"Headers": {"X-A": evil}},
    "header's name": lambda evil: {"Headers": {evil: "a"}},
    "message id": lambda evil: {"Headers": {"Message-ID": f"<a@{evil}>"}},
    "tag": lambda evil: {"Tags": [evil]},
    "file name": lambda evil: {"Attachments": [{"Content": "", "Filename": evil}]},
    "type": lambda evil: {"Attachments": [{"Content": "", "ContentType": f"text/{evil}"}]},
    "parameter": lambda evil: {"Attachments": [{"Content": "", "ContentType": f"a/b; {evil}"}]},
    "content id": lambda evil: {"Attachments": [{"Content": "", "ContentID": evil}]},
}


@pytest.mark.parametrize("place", PLACES)
async def test_no_field_brings_another(
    http: httpx.AsyncClient, store: MemoryStore, place: str
) -> None:
    """Nothing in a request adds a header field, to the message or to a part of it."""
    for line_break in LINE_BREAKS:
        evil = PLACES[place](f"x{line_break}X-Evil: yes")
        response = await http.post(SEND, json={**LEAST, **evil})
        assert response.status_code in (200, 400)
    for row in await store.find():
        raw = await store.raw(row.id)
        assert raw is not None
        assert b"\nX-Evil" not in raw
        assert b"\rX-Evil" not in raw
        assert all(field.name.lower() != "x-evil" for field in parse(raw).headers)


async def test_a_large_body_is_refused(store: MemoryStore) -> None:
    """What is larger than a message may be gives 413 and an object."""
    app = create_app(
        store, ready=lambda: True, version="1", compatibility=Compatibility(message_size=2000)
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        small = await client.post(SEND, json=LEAST)
        large = await client.post(SEND, json={**LEAST, "Text": "x" * 2000})
        grown = await client.post(SEND, json={**LEAST, "Text": "ü" * 500})

    assert (small.status_code, large.status_code) == (200, 413)
    assert "larger than 2000 bytes" in large.json()["Error"]
    assert grown.status_code in (400, 413)
    assert (await store.count()).total == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_bad_body_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    """A body that is no JSON object gives 400 and an object."""
    response = await http.post(SEND, content=body)

    assert (response.status_code, set(response.json())) == (400, {"Error"})


async def test_an_address_beyond_ascii_is_written_as_it_is(
    http: httpx.AsyncClient, store: MemoryStore
) -> None:
    """An address that needs UTF-8 has it in the header (RFC 6532)."""
    raw = await sent(http, store, To=[{"Email": "jörg@bücher.example", "Name": "J"}])

    assert "jörg@bücher.example" in raw.decode()
    assert parse(raw).to[0].address == "jörg@bücher.example"
