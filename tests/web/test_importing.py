"""POST /api/bindpost/v1/import."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import Compatibility, create_app

ROUTE = "/api/bindpost/v1/import"
TRICKY = b"From: a@x\nTo: b@x, c@x\r\n\r\n.\r\nFrom me \xff\0 bare\nno end"


async def test_the_bytes_are_kept_as_they_are(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """The answer is the message's row, when it is kept."""
    answer = await http.post(
        ROUTE, params={"sender": "s@x", "recipient": ["r@x", "t@x"]}, content=TRICKY
    )

    assert answer.status_code == 201
    row = answer.json()
    assert await store.raw(row["id"]) == TRICKY
    assert row["envelope"]["reverse_path"] == "s@x"
    assert [to["address"] for to in row["envelope"]["recipients"]] == ["r@x", "t@x"]
    assert row["session"]["via"] == "import"
    assert row["session"]["derived"] == []


async def test_what_is_not_told_is_derived_and_marked(http: httpx.AsyncClient) -> None:
    """Session facts and transcript say which parts of the envelope the header was asked for."""
    row = (await http.post(ROUTE, content=TRICKY)).json()

    message = (await http.get(f"/api/bindpost/v1/messages/{row['id']}")).json()

    assert message["envelope"]["reverse_path"] == "a@x"
    assert [to["address"] for to in message["envelope"]["recipients"]] == ["b@x", "c@x"]
    assert message["session"]["derived"] == ["reverse_path", "recipients"]
    (line,) = message["transcript"]
    assert line["text"].endswith("sender and recipients taken from the header")


async def test_an_empty_sender_is_the_null_reverse_path(http: httpx.AsyncClient) -> None:
    """It was told, so it is not derived."""
    row = (await http.post(ROUTE, params={"sender": ""}, content=TRICKY)).json()

    assert row["envelope"]["reverse_path"] == ""
    assert row["session"]["derived"] == ["recipients"]


@pytest.mark.parametrize(
    ("params", "content", "reason"),
    [
        ({}, b"", "is empty"),
        ({"sender": "a\r\nb"}, b"x", "is no address"),
        ({"recipient": "x" * 2000}, b"x", "is no address"),
        ({"from": "a@x"}, b"x", "is no parameter"),
    ],
)
async def test_bad_requests_import_nothing(
    http: httpx.AsyncClient, store: MemoryStore, params: dict[str, str], content: bytes, reason: str
) -> None:
    """Each is told in a sentence."""
    answer = await http.post(ROUTE, params=params, content=content)

    assert answer.status_code == 400
    assert reason in answer.text
    assert (await store.count()).total == 0


@pytest.fixture
async def small(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app that takes messages of ten bytes."""
    app = create_app(
        store, ready=lambda: True, version="1", compatibility=Compatibility(message_size=10)
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as client:
        yield client


async def test_a_message_that_is_too_large_is_refused(small: httpx.AsyncClient) -> None:
    """The limit is that of SMTP, not that of other bodies."""
    assert (await small.post(ROUTE, content=b"x" * 10)).status_code == 201
    assert (await small.post(ROUTE, content=b"x" * 11)).status_code == 413


async def test_a_page_elsewhere_cannot_import(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """A form of another site can post a body, but not without its Origin."""
    answer = await http.post(ROUTE, content=b"x", headers={"Origin": "http://evil.example"})

    assert answer.status_code == 403
    assert (await store.count()).total == 0
