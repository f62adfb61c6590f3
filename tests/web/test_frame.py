"""HTML mail in its frame: what stands in the answer; tests/browser has what it does."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.store import MessageRow
from bindpost.server.web import frame

Deliver = Callable[..., Awaitable[MessageRow]]
HTML = b"Content-Type: text/html\r\n\r\n"


async def test_the_rules_stand_in_the_header(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """The document has the sandbox and the policy with it, so it is harmless without a frame."""
    row = await deliver(HTML + b"<p>x")

    answer = await http.get(f"/view/{row.id}/html")

    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["x-dns-prefetch-control"] == "off"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_only_the_page_can_allow_remote_images(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """The link on the page loads them, for this message only; nothing else does."""
    row, other = await deliver(HTML + b"<p>x"), await deliver(HTML + b"<p>y")

    async def pictures(message: MessageRow, key: str) -> str:
        answer = await http.get(f"/view/{message.id}/html", params={"remote": key})
        found = re.search("img-src ([^;]+);", answer.headers["content-security-policy"])
        return found[1] if found else ""

    page = (await http.get(f"/view/{row.id}")).text
    key = re.search(r"remote=(\w+)", page)
    assert key
    assert await pictures(row, key[1]) == "data: https: http:"
    assert await pictures(other, key[1]) == "data:"
    for wrong in ("", "1", "é", key[1][:-1]):
        assert await pictures(row, wrong) == "data:"


async def test_a_mail_without_html_has_no_document(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Text alone isn't shown as HTML."""
    row = await deliver(b"\r\n<b>x</b>")

    assert (await http.get(f"/view/{row.id}/html")).status_code == 404


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<p>x", '<base target="_blank"><p>x'),
        (
            "\r\n <!-- a --><!DOCTYPE html><p>",
            '\r\n <!-- a --><!DOCTYPE html><base target="_blank"><p>',
        ),
        ("<A target=_top>", '<base target="_blank"><A target=_blank rel=noreferrer target=_top>'),
        ("<abbr><article>", '<base target="_blank"><abbr><article>'),
        (
            "<LINK rel=preconnect><iframe/src=x><linked>",
            '<base target="_blank"><meta rel=preconnect><meta/src=x><linked>',
        ),
        (
            '<img alt="<a href">',
            '<base target="_blank"><img alt="<a target=_blank rel=noreferrer href">',
        ),
        ("<img src=cid:none>", '<base target="_blank"><img src=cid:none>'),
    ],
)
def test_only_so_much_is_changed(given: str, shown: str) -> None:
    """Links and what reaches out are changed where a tag may begin; the rest stays as it is."""
    assert frame.dress(HTML + given.encode()) == shown


def test_pictures_are_put_in_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is named many times doesn't make an answer of any size."""
    monkeypatch.setattr(frame, "EMBEDDED", 100)
    raw = (
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
        + HTML
        + b"<img src='cid:a&#64;b'>" * 5
        + b"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a@b>\r\n\r\n123456789\r\n--b--"
    )

    shown = frame.dress(raw)

    assert shown.count("'data:image/png;base64,MTIzNDU2Nzg5'") == 2
    assert shown.count("'cid:a&#64;b'") == 3


@pytest.mark.parametrize("piece", ["<!--", "<!-- --> ", "cid:", "<a", "<link ", "\n" * 9])
def test_the_time_is_linear(piece: str) -> None:
    """No HTML of a megabyte takes long."""
    raw = HTML + (piece * (1_000_000 // len(piece))).encode()
    started = time.process_time()

    frame.dress(raw)

    assert time.process_time() - started < 5


async def test_parts_come_as_files(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A picture is shown; anything else is a file to keep, under its name, whatever its type."""
    row = await deliver(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b'--b\r\nContent-Type: text/html; name="../x \xc3\xa4.html"\r\n'
        b"Content-Disposition: attachment\r\n\r\n<script>1</script>\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\npng\r\n"
        b"--b\r\nContent-Type: image/svg+xml\r\n\r\n<svg/>\r\n--b--"
    )

    page, picture, drawing, none = [
        await http.get(f"/view/{row.id}/part/{number}") for number in (1, 2, 3, 4)
    ]

    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"] == "attachment; filename*=UTF-8''x%20%C3%A4.html"
    assert page.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-disposition"].startswith("inline;")
    assert drawing.headers["content-type"] == "application/octet-stream"
    assert (none.status_code, (await http.get(f"/view/{row.id}/part/0")).status_code) == (404, 404)
