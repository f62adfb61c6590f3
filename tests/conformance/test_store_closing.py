"""The contract of `MessageStore`, sentence by sentence: closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bindpost.errors import StoreError
from bindpost.server.store.store import MessageStore

from .bench import SAID, MakeMessage, take


async def test_close_is_final(store: MessageStore, message: MakeMessage) -> None:
    """Every call on a closed store raises; closing it again is harmless."""
    row = await store.add(message(), SAID)
    changes = store.changes()

    await store.close()

    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.add(message(), SAID),
        lambda: store.end_session("session-1", SAID),
        lambda: store.get(row.id),
        lambda: store.raw(row.id),
        lambda: store.transcript(row.id),
        lambda: store.find(),
        lambda: store.count(),
        lambda: store.mark(None, read=True),
        lambda: store.delete(None),
        lambda: store.sweep(),
        lambda: anext(store.changes()),
        lambda: anext(changes),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="closed"):
            await call()
    await store.close()


async def test_close_finishes_what_is_queued(store: MessageStore, message: MakeMessage) -> None:
    """Messages that were being added when the store is closed are kept, and followers see them."""
    changes = store.changes()
    adding = [asyncio.ensure_future(store.add(message(), SAID)) for _ in range(20)]
    await asyncio.sleep(0)

    await store.close()

    rows = await asyncio.gather(*adding)
    assert [change.row for change in await take(changes, 20)] == rows
    with pytest.raises(StoreError, match="closed"):
        await anext(changes)


async def test_follower_wakes_up_when_the_store_closes(store: MessageStore) -> None:
    """A follower that waits for a change is told that the store is closed."""
    waiting = asyncio.ensure_future(anext(store.changes()))
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await waiting
