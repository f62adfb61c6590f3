"""The scripted proxy, and who the sessions say is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from .bench import HOST, Script


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """A proxy without a will of its own."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Script, local_addr=(HOST, 0))
    yield protocol
    transport.close()


@pytest.fixture
async def names() -> asyncio.Queue[object]:
    """The peers that the sessions were told."""
    return asyncio.Queue()
