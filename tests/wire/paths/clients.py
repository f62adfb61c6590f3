"""What the benches of SOCKS and of the Winsock Proxy share: clients, and a layer put in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bindpost.config.endpoint import Endpoint

PEER = "127.0.0.9"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Upgraded(asyncio.Protocol):
    """Answers in capitals, as a layer that was put in between would change what is said."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(data.upper())


@asynccontextmanager
async def connected(address: Endpoint, *, source: str = PEER) -> AsyncIterator[Streams]:
    """Connect from an address, and hang up in the end."""
    reader, writer = await asyncio.open_connection(
        address.host, address.port, local_addr=(source, 0)
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
