"""Parts, thumbnails and bodies of a message through Mailpit's REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.message import EmailMessage

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

Deliver = Callable[..., Awaitable[MessageRow]]
MARKUP = (
    "<p>ä\n<A href='https://x.example/'>y</A><area/><abbr>z</abbr>"
    '<img src="cid:pic">cid:other</p>'
)
EVIL = "<script>alert(1)</script>"


@pytest.fixture
async def row(deliver: Deliver) -> MessageRow:
    """Keep a message with both bodies, a picture and an attachment."""
    message = EmailMessage()
    message.set_content("plain ü\n")
    message.add_alternative(MARKUP, subtype="html", cte="base64")
    markup = message.get_body(("html",))
    assert markup is not None
    markup.add_related(b"\x89PNG", "image", "png", cid="<pic>")
    message.add_attachment(b"\x00\xff", "application", "pdf", filename='ü"/../x.pdf')
    message.add_attachment(EVIL.encode(), "text", "html", filename="evil.html")
    return await deliver(message.as_bytes())


def part_of(row: MessageRow, number: str) -> str:
    """Give the path of a part."""
    return f"/api/v1/message/{row.id}/part/{number}"


async def test_a_part_is_its_bytes(http: httpx.AsyncClient, row: MessageRow) -> None:
    """A part comes decoded, typed and named, to be shown in place."""
    response = await http.get(part_of(row, "2"))

    assert response.content == b"\x00\xff"
    assert response.headers["content-type"] == "application/pdf"
    name = "x.pdf"
    assert response.headers["content-disposition"] == (
        f"inline; filename=\"{name}\"; filename*=UTF-8''{name}"
    )
    for_latest = await http.get("/api/v1/message/latest/part/2")
    assert for_latest.content == response.content


async def test_a_part_runs_nothing(http: httpx.AsyncClient, row: MessageRow) -> None:
    """A part that is a page is put into a sandbox without scripts, and is not taken for more."""
    response = await http.get(part_of(row, "3"))

    assert response.text == EVIL
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("number", ["1", "9", "0.1", "-1", "..%2f1", "1%00", "%0d%0aX-Evil:1", "x"])
@pytest.mark.parametrize("rest", ["", "/thumb"])
async def test_an_unknown_part_is_not_found(
    http: httpx.AsyncClient, row: MessageRow, number: str, rest: str
) -> None:
    """What numbers no part, or one that holds others, is unknown; of a thumbnail that is a 400."""
    response = await http.get(part_of(row, number) + rest)

    assert response.status_code in ((404,) if not rest else (400, 404))
    assert "x-evil" not in response.headers


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        (b"text/html; charset=utf-8", "text/html; charset=utf-8"),
        (b'text/plain; charset="a b"', "text/plain"),
        (b"text/plain; charset=utf-8\r\n X-Evil: 1", "text/plain"),
        (b"x/\xc3\xa9", "application/octet-stream"),
        (b"image/svg+xml", "image/svg+xml"),
        (b"nonsense", "text/plain"),
    ],
)
async def test_a_content_type_is_one_or_octets(
    http: httpx.AsyncClient, deliver: Deliver, field: bytes, kind: str
) -> None:
    """The type that a message claims reaches the header only if it is one."""
    row = await deliver(b"Content-Type: " + field + b"\r\n\r\nbody")

    response = await http.get(part_of(row, "0"))

    assert response.headers["content-type"] == kind
    assert "x-evil" not in response.headers


async def test_a_thumbnail_is_white_or_the_picture(
    http: httpx.AsyncClient, row: MessageRow
) -> None:
    """For what is no picture there is a white JPEG; a picture is shown itself, not smaller."""
    white = await http.get(part_of(row, "2") + "/thumb")
    picture = await http.get(part_of(row, "1.2.2") + "/thumb")

    assert (white.status_code, white.headers["content-type"]) == (200, "image/jpeg")
    assert white.content.startswith(b"\xff\xd8\xff")
    assert b"\xff\xc0\x00\x0b\x08\x00\x78\x00\xb4" in white.content  # 8 bit, 120 by 180
    assert (picture.status_code, picture.headers["location"]) == (302, part_of(row, "1.2.2"))


async def test_latest_has_no_thumbnail(http: httpx.AsyncClient, row: MessageRow) -> None:
    """As at Mailpit, `latest` is no id here."""
    assert (await http.get("/api/v1/message/latest/part/2/thumb")).status_code == 400


async def test_html_is_as_it_came(
    http: httpx.AsyncClient, row: MessageRow, store: MemoryStore
) -> None:
    """The HTML form comes as it is but for known cid: links, and the message is then read."""
    response = await http.get(f"/view/{row.id}.html")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.text.strip() == MARKUP.replace("cid:pic", part_of(row, "1.2.2"))
    assert (await store.find())[0].read


async def test_embedded_html_opens_its_links_outside(
    http: httpx.AsyncClient, row: MessageRow
) -> None:
    """With embed=1 every link gets a target, and our own pages may frame it."""
    response = await http.get("/view/latest.html?embed=1")

    added = ' target="_blank" rel="noreferrer noopener"'
    assert f"<A{added} href=" in response.text
    assert f"<area{added}/>" in response.text
    assert "<abbr>" in response.text
    assert response.headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in response.headers["content-security-policy"]


async def test_html_runs_nothing(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Mail that is shown may not run scripts, send forms, frame, or be framed by others."""
    row = await deliver(b"Content-Type: text/html\r\n\r\n" + EVIL.encode())

    response = await http.get(f"/view/{row.id}.html")

    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src" not in policy
    assert "form-action 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-frame-options"] == "DENY"


async def test_text_is_plain(http: httpx.AsyncClient, row: MessageRow, store: MemoryStore) -> None:
    """The text comes as plain text, and the message is then read."""
    response = await http.get(f"/view/{row.id}.txt")

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "plain ü\n"
    assert (await store.find())[0].read


async def test_a_message_without_html_has_no_page(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Without an HTML form there are Mailpit's texts, and the message stays unread."""
    row = await deliver()

    page = await http.get(f"/view/{row.id}.html")
    check = await http.get(f"/api/v1/message/{row.id}/html-check")

    assert (page.status_code, page.text) == (404, "This message does not contain a HTML part")
    assert (check.status_code, check.text) == (400, "message does not contain HTML")
    assert (await http.get("/api/v1/messages")).json()["unread"] == 1


async def test_spam_is_not_judged(http: httpx.AsyncClient, row: MessageRow) -> None:
    """Mailpit has that route only where it is set up."""
    assert (await http.get(f"/api/v1/message/{row.id}/sa-check")).status_code == 404


@pytest.mark.parametrize("rest", ["x.html", "x.txt", "..%2f..%2fetc%2fpasswd.txt", "%00.html"])
async def test_an_unknown_page_is_not_found(http: httpx.AsyncClient, rest: str) -> None:
    """What is no message's id has no page."""
    assert (await http.get(f"/view/{rest}")).status_code == 404
