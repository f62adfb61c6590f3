"""Read flags in our own API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

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
