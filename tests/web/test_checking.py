"""The checks over HTTP: Mailpit's objects, ours, the pages; who may ask, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from bindpost.server.htmlcheck.features import MARKS
from bindpost.server.linkcheck.checker import LinkChecker
from bindpost.server.linkcheck.rules import Rules
from bindpost.server.outgoing.places import read_networks
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app

from .conftest import Deliver

HTML = (
    "<style>\np:hover {{ clip-path: none }}\n@import '{url}/import.css';</style>"
    "<link rel=stylesheet href='{url}/sheet.css'>"
    "<p><b style='display: flex'>x</b><a href='{url}/ok'>ok</a><img src='{url}/gone.png'>"
    "<a href='http://10.0.0.1/'>inside</a><a href='mailto:a@b.test'>mail</a></p><script>1</script>"
)


class Site:
    """A web server on loopback: /ok is there, the rest is not."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.lines.append(head.partition("\r\n")[0])
        status = "200 OK" if "/ok" in self.lines[-1] else "404 Not Found"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Give a site that runs."""
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield site
    server.close()


@pytest.fixture
async def http(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app that may ask 127.0.0.1 for links."""
    links = LinkChecker(Rules(networks=read_networks(["127.0.0.1"])))
    app = create_app(store, ready=lambda: True, version="1.2.3", links=links)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


@pytest.fixture
async def row(deliver: Deliver, site: Site) -> MessageRow:
    """Give a message with HTML and links."""
    html = HTML.format(url=site.url)
    return await deliver(f"Subject: x\r\nContent-Type: text/html\r\n\r\n{html}\r\n".encode())


async def test_mailpits_html_check(http: httpx.AsyncClient, row: MessageRow) -> None:
    """Its keys and types are Mailpit's, no more and no fewer; so are its shares."""
    check = (await http.get(f"/api/v1/message/{row.id}/html-check")).json()

    assert list(check) == ["Warnings", "Platforms", "Total"]
    assert list(check["Total"]) == ["Tests", "Nodes", "Supported", "Partial", "Unsupported"]
    assert check["Total"]["Tests"] == len(MARKS) + 1
    assert check["Total"]["Nodes"] == 9
    shares = [check["Total"][share] for share in ("Supported", "Partial", "Unsupported")]
    assert sum(shares) == pytest.approx(100)
    assert "Outlook" in check["Platforms"]["windows"]
    by_slug = {warning["Slug"]: warning for warning in check["Warnings"]}
    warning = by_slug["css-display-flex"]
    assert list(warning) == [
        *("Slug", "Title", "Description", "URL", "Category", "Tags", "Keywords", "Results"),
        *("NotesByNumber", "Score"),
    ]
    assert warning["URL"] == "https://www.caniemail.com/features/css-display-flex/"
    assert warning["Score"]["Found"] == 1
    assert warning["NotesByNumber"]["2"] == "<code>display:inline-flex</code> is not supported."
    results = {result["Name"]: result for result in warning["Results"]}
    assert results["Outlook Windows (2007)"] == {
        "Name": "Outlook Windows (2007)",
        "Platform": "windows",
        "Family": "outlook",
        "Version": "2007",
        "Support": "no",
        "NoteNumber": "",
    }
    noted = results["Yahoo! Mail Desktop Webmail (2020-11)"]
    assert (noted["Support"], noted["NoteNumber"]) == ("partial", "2")  # it is y #2
    script = by_slug["html-script"]
    assert (script["Score"]["Unsupported"], script["Results"], script["Tags"]) == (100, [], [])


async def test_our_html_check(http: httpx.AsyncClient, row: MessageRow) -> None:
    """It has places, reads a figure by its letter, and says whose figures they are."""
    check = (await http.get(f"/api/bindpost/v1/messages/{row.id}/html-check")).json()

    by_slug = {feature["slug"]: feature for feature in check["features"]}
    assert by_slug["css-clip-path"]["places"] == [{"line": 2, "where": "style sheet"}]
    assert by_slug["css-display-flex"]["places"] == [{"line": 3, "where": "<b>"}]
    assert by_slug["css-at-import"]["places"] == [{"line": 3, "where": "style sheet"}]
    yahoo = [
        program
        for program in by_slug["css-display-flex"]["programs"]
        if (program["family"], program["version"]) == ("yahoo", "2020-11")
    ]
    assert {program["support"] for program in yahoo} == {"yes"}
    assert yahoo[0]["notes"] == ["2"]
    assert check["is_complete"] is True
    assert check["nodes"] == 9
    assert check["figures"]["url"] == "https://www.caniemail.com/"


@pytest.mark.parametrize(
    ("prefix", "status", "words"),
    [
        ("/api/v1/message", 400, "message does not contain HTML"),
        ("/api/bindpost/v1/messages", 404, "This message has no HTML part."),
    ],
)
async def test_without_html_there_is_nothing_to_check(
    prefix: str, status: int, words: str, http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Mailpit has a 400 and words for it; 404 is for a message that isn't there."""
    unknown = await http.get(f"{prefix}/{'0' * 22}/html-check")
    row = await deliver()
    plain = await http.get(f"{prefix}/{row.id}/html-check")

    assert (plain.status_code, plain.text) == (status, words)
    assert (unknown.status_code, unknown.text) == (404, "404 page not found")


@pytest.mark.parametrize("check", ["html-check", "link-check"])
async def test_mailpits_latest(
    check: str, http: httpx.AsyncClient, row: MessageRow, deliver: Deliver
) -> None:
    """`latest` is the newest, or the newest that matches; none is the generic 404."""
    await deliver(b"Subject: y\r\n\r\nNo links.\r\n")
    path = f"/api/v1/message/latest/{check}"

    named = await http.get(f"/api/v1/message/{row.id}/{check}")
    assert (await http.get(path, params={"query": "subject:x"})).json() == named.json()
    none = await http.get(path, params={"query": "subject:nothing"})
    assert (none.status_code, none.text) == (404, "404 page not found")


async def test_mailpits_link_check(http: httpx.AsyncClient, row: MessageRow, site: Site) -> None:
    """Links first, then pictures; 451 for what leads inside."""
    response = await http.get(f"/api/v1/message/{row.id}/link-check?follow=true")

    assert response.json() == {
        "Errors": 3,
        "Links": [
            {"URL": f"{site.url}/ok", "StatusCode": 200, "Status": "OK"},
            {
                "URL": "http://10.0.0.1/",
                "StatusCode": 451,
                "Status": "Blocked private/reserved address",
            },
            {"URL": f"{site.url}/sheet.css", "StatusCode": 404, "Status": "Not Found"},
            {"URL": f"{site.url}/gone.png", "StatusCode": 404, "Status": "Not Found"},
        ],
    }
    assert (await http.get(f"/api/v1/message/{'0' * 22}/link-check")).status_code == 404


async def test_our_link_check(http: httpx.AsyncClient, row: MessageRow, site: Site) -> None:
    """It asks when it is told to by POST."""
    path = f"/api/bindpost/v1/messages/{row.id}/link-check"

    assert (await http.get(path)).status_code == 405
    assert site.lines == []
    check = (await http.post(path)).json()
    assert check["errors"] == 3
    assert [link["outcome"] for link in check["links"]] == ["fine", "refused", "error", "error"]
    assert [link["status"] for link in check["links"]] == [200, None, 404, 404]
    assert (await http.post(path, params={"follow": "maybe"})).status_code == 400


async def test_nothing_is_asked_that_nobody_wants(
    http: httpx.AsyncClient, row: MessageRow, site: Site
) -> None:
    """
    Looking at a message from every side, and checking its HTML, asks no server for anything.

    GHSA-6jxm-fv7w-rw5j, GHSA-j3fj-qppj-fmmc: Mailpit's HTML check fetched style sheets.
    """
    for show in ("html", "text", "headers", "source", "parts", "links", "check", "session"):
        assert (await http.get(f"/view/{row.id}?show={show}")).status_code == 200
    for path in (f"/api/v1/message/{row.id}", f"/api/v1/message/{row.id}/html-check"):
        assert (await http.get(path)).status_code == 200

    assert site.lines == []


async def test_there_is_no_proxy(http: httpx.AsyncClient, site: Site) -> None:
    """GHSA-8v65-47jx-7mfr: nothing of Mailpit's fetches a URL that a request names."""
    for path in ("/proxy", "/api/v1/proxy", "/screenshot"):
        response = await http.get(path, params={"url": f"{site.url}/ok", "data": site.url})
        assert response.status_code == 404

    assert site.lines == []


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
async def test_another_servers_page_may_not_ask(
    origin: str, http: httpx.AsyncClient, row: MessageRow, site: Site
) -> None:
    """Mailpit's route is a GET; a picture on any page would have links asked for otherwise."""
    headers = {"Sec-Fetch-Site": origin}
    response = await http.get(f"/api/v1/message/{row.id}/link-check", headers=headers)
    posted = await http.post(f"/view/{row.id}/links", headers={"Origin": "https://evil.test"})

    assert response.status_code == posted.status_code == 403
    assert site.lines == []


async def test_without_links_none_is_asked_for(store: MemoryStore, row: MessageRow) -> None:
    """link_check.enabled = false: each way says so, and the page has no button."""
    app = create_app(store, ready=lambda: True, version="1.2.3")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answers = [
            await http.get(f"/api/v1/message/{row.id}/link-check"),
            await http.post(f"/api/bindpost/v1/messages/{row.id}/link-check"),
            await http.post(f"/view/{row.id}/links"),
        ]
        page = await http.get(f"/view/{row.id}?show=links")

    assert {answer.status_code for answer in answers} == {403}
    assert "link_check.enabled" in answers[0].text
    assert "link_check.enabled" in page.text
    assert 'id="check-links"' not in page.text


async def test_the_page_of_the_html_check(http: httpx.AsyncClient, row: MessageRow) -> None:
    """It shows what fails, where and in which programs, for one family if it is chosen."""
    page = (await http.get(f"/view/{row.id}?show=check")).text
    outlook = (await http.get(f"/view/{row.id}?show=check&family=outlook")).text

    assert "display:flex" in page
    assert "<code>style sheet</code> in line 2" in page
    assert "Gmail Android" in page
    assert "Outlook Windows" in outlook
    assert "Gmail Android" not in outlook
    assert "Can I email" in page
    unknown = await http.get(f"/view/{row.id}?show=check&family=<b>")
    assert "by the mail programs that were tested" in unknown.text
    assert "<b>" not in unknown.text


async def test_what_was_not_tested_is_not_called_supported(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Of T-online.de there are no figures for <p>; of Microsoft, a name there, none at all."""
    row = await deliver(b"Content-Type: text/html\r\n\r\n<p style='gap: 0'><marquee>x</marquee>")

    page = (await http.get(f"/view/{row.id}?show=check&family=t-online-de")).text

    assert "2 more were not tested" in page
    assert "1 more is supported everywhere" in page
    assert "&lt;marquee&gt; element" in page
    assert "family-microsoft" not in page


async def test_the_page_of_the_link_check(
    http: httpx.AsyncClient, row: MessageRow, site: Site
) -> None:
    """The button of the page, without a script: results stand beside the links."""
    response = await http.post(
        f"/view/{row.id}/links",
        content="follow=1",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert response.status_code == 200
    assert "3 of 4 need a look." in response.text
    assert "leads to 10.0.0.1, which is private" in response.text
    assert "Pictures and style sheets" in response.text
    assert 'name="follow" value="1" checked' in response.text
    assert (await http.post(f"/view/{row.id}/links", content="x&" * 1_000)).status_code == 413
    assert sorted(site.lines) == [
        "HEAD /gone.png HTTP/1.1",
        "HEAD /ok HTTP/1.1",
        "HEAD /sheet.css HTTP/1.1",
    ]


async def test_a_page_without_html_has_no_check(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """There is no tab for it, and its address says so."""
    row = await deliver()

    assert "HTML check" not in (await http.get(f"/view/{row.id}")).text
    assert "There is no HTML part." in (await http.get(f"/view/{row.id}?show=check")).text


async def test_hostile_html_is_only_text_on_the_page(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Names of elements are the mail's own words."""
    evil = b"<x'\"><script>a</script><b\x01onclick=1 style='gap:0'>"
    row = await deliver(b"Content-Type: text/html\r\n\r\n" + evil)

    page = (await http.get(f"/view/{row.id}?show=check")).text

    assert "<b\x01" not in page
    assert "<x'" not in page
    assert "gap, column-gap, row-gap" in page


async def test_a_form_of_ours_says_where_it_is_from(
    http: httpx.AsyncClient, row: MessageRow
) -> None:
    """Pages send their referrer here and nowhere else; a mail's own document sends none at all."""
    page = await http.get(f"/view/{row.id}")
    mail = await http.get(f"/view/{row.id}/html")

    assert page.headers["referrer-policy"] == "same-origin"
    assert mail.headers["referrer-policy"] == "no-referrer"
