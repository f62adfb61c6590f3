"""Following the store: every accepted message, in order, once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bindpost.errors import StoreError
from bindpost.server.durable.follow import accepted
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

from ..busy_store import BusyStore


async def add(store: MemoryStore) -> MessageRow:
    """Put a message into a store."""
    facts = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
    envelope = Envelope("a@x", (Recipient("b@x"),))
    return await store.add(Message(new_id(), utc_now(), envelope, facts, b""), ())


@pytest.fixture
async def store() -> AsyncIterator[BusyStore]:
    """Give an empty store."""
    store = BusyStore()
    yield store
    await store.close()


async def take(store: MemoryStore, after: int, count: int) -> list[int]:
    """Give the cursors of the first messages that are followed."""
    rows = accepted(store, after)
    found = [(await anext(rows)).cursor for _ in range(count)]
    await rows.aclose()
    return found


async def test_what_is_kept_comes_oldest_first(store: BusyStore) -> None:
    """The messages behind the cursor come in the order of acceptance, page after page."""
    for _ in range(250):
        await add(store)

    assert await take(store, 3, 247) == list(range(4, 251))


async def test_what_comes_follows_on(store: BusyStore) -> None:
    """After what was there comes what is added, with nothing in between lost."""
    await add(store)
    rows = accepted(store, 0)
    seen = [(await anext(rows)).cursor]
    await add(store)
    await store.mark(None, read=True)
    await add(store)
    seen += [(await anext(rows)).cursor, (await anext(rows)).cursor]
    await rows.aclose()

    assert seen == [1, 2, 4]


async def test_what_comes_while_looking_comes_once(store: BusyStore) -> None:
    """A message that is added during the look at what is there is neither lost nor doubled."""
    await add(store)
    store.meanwhile = [lambda: add(store)] * 2  # behind the first look, and the second

    rows = accepted(store, 0)
    seen = [(await anext(rows)).cursor for _ in range(3)]
    await add(store)
    seen.append((await anext(rows)).cursor)
    await rows.aclose()

    assert seen == [1, 2, 3, 4]


async def test_what_goes_while_looking_costs_none_of_the_others(store: BusyStore) -> None:
    """What is deleted when it was just found is told, and all behind it."""
    kept = [await add(store) for _ in range(5)]
    store.meanwhile = [lambda: store.delete([kept[4].id])]
    rows = accepted(store, 0)
    seen = [(await anext(rows)).cursor for _ in range(5)]
    last = await add(store)
    seen.append((await anext(rows)).cursor)
    await rows.aclose()

    assert seen == [1, 2, 3, 4, 5, last.cursor]


async def test_wide_gaps_are_passed_over(store: BusyStore) -> None:
    """Where there was much else than mail, or it has gone, what is behind that is found."""
    first = await add(store)
    for number in range(2500):
        await store.mark([first.id], read=number % 2 == 0)
    await add(store)

    assert await take(store, 0, 2) == [1, 2502]


async def test_a_closed_store_is_told() -> None:
    """Following ends with the store's error when it is closed."""
    store = MemoryStore()
    await add(store)
    rows = accepted(store, 0)
    await anext(rows)
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await anext(rows)
