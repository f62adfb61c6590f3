"""The pages for people."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser

import httpx
import pytest

from bindpost.server.message.model import ClientCertificate, new_id
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app
from bindpost.server.web.look import show_size
from bindpost.server.web.pages import VIEWS

from ..busy_store import BusyStore

Deliver = Callable[..., Awaitable[MessageRow]]
OWN_SCRIPTS = ("theme.js", "inbox.js")
HOSTILE = b"<script>alert(1)</script>\"'<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Gathers what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.words.append(data)


async def test_the_inbox_lists_the_newest_fifty(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """The first page links to the newest 50 messages, newest first, and to those behind them."""
    rows = [await deliver() for _ in range(52)]

    page = Page((await http.get("/")).text)

    links = [value for name, value in page.attributes if name == "href" and "/view/" in str(value)]
    assert links == [f"/view/{row.id}" for row in reversed(rows[2:])]
    older = [str(value) for name, value in page.attributes if "before=" in str(value)]
    assert older == [f"/?q=&before={rows[2].cursor}"]
    rest = Page((await http.get(older[0])).text)
    links = [value for name, value in rest.attributes if name == "href" and "/view/" in str(value)]
    assert links == [f"/view/{row.id}" for row in reversed(rows[:2])]


async def test_an_empty_inbox_says_so(http: httpx.AsyncClient) -> None:
    """Without mail the page says what to do."""
    response = await http.get("/")

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "No mail yet" in response.text
    assert "No listener is bound now" in response.text


async def test_a_row_shows_what_people_look_for(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Subject, sender, recipients and the first words are in the list."""
    await deliver(
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Jane <jane@example.com>\r\n\r\nFirst words",
        to=("a@x", "b@x", "c@x", "d@x"),
    )

    words = "".join(Page((await http.get("/")).text).words)

    for expected in ("Grüße", "Jane <jane@example.com>", "to a@x +3", "First words"):
        assert expected in words


async def test_a_message_page_shows_all_that_is_known(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Each view shows its part: header, text, source, envelope, session and transcript."""
    row = await deliver(
        b"Subject: Hello\r\nFrom: Jane <jane@example.com>\r\nX-Own: header\r\n\r\nThe text.\r\n",
        sender="bounces@example.com",
        parameters={"BODY": "8BITMIME", "SMTPUTF8": None},
    )

    for view, expected in {
        "": ("Hello", "The text.", "<jane@example.com>"),
        "text": ("The text.",),
        "headers": ("X-Own",),
        "source": ("X-Own: header", f"{row.size} bytes"),
        "parts": ("text/plain",),
        "links": ("There are no links",),
        "session": (
            *("<bounces@example.com>", "BODY=8BITMIME", "SMTPUTF8", "<bob@example.com>"),
            *("127.0.0.1:50123", "client.example", "220 ready"),
        ),
        "html": ("There is no HTML part.",),
    }.items():
        page = Page((await http.get(f"/view/{row.id}", params={"show": view})).text)
        for words in expected:
            assert words in "".join(page.words), view
        assert ("href", f"/api/v1/message/{row.id}/raw?dl=1") in page.attributes


async def test_a_message_page_shows_who_was_told_of(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """By XCLIENT; the real peer stays, and markup in what was told is text."""
    row = await deliver(xclient={"ADDR": "192.0.2.7", "HELO": "<b>x</b>"})

    page = Page((await http.get(f"/view/{row.id}?show=session")).text)

    words = "".join(page.words)
    assert "127.0.0.1:50123, LHLO client.example" in words
    assert "XCLIENT ADDR192.0.2.7" in words
    assert "<b>x</b>" in words


async def test_a_clients_certificate_is_shown(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Its subject, issuer and fingerprint stand with the session, whatever is in them."""
    certificate = ClientCertificate("CN=<b>Ann</b>", "O=x,CN=Authority", "ab" * 32, "ann")
    row = await deliver(certificate=certificate)

    page = Page((await http.get(f"/view/{row.id}?show=session")).text)

    said = "".join(page.words)
    for words in ("CN=<b>Ann</b>", "of O=x,CN=Authority", "SHA-256 " + "ab" * 32):
        assert words in said


async def test_an_unknown_view_is_refused(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A view that there isn't is told, with those that there are."""
    row = await deliver()

    answer = await http.get(f"/view/{row.id}?show=../x")

    assert answer.status_code == 400
    assert "is none of html, text" in answer.text


async def test_a_message_page_marks_it_read(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """Looking at a message sets its read flag."""
    row = await deliver()

    await http.get(f"/view/{row.id}")

    assert (await store.count()).unread == 0


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"Subject: " + HOSTILE + b"\r\n\r\n", id="subject"),
        pytest.param(b"From: " + HOSTILE + b" <a@b>\r\n\r\n", id="from"),
        pytest.param(b"To: " + HOSTILE + b"\r\nDate: " + HOSTILE + b"\r\n\r\n", id="to"),
        pytest.param(b"X-" + HOSTILE[:1] + b": a\r\n\r\n", id="name"),
        pytest.param(b"\r\n" + HOSTILE, id="text"),
        pytest.param(b"Content-Type: text/html\r\n\r\n" + HOSTILE, id="html"),
        pytest.param(b'Content-Type: a/b; name="' + HOSTILE[:25] + b'"\r\n\r\nx', id="file name"),
    ],
)
async def test_hostile_mail_is_only_text(
    http: httpx.AsyncClient, deliver: Deliver, raw: bytes
) -> None:
    """What a message says is text on the page and never an element or an attribute."""
    row = await deliver(raw, to=("<script>@x",), sender='"><script>')

    views = [f"/view/{row.id}?show={view}" for view in VIEWS]
    for path in ("/", *views, f"{views[0]}&remote=1"):
        page = Page((await http.get(path)).text)
        assert "img" not in page.tags
        assert page.tags.count("script") == len(OWN_SCRIPTS)
        assert not [name for name, _ in page.attributes if name.startswith(("on", "style"))]


@pytest.mark.parametrize("path", ["/", "/view/{id}", "/events", "/path"])
async def test_pages_carry_no_script_and_no_style_inside(
    http: httpx.AsyncClient, deliver: Deliver, path: str
) -> None:
    """Scripts and styles are files of our own, so the policy forbids all that stands in a page."""
    row = await deliver()

    answer = await http.get(path.format(id=row.id))
    page = Page(answer.text)

    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "style" not in [*page.tags, *(name for name, _ in page.attributes)]
    sources = [str(value) for name, value in page.attributes if name == "src"]
    assert all(source.startswith(("/static/", "/view/")) for source in sources)
    assert re.findall(r"<script[^>]*>[^<]", answer.text) == []


async def test_only_links_that_lead_somewhere_are_links(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """What a mail's link does beside opening a page or a mail isn't offered to be clicked."""
    row = await deliver(
        b"Content-Type: text/html\r\n\r\n<a href='javascript:alert(1)'>a</a>"
        b"<a href='data:text/html,x'>b</a><a href='https://x.example/'>c</a>"
    )

    page = Page((await http.get(f"/view/{row.id}?show=links")).text)

    links = [str(value) for name, value in page.attributes if name == "href"]
    assert "https://x.example/" in links
    assert not [link for link in links if link.startswith(("javascript", "data"))]
    assert "javascript:alert(1)" in "".join(page.words)


async def test_odd_messages_have_a_page(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A message of any bytes can be looked at, and one without any."""
    for raw in (b"", bytes(range(256)), b"Date: 1 Jan 0001 00:00:00 +0000\r\n\r\n"):
        row = await deliver(raw, to=())
        assert (await http.get(f"/view/{row.id}")).status_code == 200


async def test_long_texts_are_clipped(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A page shows the beginning of a long text and says that there is more."""
    row = await deliver(b"\r\n" + b"x" * 300_000)

    response = await http.get(f"/view/{row.id}")

    assert len(response.content) < 260_000
    assert "the raw source has the rest" in response.text


async def test_latest_leads_to_the_newest(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """/view/latest goes to the newest message's page, or to the inbox."""
    empty = await http.get("/view/latest")
    row = await deliver()
    newest = await http.get("/view/latest")

    assert (empty.status_code, empty.headers["location"]) == (302, "/")
    assert (newest.status_code, newest.headers["location"]) == (302, f"/view/{row.id}")


async def test_an_unknown_message_has_no_page(http: httpx.AsyncClient) -> None:
    """An unknown id gives 404."""
    assert (await http.get(f"/view/{new_id()}")).status_code == 404


async def test_the_style_sheet_is_served(http: httpx.AsyncClient) -> None:
    """The one style sheet comes as CSS, once."""
    response = await http.get("/static/style.css")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")
    again = await http.get("/static/style.css", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["..%2fapp.py", "%2e%2e/app.py", "....//app.py", "../../pyproject.toml"]
)
async def test_nothing_beside_the_static_files_is_served(
    http: httpx.AsyncClient, path: str
) -> None:
    """No path leads out of the folder of static files."""
    assert (await http.get(f"/static/{path}")).status_code == 404


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.0 GiB")],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    """A size is written in the unit that suits it."""
    assert show_size(size) == text


async def test_what_comes_while_the_list_is_made_is_told_to_it(deliver: Deliver) -> None:
    """A list is followed from before it was read: no message is too late for one, and too early."""
    store = BusyStore()
    store.meanwhile = [lambda: deliver(into=store)]
    app = create_app(store, ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        page = (await http.get("/")).text

    assert '<ol id="rows" class="rows" data-sequence="0">' in page
    assert "data-id=" not in page
    await store.close()
