"""Mailpit's search syntax, and the endpoints that take it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.store.terms import Term
from bindpost.server.web.app import create_app
from bindpost.server.web.mailpit_search import parse_search, read_moment

Deliver = Callable[..., Awaitable[MessageRow]]
SEARCH = "/api/v1/search"


def microseconds(*moment: int) -> int:
    """Give a moment in UTC as microseconds since 1970."""
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("  \t ", []),
        ("Hello", [Term("text", "hello")]),
        ('"Hello  World"', [Term("text", "hello world")]),
        (
            "one -two !three",
            [Term("text", "one"), Term("text", "two", True), Term("text", "three", True)],
        ),
        ("-", [Term("text", "-")]),
        ("from:Jane@X", [Term("from", "jane@x")]),
        ('FROM:"Jane Doe"', [Term("from", "jane doe")]),
        ('-"to:bob@x"', [Term("to", "bob@x", True)]),
        ('to:"<bob@x>, "', [Term("to", "bob@x")]),
        ("cc:a bcc:b reply-to:c", [Term("cc", "a"), Term("bcc", "b"), Term("reply-to", "c")]),
        ("addressed:a message-id:<b>", [Term("addressed", "a"), Term("message-id", "b")]),
        ("subject:My Test", [Term("subject", "My"), Term("text", "test")]),
        ('subject:"My Test"', [Term("subject", "My Test")]),
        ('subject:My" Te"st', [Term("subject", "My Test")]),
        ("tag:News", [Term("tag", "news")]),
        ("is:READ", [Term("read")]),
        ("is:unread", [Term("read", negated=True)]),
        ("!is:unread", [Term("read")]),
        ("is:tagged -has:attachments", [Term("tagged"), Term("attachment", negated=True)]),
        ("has:attachment has:inlines", [Term("attachment"), Term("inline")]),
        ("is:nonsense", [Term("text", "is:nonsense")]),
        ("larger:1k smaller:1.5MB", [Term("larger", 1024), Term("smaller", 1572864)]),
        ('larger:"2 kb"', [Term("larger", 2048)]),
        ("larger:x", [Term("text", "larger:x")]),
        ("larger:0", [Term("text", "larger:0")]),
        ("before:2026-03-01T12:00:00Z", [Term("before", microseconds(2026, 3, 1, 12))]),
        ("http://example.com/", [Term("text", "http://example.com/")]),
        ("to: from:", []),
        ('"unclosed quote', [Term("text", "unclosed quote")]),
        ('<> "" ,', []),
    ],
)
def test_a_search_is_read_as_mailpit_reads_it(text: str, terms: list[Term]) -> None:
    """Spaces part terms, quotes hold them together; prefixes and a minus have their meaning."""
    assert list(parse_search(text)) == terms


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-31", "20260331", "2026/03/31", "03/31/2026", "31 Mar 2026", "March 31, 2026"),
        *("31.03.2026", "2026-03-31T00:00:00+00:00", "2026-03-31 00:00", "2026/03/31 00:00:00"),
        *("Tue, 31 Mar 2026 00:00:00 +0000", "1774915200", "1774915200000", "mar 31 2026"),
    ],
)
def test_dates_are_read_in_many_forms(text: str) -> None:
    """ISO 8601, RFC 5322, seconds, milliseconds and the common ways to write a day."""
    assert read_moment(text, UTC) == microseconds(2026, 3, 31)


def test_dates_are_of_their_zone() -> None:
    """tz says in which zone a date without an offset is."""
    (term,) = parse_search("after:2026-03-01", "America/New_York")

    assert term == Term("after", microseconds(2026, 3, 1, 5))


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "9999-12-31T23:59-14:00", "٣" * 10]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """A date that can't be read is an error, not a term that is passed over."""
    with pytest.raises(ValueError, match="is not a date"):
        read_moment(text)


@pytest.mark.parametrize(
    "zone", ["x", "../etc/passwd", "/etc/localtime", "America", "UTC\x00", "é"]
)
async def test_what_is_no_zone_is_refused(http: httpx.AsyncClient, zone: str) -> None:
    """A name that is no time zone is refused, and never a path."""
    response = await http.get(SEARCH, params={"query": "after:2026-01-01", "tz": zone})

    assert (response.status_code, "is not a time zone" in response.text) == (400, True)


async def test_search_gives_a_page_of_what_matches(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """The counts of the query are beside those of the inbox; tags are all that there are."""
    rows = [await deliver(b"Subject: match\r\n\r\n", to=("b+T@x",)) for _ in range(3)]
    await deliver(b"Subject: other\r\n\r\n")
    await store.mark([rows[0].id], read=True)

    page = (await http.get(f"{SEARCH}?query=subject:match&start=1&limit=1")).json()

    assert [message["ID"] for message in page.pop("messages")] == [rows[1].id]
    assert page == {
        "total": 4,
        "unread": 3,
        "count": 1,
        "messages_count": 3,
        "messages_unread": 2,
        "start": 1,
        "tags": ["T"],
    }


async def test_a_limit_of_zero_only_counts(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Unlike in a list, a search with limit=0 gives no message."""
    await deliver()

    page = (await http.get(f"{SEARCH}?query=hello&limit=0")).json()

    assert (page["messages"], page["count"], page["messages_count"]) == ([], 0, 1)


async def test_before_pages_by_time(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Messages received before a moment are given of lists and searches."""
    row = await deliver()
    moment = row.received.isoformat()

    for path in ("/api/v1/messages?", f"{SEARCH}?query=hello&"):
        assert (await http.get(path, params={"before": moment, "query": "hello"})).json()[
            "count"
        ] == 0
        later = {"before": "2999-01-01", "query": "hello"}
        assert (await http.get(path, params=later)).json()["count"] == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("query", ["", "?query=", "?query=%20"])
async def test_a_search_needs_a_query(http: httpx.AsyncClient, method: str, query: str) -> None:
    """Without a query there is Mailpit's text."""
    response = await http.request(method, SEARCH + query)

    assert (response.status_code, response.text) == (400, "Error: no search query")


async def test_found_messages_are_deleted(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """DELETE takes what matches, and leaves the others."""
    await deliver(b"Subject: match\r\n\r\n")
    other = await deliver(b"Subject: other\r\n\r\n")

    response = await http.delete(f"{SEARCH}?query=subject:match")

    assert (response.status_code, response.text) == (200, "ok")
    assert [row.id for row in await store.find()] == [other.id]


@pytest.mark.parametrize(
    "query", ["before:soon", "from:", '""', "to:x after:", "x" * 9000, "a " * 200]
)
async def test_a_search_that_says_nothing_deletes_nothing(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, query: str
) -> None:
    """A search without a term, or with a date that can't be read, is refused."""
    await deliver()

    deleted = await http.delete(SEARCH, params={"query": query})
    marked = await http.put("/api/v1/messages", json={"Read": True, "Search": query})

    assert (deleted.status_code, marked.status_code) == (400, 400)
    assert (await store.count()).unread == 1


async def test_found_messages_are_marked(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """PUT with Search marks what matches; both IDs and Search are refused in Mailpit's words."""
    row = await deliver(b"Subject: match\r\n\r\n")
    await deliver(b"Subject: other\r\n\r\n")

    await http.put("/api/v1/messages", json={"Read": True, "Search": "subject:match"})
    both = await http.put("/api/v1/messages", json={"IDs": [row.id], "Search": "x"})

    assert [kept.read for kept in await store.find()] == [False, True]
    assert both.text == "You may specify either IDs or a search query, not both"


async def test_latest_may_be_the_latest_that_matches(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """`latest` with a query is the newest match, and Mailpit's words when there is none."""
    row = await deliver(b"Subject: match\r\n\r\nbody")
    await deliver(b"Subject: other\r\n\r\n")

    for rest in ("", "/headers", "/raw"):
        found = await http.get(f"/api/v1/message/latest{rest}?query=subject:match")
        assert b"match" in found.content
        none = await http.get(f"/api/v1/message/latest{rest}?query=subject:nothing")
        assert (none.status_code, none.text) == (404, "Message not found")
    assert (await http.get("/view/latest?query=subject:match")).headers["location"].endswith(row.id)


async def test_a_search_out_of_time_says_so(deliver: Deliver) -> None:
    """A search through contents that takes too long gives 503 and what to do."""
    store = MemoryStore(search_seconds=0)
    await deliver(into=store)
    app = create_app(store, ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get(f"{SEARCH}?query=word")
    await store.close()

    assert response.status_code == 503
    assert "narrow it" in response.text


async def test_searching_leaves_the_loop_free(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """While contents are searched, other requests are answered."""
    words = b"word " * 20_000
    for _ in range(30):
        await deliver(b"\r\n" + words)
    search = asyncio.create_task(http.get(f"{SEARCH}?query=absent"))
    answered = 0
    while not search.done():
        await http.get("/livez")
        await asyncio.sleep(0)  # in process, nothing else lets the search go on
        answered += 1

    assert (await search).json()["messages_count"] == 0
    assert answered > 1
