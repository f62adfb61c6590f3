"""Read flags in our own API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.choosing import Choice, ids_of

from ..busy_store import BusyStore

Deliver = Callable[..., Awaitable[MessageRow]]
PATH = "/api/bindpost/v1/messages"


async def test_flags_are_set_and_cleared(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """Some or all are marked; the answer tells how many have changed."""
    rows = [await deliver() for _ in range(3)]

    one = await http.patch(PATH, json={"ids": [rows[0].id, "unknown"], "read": True})
    everything = await http.patch(PATH, json={"all": True, "read": True})
    back = await http.patch(PATH, json={"ids": [rows[1].id], "read": False})

    assert [answer.json() for answer in (one, everything, back)] == [
        {"changed": 1},
        {"changed": 2},
        {"changed": 1},
    ]
    assert (await store.count()).unread == 1


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"read": true}', '{"ids": [], "all": true, "read": true}', '{"all": true}'],
)
async def test_nothing_is_marked_by_mistake(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: str
) -> None:
    """A body that doesn't say what is meant marks nothing."""
    await deliver()

    answer = await http.patch(PATH, content=body)

    assert answer.status_code == 400
    assert answer.text.startswith("Nothing was marked: ")
    assert (await store.count()).unread == 1


async def test_what_a_search_finds_is_marked_and_deleted(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """A search means what it finds, but for what came later and what is excepted."""
    rows = [await deliver(b"Subject: tea %d\r\n\r\nx" % number) for number in range(4)]
    await deliver(b"Subject: coffee\r\n\r\nx")
    chosen = {"search": "subject:tea", "before": rows[3].cursor, "except": [rows[0].id]}

    marked = await http.patch(PATH, json={**chosen, "read": True})
    deleted = await http.request("DELETE", PATH, json=chosen)
    rest = await http.request("DELETE", PATH, json={"all": True, "except": [rows[0].id]})

    assert marked.json() == {"changed": 2}
    assert deleted.json() == {"deleted": 2, "unknown": []}
    assert rest.json() == {"deleted": 2, "unknown": []}
    assert [row.id for row in await store.find(limit=0)] == [rows[0].id]


@pytest.mark.parametrize(
    "body",
    [
        {"search": ""},
        {"search": "before:yesterdayish"},
        {"search": "x", "all": True},
        {"search": "x", "ids": []},
        {"ids": [], "before": 1},
        {"all": True, "before": -1},
        {"search": "x" * 100_000},
    ],
)
async def test_a_choice_that_is_unclear_does_nothing(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: dict[str, object]
) -> None:
    """What contradicts itself, says nothing or can't be read is refused with a sentence."""
    await deliver()

    marked = await http.patch(PATH, json={**body, "read": True})
    deleted = await http.request("DELETE", PATH, json=body)

    assert (marked.status_code, deleted.status_code) == (400, 400)
    assert marked.text.startswith("Nothing was marked: ")
    assert deleted.text.startswith("Nothing was deleted: ")
    counts = await store.count()
    assert (counts.total, counts.unread) == (1, 1)


async def test_however_many_are_meant_few_are_in_memory(deliver: Deliver) -> None:
    """What a search finds is read some at a time; all of it is meant, but what is listed."""
    store = BusyStore()
    rows = [await deliver(into=store) for _ in range(5_002)]

    ids = await ids_of(store, Choice(search="hello", besides=[rows[7].id]))

    assert ids == [row.id for row in rows[::-1] if row is not rows[7]]
    assert all(0 < limit <= 10_000 for limit in store.limits), store.limits
    await store.close()
