"""The listener, its sessions, and the warnings that were logged."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bindpost.testing.logged import heard_by

from .bench import PATIENCE, Bench, Echo, Warnings, listening


@pytest.fixture(autouse=True)
async def nothing_unhandled() -> AsyncIterator[None]:
    """See that no error is left with the loop."""
    unhandled: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    yield
    gc.collect()
    assert unhandled == [], unhandled


@pytest.fixture
async def warnings() -> AsyncIterator[Warnings]:
    """Take the log."""
    warnings = Warnings()
    with heard_by(warnings):
        yield warnings


@pytest.fixture
async def sessions() -> list[Echo]:
    """The sessions that were begun."""
    return []


@pytest.fixture
async def bench(sessions: list[Echo]) -> AsyncIterator[Bench]:
    """A listener of echoes."""
    async with listening(lambda: Echo(sessions)) as made:
        yield made
    for session in sessions:
        async with asyncio.timeout(PATIENCE):
            await session.ended.wait()
