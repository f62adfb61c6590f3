"""The stand-in SOCKS proxy, a listener bound through it, and what its sessions saw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from bindpost.proxy.provider import Listener
from bindpost.proxy.socks.standin import SocksServer

from .bench import Log, bound


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    """What the sessions saw; they are cut at the end."""
    made = Log()
    yield made
    for transport in made.transports:
        with suppress(AttributeError):  # CPython 3.11.2: a TLS transport that is lost already
            transport.abort()


@pytest.fixture
async def proxy() -> AsyncIterator[SocksServer]:
    """A stand-in that gives one session at a time, like Dante."""
    async with SocksServer() as made:
        yield made


@pytest.fixture
async def listener(proxy: SocksServer, log: Log) -> AsyncIterator[Listener]:
    """A listener that is bound through the stand-in."""
    async with bound(proxy.url(), log) as made:
        yield made
