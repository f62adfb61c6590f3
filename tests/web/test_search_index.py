"""What the web side tells of the search index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.index_state import IndexState
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app

Deliver = Callable[..., Awaitable[MessageRow]]
API = "/api/bindpost/v1/search-index"


class Behind:
    """An index that is behind: a fake."""

    def __init__(self) -> None:
        self.messages = 0

    async def state(self) -> IndexState:
        """Tell how far it is."""
        return IndexState(state="behind", messages_behind=self.messages, seconds_behind=1.5)


@pytest.fixture
def behind() -> Behind:
    """Give an index that is behind."""
    return Behind()


@pytest.fixture
async def indexed(store: MemoryStore, behind: Behind) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app with that index."""
    app = create_app(store, ready=lambda: True, version="1", index=behind)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


async def test_its_lag_is_told(indexed: httpx.AsyncClient, behind: Behind) -> None:
    """The API tells how many messages are behind it, and how long the oldest has been."""
    behind.messages = 3

    assert (await indexed.get(API)).json() == {
        "state": "behind",
        "reason": "",
        "indexed": 0,
        "messages_behind": 3,
        "seconds_behind": 1.5,
    }


async def test_without_an_index_that_is_told(http: httpx.AsyncClient) -> None:
    """Where nobody makes one, the API says so."""
    assert (await http.get(API)).json()["state"] == "none"


@pytest.mark.parametrize(("messages", "shown"), [(0, False), (50, False), (51, True)])
async def test_the_page_tells_of_a_lag_that_is_felt(
    indexed: httpx.AsyncClient, behind: Behind, messages: int, shown: bool
) -> None:
    """The inbox has a line when a search has more than a few messages to read."""
    behind.messages = messages

    page = (await indexed.get("/")).text

    assert (f"{messages} messages are not in the search index yet" in page) == shown
