"""The part of Mailpit's REST API that is there."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import httpx
import pytest

from bindpost.server.message.model import new_id
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

Deliver = Callable[..., Awaitable[MessageRow]]

SUMMARY_KEYS = {
    *("ID", "MessageID", "Read", "From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Created"),
    *("Username", "Tags", "Size", "Attachments", "Snippet"),
}
MESSAGE_KEYS = {
    *("ID", "MessageID", "From", "To", "Cc", "Bcc", "ReplyTo", "ReturnPath", "Subject"),
    *("ListUnsubscribe", "Date", "Tags", "Username", "Text", "HTML", "Size", "Inline"),
    "Attachments",
}


@pytest.fixture
def rich() -> bytes:
    """Give a message that has everything."""
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"] = '"Doe, Jane" <jane@example.com>'
    message["To"] = "Bob <bob@example.com>, carol@example.com"
    message["Cc"] = "dave@example.com"
    message["Reply-To"] = "answers@example.com"
    message["Date"] = "Sun, 01 Mar 2026 12:30:05 +0100"
    message["Message-ID"] = "<m1@example.com>"
    message["List-Unsubscribe"] = "<mailto:off@example.com>, <https://example.com/off>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("Plain words\n")
    message.add_alternative("<p>Marked <b>words</b></p>\n", subtype="html")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="pdf", filename="a b.pdf")
    return message.as_bytes()


async def test_an_empty_inbox_has_lists_and_no_nulls(http: httpx.AsyncClient) -> None:
    """An empty inbox gives the whole List object with empty lists."""
    assert (await http.get("/api/v1/messages")).json() == {
        "total": 0,
        "unread": 0,
        "count": 0,
        "messages_count": 0,
        "messages_unread": 0,
        "start": 0,
        "tags": [],
        "messages": [],
    }


async def test_a_summary_has_exactly_mailpits_fields(
    http: httpx.AsyncClient, deliver: Deliver, rich: bytes
) -> None:
    """A row of the list has Mailpit's keys with Mailpit's types, and no others."""
    row = await deliver(rich, to=("bob@example.com", "blind@example.com"), login="user")

    (summary,) = (await http.get("/api/v1/messages")).json()["messages"]

    assert set(summary) == SUMMARY_KEYS
    created = summary.pop("Created")
    assert created.startswith(row.received.isoformat()[:19])
    assert summary == {
        "ID": row.id,
        "MessageID": "m1@example.com",
        "Read": False,
        "From": {"Name": "Doe, Jane", "Address": "jane@example.com"},
        "To": [
            {"Name": "Bob", "Address": "bob@example.com"},
            {"Name": "", "Address": "carol@example.com"},
        ],
        "Cc": [{"Name": "", "Address": "dave@example.com"}],
        "Bcc": [{"Name": "", "Address": "blind@example.com"}],
        "ReplyTo": [{"Name": "", "Address": "answers@example.com"}],
        "Subject": "Grüße",
        "Username": "user",
        "Tags": [],
        "Size": len(rich),
        "Attachments": 1,
        "Snippet": "Marked words",
    }


async def test_a_message_without_from_has_a_null_sender(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """From is null, and only it, when the header has none."""
    await deliver(b"\r\nno header\r\n")

    (summary,) = (await http.get("/api/v1/messages")).json()["messages"]

    assert [key for key, value in summary.items() if value is None] == ["From"]


async def test_the_list_is_newest_first_and_pages(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Start and limit cut the newest-first list; the counts stay those of the whole inbox."""
    rows = [await deliver() for _ in range(5)]

    page = (await http.get("/api/v1/messages?start=1&limit=2")).json()

    assert [message["ID"] for message in page["messages"]] == [rows[3].id, rows[2].id]
    assert (page["start"], page["count"], page["total"], page["messages_count"]) == (1, 2, 5, 5)


async def test_limit_zero_lists_all(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A limit of 0 means no limit."""
    for _ in range(60):
        await deliver()

    assert (await http.get("/api/v1/messages?limit=0")).json()["count"] == 60


@pytest.mark.parametrize("query", ["start=x", "limit=-1", "limit=1.5", "start=9" + "9" * 30])
async def test_a_bad_number_is_refused(http: httpx.AsyncClient, query: str) -> None:
    """A value that is no whole number gives 400 and a sentence that names it."""
    response = await http.get(f"/api/v1/messages?{query}")

    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert query.partition("=")[0] in response.text


async def test_a_message_has_exactly_mailpits_fields(
    http: httpx.AsyncClient, deliver: Deliver, rich: bytes
) -> None:
    """The Message object has Mailpit's keys and values, and no others."""
    row = await deliver(rich, to=("bob@example.com",), sender="bounces@example.com")

    message = (await http.get(f"/api/v1/message/{row.id}")).json()

    assert set(message) == MESSAGE_KEYS
    assert message["ReturnPath"] == "bounces@example.com"
    assert message["Date"] == "2026-03-01T12:30:05+01:00"
    assert message["Text"] == "Plain words\n"
    assert message["HTML"] == "<p>Marked <b>words</b></p>\n"
    assert message["Bcc"] == []
    assert message["ListUnsubscribe"] == {
        "Header": "<mailto:off@example.com>, <https://example.com/off>",
        "Links": ["mailto:off@example.com", "https://example.com/off"],
        "Errors": "",
        "HeaderPost": "List-Unsubscribe=One-Click",
    }
    assert message["Attachments"] == [
        {
            "PartID": "2",
            "FileName": "a b.pdf",
            "ContentType": "application/pdf",
            "ContentID": "",
            "Size": 2,
            "Checksums": {
                "MD5": hashlib.md5(b"\x00\x01").hexdigest(),
                "SHA1": hashlib.sha1(b"\x00\x01").hexdigest(),
                "SHA256": hashlib.sha256(b"\x00\x01").hexdigest(),
            },
        }
    ]


async def test_parts_without_name_and_id_are_not_listed(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """An attachment with neither file name nor Content-ID is left out, as by Mailpit."""
    await deliver(b"Content-Type: application/pdf\r\n\r\n%PDF")

    message = (await http.get("/api/v1/message/latest")).json()

    assert (message["Attachments"], message["Inline"]) == ([], [])


async def test_a_content_id_stands_in_for_a_file_name(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A part that is known by its Content-ID only has that as its file name."""
    await deliver(b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\nPNG")

    (part,) = (await http.get("/api/v1/message/latest")).json()["Inline"]

    assert (part["FileName"], part["ContentID"]) == ("logo@x", "logo@x")


async def test_an_unusable_unsubscribe_header_is_reported(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A List-Unsubscribe without links gives Mailpit's error text."""
    await deliver(b"List-Unsubscribe: call us\r\n\r\n")

    unsubscribe = (await http.get("/api/v1/message/latest")).json()["ListUnsubscribe"]

    assert unsubscribe["Errors"] == '"call us" no valid unsubscribe links found'


async def test_reading_a_message_marks_it_read(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """GET message sets the read flag."""
    row = await deliver()

    await http.get(f"/api/v1/message/{row.id}")

    inbox = (await http.get("/api/v1/messages")).json()
    assert (inbox["unread"], inbox["messages"][0]["Read"]) == (0, True)


async def test_latest_is_the_newest_message(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """`latest` stands for the id of the newest message."""
    await deliver()
    newest = await deliver()

    assert (await http.get("/api/v1/message/latest")).json()["ID"] == newest.id


async def test_latest_of_an_empty_inbox_is_not_found(http: httpx.AsyncClient) -> None:
    """`latest` gives 404 and Mailpit's words when there is none."""
    response = await http.get("/api/v1/message/latest")

    assert (response.status_code, response.text) == (404, "Message not found")


@pytest.mark.parametrize(
    "message_id",
    [
        pytest.param(new_id(), id="new"),
        "x",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "a" * 23,
        "é" * 22,
        "' or 1=1 --aaaaaaaaa",
    ],
)
@pytest.mark.parametrize("rest", ["", "/raw", "/headers"])
async def test_an_unknown_id_is_not_found(
    http: httpx.AsyncClient, deliver: Deliver, message_id: str, rest: str
) -> None:
    """Whatever is no message's id gives 404 and Mailpit's words."""
    await deliver()

    response = await http.get(f"/api/v1/message/{message_id}{rest}")

    assert (response.status_code, response.text) == (404, "404 page not found")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(range(256)), id="all bytes"),
        pytest.param(b"Subject: x\r\n\r\n" + bytes(range(256)) * 3, id="all bytes in a body"),
        pytest.param(b"\x00", id="NUL"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a: b\n\r\r\nc\n.\r\n..", id="odd line ends"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/api/v1/message/latest/raw", "/api/bindpost/v1/messages/latest/raw"]
)
async def test_the_raw_message_is_exact(
    http: httpx.AsyncClient, deliver: Deliver, raw: bytes, path: str
) -> None:
    """Both APIs give every byte as received."""
    await deliver(raw)

    assert (await http.get(path)).content == raw


async def test_the_raw_message_is_shown_as_text(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A browser shows the source as text and never as what it claims to be."""
    await deliver(b"<html><script>alert(1)</script>")

    response = await http.get("/api/v1/message/latest/raw")

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in response.headers


async def test_the_file_name_of_a_download_is_the_id(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """With dl=1 the file is named after the id, by any name of the message in the URL."""
    row = await deliver(b'Subject: x"\r\nContent-Disposition: a; filename="\r\nX-Evil: 1"\r\n\r\n')

    response = await http.get("/api/v1/message/latest/raw?dl=1")

    assert response.headers["content-disposition"] == f'attachment; filename="{row.id}.eml"'


@pytest.mark.parametrize("message_id", ["%22%0d%0aX-Evil:%201%0d%0a", "%0d%0aSet-Cookie:%20a=b"])
async def test_an_id_cannot_inject_headers(
    http: httpx.AsyncClient, deliver: Deliver, message_id: str
) -> None:
    """Line breaks in an id end in 404 and reach no header."""
    await deliver()

    response = await http.get(f"/api/v1/message/{message_id}/raw?dl=1")

    assert response.status_code == 404
    assert not {"x-evil", "set-cookie"} & set(response.headers)


async def test_headers_are_grouped_by_canonical_name(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Names are in Go's canonical form, values unfolded and otherwise as they came."""
    await deliver(
        b"received: a\r\nRECEIVED: b\r\n c\r\nMIME-Version: 1.0\r\nx-a: =?utf-8?q?=41?=\r\n\r\n"
    )

    headers = (await http.get("/api/v1/message/latest/headers")).json()

    assert headers == {
        "Received": ["a", "b c"],
        "Mime-Version": ["1.0"],
        "X-A": ["=?utf-8?q?=41?="],
    }


async def test_messages_are_marked_by_id(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """PUT sets the flag of the messages named, keys in any case, and answers ok."""
    first, second = await deliver(), await deliver()

    response = await http.put("/api/v1/messages", json={"iDs": [first.id], "READ": True})

    assert (response.status_code, response.text) == (200, "ok")
    inbox = (await http.get("/api/v1/messages")).json()["messages"]
    assert {message["ID"]: message["Read"] for message in inbox} == {
        first.id: True,
        second.id: False,
    }


async def test_without_ids_all_are_marked(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """PUT without ids marks every message."""
    await deliver()
    await deliver()

    await http.put("/api/v1/messages", json={"Read": True})

    assert (await http.get("/api/v1/messages")).json()["unread"] == 0


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"Read": "yes"}', '{"IDs": "x"}', "\xff"])
async def test_a_bad_body_marks_nothing(
    http: httpx.AsyncClient, deliver: Deliver, body: str
) -> None:
    """PUT with a body that can't be read gives 400 and changes nothing."""
    await deliver()

    response = await http.put("/api/v1/messages", content=body.encode("latin-1"))

    assert response.status_code == 400
    assert (await http.get("/api/v1/messages")).json()["unread"] == 1


async def test_messages_are_deleted_by_id(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """DELETE takes the messages named and leaves the others."""
    first, second = await deliver(), await deliver()

    response = await http.request("DELETE", "/api/v1/messages", json={"ids": [first.id]})

    assert (response.status_code, response.text) == (200, "ok")
    assert [row.id for row in await store.find()] == [second.id]


@pytest.mark.parametrize("body", [b"{}", b'{"IDs": []}', b'{"ids": null}'])
async def test_an_object_without_ids_deletes_all(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: bytes
) -> None:
    """DELETE with an object that names no ids deletes all, as Mailpit documents it."""
    await deliver()

    await http.request("DELETE", "/api/v1/messages", content=body)

    assert (await store.count()).total == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"  ", b"{", b"[]", b"null", b"\xff", b'"x"', b'{"IDs": "x"}', b'{"IDs": [1]}'),
        *(b"[" * 100_000, b'{"\xff": 1}', b"{'IDs': []}"),
    ],
)
async def test_a_body_that_is_not_read_deletes_nothing(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: bytes
) -> None:
    """DELETE without a readable object gives 400, says so, and deletes nothing."""
    await deliver()

    response = await http.request("DELETE", "/api/v1/messages", content=body)

    assert response.status_code == 400
    assert response.text.startswith("Nothing was deleted")
    assert (await store.count()).total == 1


async def test_an_oversized_body_is_refused(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """A body of more than 5 MiB gives 413, and nothing is done."""
    await deliver()
    body = b'{"IDs": []' + b" " * (5 * 1024 * 1024) + b"}"

    response = await http.request("DELETE", "/api/v1/messages", content=body)

    assert response.status_code == 413
    assert (await store.count()).total == 1


async def test_every_answer_has_a_date(http: httpx.AsyncClient) -> None:
    """The Date header is there, for the clients that read the clock from /livez."""
    response = await http.get("/livez")

    assert (response.status_code, response.content) == (200, b"")
    assert parsedate_to_datetime(response.headers["date"]).tzinfo is not None


async def test_another_method_is_not_allowed(http: httpx.AsyncClient) -> None:
    """A method that a path doesn't have gives 405."""
    assert (await http.post("/api/v1/messages")).status_code == 405


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/messages/", "/static/../app.py"])
async def test_an_unknown_path_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    """A path that doesn't exist gives 404 and Mailpit's words."""
    response = await http.get(path)

    assert (response.status_code, response.text) == (404, "404 page not found")


async def test_a_double_slash_is_one(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A client that has a slash behind the server's URL reaches the same path."""
    await deliver()

    assert (await http.get("http://localhost//api//v1/message/latest")).status_code == 200
