"""The stand-in Winsock Proxy, a listener bound through it, and one that never answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from bindpost.proxy.provider import Listener
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer

from .bench import EXTERNAL, HERE, INTERNAL, Log


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    """What the sessions saw; they are cut at the end."""
    made = Log()
    yield made
    for transport in made.transports:
        transport.abort()


@pytest.fixture
async def proxy() -> AsyncIterator[WinsockProxyServer]:
    """A stand-in proxy."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL) as made:
        yield made


@pytest.fixture
async def listener(proxy: WinsockProxyServer, log: Log) -> AsyncIterator[Listener]:
    """A listener that is bound through the stand-in."""
    made = await WinsockProvider.from_url(proxy.url).create_server(log.session, HERE)
    yield made
    made.close()
    await made.wait_closed()


@pytest.fixture
def decoy() -> Iterator[socket.socket]:
    """A UDP socket in the proxy's place that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((INTERNAL, 0))
        sock.setblocking(False)
        yield sock
