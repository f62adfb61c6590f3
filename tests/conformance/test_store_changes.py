"""The contract of `MessageStore`, sentence by sentence: changes."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.errors import StoreError
from bindpost.server.store.store import MessageStore

from .bench import SAID, UNKNOWN_IDS, MakeMessage, take
from .conftest import OpenStore


async def test_changes_tell_what_happened(store: MessageStore, message: MakeMessage) -> None:
    """Adding, marking and deleting are each a change, rising in sequence; added ones have a row."""
    changes = store.changes()
    row = await store.add(message(), SAID)
    await store.mark([row.id], read=True)
    await store.delete([row.id])

    added, marked, deleted = await take(changes, 3)

    assert (added.kind, added.ids, added.row) == ("added", (row.id,), row)
    assert (marked.kind, marked.ids, marked.row, marked.read) == ("marked", (row.id,), None, True)
    assert (deleted.kind, deleted.ids, deleted.row) == ("deleted", (row.id,), None)
    assert 0 < added.sequence < marked.sequence < deleted.sequence == store.sequence


async def test_what_changes_nothing_is_no_change(store: MessageStore, message: MakeMessage) -> None:
    """Marking what is marked, deleting what isn't there, sweeping and ending tell nobody."""
    await store.add(message(), SAID)
    before = store.sequence

    await store.mark(None, read=False)
    await store.delete(UNKNOWN_IDS)
    await store.sweep()
    await store.end_session("session-1", SAID)

    assert store.sequence == before


async def test_now_is_the_moment_of_the_call(store: MessageStore, message: MakeMessage) -> None:
    """Changes from now on leave out what was, and miss nothing between call and first step."""
    await store.add(message(), SAID)
    changes = store.changes()
    row = await store.add(message(), SAID)

    assert (await anext(changes)).row == row


async def test_changes_go_on_from_a_sequence_number(
    store: MessageStore, message: MakeMessage
) -> None:
    """Changes since a number are all that came after it, then live ones."""
    rows = [await store.add(message(), SAID) for _ in range(5)]
    everything = await take(store.changes(0), 5)
    assert [change.row for change in everything] == rows

    later = store.changes(everything[2].sequence)

    assert await take(later, 2) == everything[3:]
    live = asyncio.ensure_future(anext(later))
    await asyncio.sleep(0)
    row = await store.add(message(), SAID)
    assert (await live).row == row


async def test_no_gap_between_past_and_live(store: MessageStore, message: MakeMessage) -> None:
    """Followers that start while messages come in each see every message, in order, once."""
    count = 120

    async def follow(since: int) -> list[str]:
        seen: list[str] = []
        async for change in store.changes(since):
            seen.extend(change.ids)
            if len(seen) == count:
                break
        return seen

    async def add_all() -> list[str]:
        ids: list[str] = []
        for _ in range(count // 4):
            rows = await asyncio.gather(*(store.add(message(), SAID) for _ in range(4)))
            ids.extend(row.id for row in rows)
            followers.append(asyncio.ensure_future(follow(0)))
        return ids

    followers = [asyncio.ensure_future(follow(0))]
    ids = await add_all()

    assert await asyncio.gather(*followers) == [ids] * len(followers)


async def test_cancelled_step_loses_no_change(store: MessageStore, message: MakeMessage) -> None:
    """A follower whose wait is cancelled can go on and still gets the next change."""
    changes = store.changes()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    row = await store.add(message(), SAID)

    assert (await anext(changes)).row == row


async def test_forgotten_changes_are_an_error(open_store: OpenStore, message: MakeMessage) -> None:
    """Changes that are no longer remembered raise, when asked for and when falling behind."""
    store = await open_store(remembered=3)
    row = await store.add(message(), SAID)
    begun, behind = store.sequence, store.changes()
    for read in (True, False, True, False):
        await store.mark([row.id], read=read)

    with pytest.raises(StoreError, match="no longer remembered"):
        await anext(store.changes(begun))
    with pytest.raises(StoreError, match="no longer remembered"):
        await anext(behind)
    assert len(await take(store.changes(store.sequence - 3), 3)) == 3


async def test_changes_from_the_future_are_an_error(
    store: MessageStore, message: MakeMessage
) -> None:
    """A number that this store has not reached is another store's, and raises."""
    await store.add(message(), SAID)

    with pytest.raises(StoreError, match="has not happened"):
        await anext(store.changes(store.sequence + 1))
    with pytest.raises(StoreError):
        await anext(store.changes(-1))
