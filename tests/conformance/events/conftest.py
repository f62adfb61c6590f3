"""An event store of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bindpost.server.message.model import new_id
from bindpost.server.store.events import EventStore

from .bench import OpenEvents, make_store


@pytest.fixture(params=["memory", "sqlite"])
async def open_events(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenEvents]:
    """Give what opens an event store; the test runs once with each implementation."""
    async with AsyncExitStack() as stack:

        async def open_one(*, keep: int = 1000) -> EventStore:
            folder = tmp_path / new_id()
            folder.mkdir()
            store = await make_store(request.param, folder, keep=keep)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(open_events: OpenEvents) -> EventStore:
    """Give an empty store that keeps a thousand events."""
    return await open_events()
