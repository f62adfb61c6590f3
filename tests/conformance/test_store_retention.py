"""The contract of `MessageStore`, sentence by sentence: retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bindpost.server.message.model import Message
from bindpost.server.store.store import MessageStore, Retention

from .bench import SAID, MakeMessage, take
from .conftest import OpenStore


async def kept_after(store: MessageStore, adding: list[Message], expected: int) -> list[str]:
    """Add messages, wait until `expected` are left; give their ids, oldest first."""
    changes = store.changes()
    for one in adding:
        await store.add(one, SAID)
    while (await store.count()).total > expected:
        await anext(changes)
    return [row.id for row in reversed(await store.find(limit=0))]


async def test_retention_by_number_lets_the_oldest_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, no more than `max_messages` stay, and they are the newest."""
    store = await open_store(Retention(max_messages=3))
    messages = [message() for _ in range(7)]

    left = await kept_after(store, messages, 3)

    assert left == [one.id for one in messages[-3:]]
    assert await store.sweep() == 0


async def test_retention_by_size_lets_the_oldest_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, no more than `max_bytes` stay, and they are the newest."""
    store = await open_store(Retention(max_bytes=250))
    messages = [message(b"x" * 100) for _ in range(5)]

    left = await kept_after(store, messages, 2)

    assert left == [one.id for one in messages[-2:]]
    assert (await store.count()).size == 200
    assert await store.sweep() == 0


async def test_retention_by_age_lets_the_old_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, messages older than `max_age` go, wherever in the order they stand."""
    store = await open_store(Retention(max_age=60))
    old = datetime.now(UTC) - timedelta(seconds=90)
    young = datetime.now(UTC) - timedelta(seconds=5)
    messages = [message(received=young), message(received=old), message()]
    for one in messages:
        await store.add(one, SAID)

    await store.sweep()

    assert [row.id for row in await store.find()] == [messages[2].id, messages[0].id]


async def test_sweep_without_rules_deletes_nothing(
    store: MessageStore, message: MakeMessage
) -> None:
    """A store without limits keeps everything."""
    await store.add(message(received=datetime(1970, 1, 1, tzinfo=UTC)), SAID)

    assert await store.sweep() == 0
    assert (await store.count()).total == 1


async def test_retention_is_announced(open_store: OpenStore, message: MakeMessage) -> None:
    """A message that retention deletes is a change like any other."""
    store = await open_store(Retention(max_messages=1))
    first, second = message(), message()
    changes = store.changes()

    await store.add(first, SAID)
    await store.add(second, SAID)

    seen = await take(changes, 3)
    assert [(change.kind, change.ids) for change in seen] == [
        ("added", (first.id,)),
        ("added", (second.id,)),
        ("deleted", (first.id,)),
    ]
