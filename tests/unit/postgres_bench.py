"""Nodes on one PostgreSQL, each a store in this process, and messages for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    Transcript,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.store import Change
from bindpost.testing.postgres import PostgresServer

Node = Callable[..., Awaitable[PostgresStore]]
SAID: Transcript = (TranscriptLine(0, "S", "220 ready"), TranscriptLine(2, "C", "HELO x"))


@pytest.fixture(name="url")
def empty_schema(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


@pytest.fixture(name="node")
async def one_more_node(url: str) -> AsyncIterator[Node]:
    """Give what opens one more node of the same inbox."""
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> PostgresStore:
            store = await PostgresStore.open(url, **options)
            stack.push_async_callback(store.close)
            return store

        yield open_one


def make_message(
    *, to: str = "to@example.com", session: str = "one", raw: bytes = b"Subject: x\r\n\r\n"
) -> Message:
    """Make a message."""
    return Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("from@example.com", (Recipient(to),)),
        session=SessionFacts(session, utc_now(), "127.0.0.1:25", "direct:", "plain"),
        raw=raw,
    )


async def heard(changes: AsyncIterator[Change], count: int) -> list[Change]:
    """Give the next changes, which must come."""

    async def take() -> list[Change]:
        return [await anext(changes) for _ in range(count)]

    return await asyncio.wait_for(take(), 20)


async def caught_up(store: PostgresStore, sequence: int) -> None:
    """Wait until a node has heard of a change."""
    if store.sequence < sequence:
        await heard(store.changes(), sequence - store.sequence)
