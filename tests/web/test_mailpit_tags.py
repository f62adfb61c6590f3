"""Tags through Mailpit's REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

Deliver = Callable[..., Awaitable[MessageRow]]
TAGS = "/api/v1/tags"


async def test_tags_come_from_mail_and_from_clients(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """X-Tags and plus-addresses are there at once; PUT replaces them, cleaned."""
    row = await deliver(b"X-Tags: one, Two\r\n\r\n", to=("bob+three@x",))
    assert (await http.get(TAGS)).json() == ["one", "three", "Two"]

    response = await http.put(TAGS, json={"ids": [row.id], "Tags": ["b/c", "A", "a"]})

    assert (response.status_code, response.text) == (200, "ok")
    assert (await http.get(TAGS)).json() == ["A", "b c"]
    message = (await http.get(f"/api/v1/message/{row.id}")).json()
    inbox = (await http.get("/api/v1/messages")).json()
    assert message["Tags"] == inbox["messages"][0]["Tags"] == inbox["tags"] == ["A", "b c"]


async def test_without_ids_no_tag_changes(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """PUT without ids answers ok, as Mailpit does, and changes nothing."""
    await deliver(to=("bob+one@x",))

    assert (await http.put(TAGS, json={"Tags": []})).text == "ok"
    assert await store.tags() == {"one": 1}


async def test_a_tag_is_renamed_and_removed(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """PUT and DELETE on a tag, in any case, change it on every message."""
    await deliver(to=("a+one@x",))
    await deliver(to=("b+one@x",))

    assert (await http.put(f"{TAGS}/ONE", json={"Name": "a<b"})).text == "ok"
    assert await store.tags() == {"a b": 2}
    assert (await http.delete(f"{TAGS}/a%20b")).text == "ok"
    assert await store.tags() == {}
    assert (await store.count()).total == 2


@pytest.mark.parametrize(
    ("tag", "name", "text"),
    [
        ("none", "x", "tag not found: none"),
        ("one", "", "invalid tag name: "),
        ("one", "<>", "invalid tag name: <>"),
        ("one", "TWO", "tag already exists: TWO"),
    ],
)
async def test_a_bad_name_is_refused(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, tag: str, name: str, text: str
) -> None:
    """A tag that is not there, or a name that can't be one, gives Mailpit's text."""
    await deliver(to=("a+one+two@x",))

    response = await http.put(f"{TAGS}/{tag}", json={"Name": name})

    assert (response.status_code, response.text) == (400, text)
    assert await store.tags() == {"one": 1, "two": 1}


@pytest.mark.parametrize("tag", ["..%2f..%2fetc", "%00", "%0d%0aX-Evil:1", "a'b", "é"])
async def test_a_tag_is_never_more_than_a_name(
    http: httpx.AsyncClient, deliver: Deliver, tag: str
) -> None:
    """Whatever stands in the path is looked up among the tags, and reaches no header."""
    await deliver(to=("a+one@x",))

    response = await http.delete(f"{TAGS}/{tag}")

    assert response.status_code in (400, 404)
    assert "x-evil" not in response.headers


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"Tags": "x"}', b'{"IDs": [1]}'])
async def test_a_bad_body_changes_no_tag(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: bytes
) -> None:
    """A body that can't be read gives 400."""
    await deliver(to=("a+one@x",))

    assert (await http.put(TAGS, content=body)).status_code == 400
    assert await store.tags() == {"one": 1}


async def test_a_large_body_is_refused(http: httpx.AsyncClient) -> None:
    """A body of more than 5 MiB gives 413."""
    assert (await http.put(TAGS, content=b" " * (5 * 1024 * 1024 + 1))).status_code == 413
