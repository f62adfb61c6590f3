"""A listener behind the PROXY protocol, its sessions, and clients that say a header."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings, Tls
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.codec import Header, TcpRoute, dumps
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.provider import BindProvider, Listener, ProtocolFactory
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import LiveSession, Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.testing.logged import Line

PATIENCE = 10.0
"""Seconds after which something that must happen has not happened."""

HERE = Endpoint.parse("127.0.0.1:0")
ROUTE = TcpRoute(ip_address("192.0.2.1"), 56324, ip_address("198.51.100.2"), 25)

V1 = dumps(Header(version=1, route=ROUTE))

V2 = dumps(Header(version=2, route=ROUTE))


class Warnings:
    """The warnings that were logged."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def __call__(self, fields: Line) -> None:
        """Take a record; nothing is printed."""
        if fields["log_level"] == "warning":
            self.seen.append(fields)
            self._news.set()

    async def first(self) -> dict[str, Any]:
        """Give the first, when it has come."""
        async with asyncio.timeout(PATIENCE):
            await self._news.wait()
        return self.seen[0]


class Echo(asyncio.Protocol):
    """Notes what it is told, and echoes."""

    def __init__(self, log: list[Echo]) -> None:
        log.append(self)
        self.data = b""
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self.data += data
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.ended.set()

    def told(self, *names: str) -> list[object]:
        """Give extra infos."""
        return [self.transport.get_extra_info(name) for name in names]


class Peer:
    """A client that is closed when the test ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @property
    def name(self) -> object:
        """Its own address."""
        return self.writer.get_extra_info("sockname")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def say(self, data: bytes, *, until: bytes | None = None) -> bytes:
        """Send bytes and give the answer, up to `until` (the same bytes, from an echo)."""
        self.send(data)
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(until or data)

    async def closed(self) -> bytes:
        """Give what comes until the server closes, in whatever way it does."""
        data = b""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while piece := await self.reader.read(65536):
                    data += piece
        return data


class Bench:
    """A listener that expects headers."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.peers: list[Peer] = []

    async def connect(self, data: bytes = b"", **options: Any) -> Peer:
        """Connect and send something."""
        (address,) = self.listener.addresses
        if address.is_unix:
            peer = Peer(*await asyncio.open_unix_connection(address.path))
        else:
            peer = Peer(*await asyncio.open_connection(address.host, address.port, **options))
        peer.send(data)
        self.peers.append(peer)
        return peer


@asynccontextmanager
async def listening(
    factory: ProtocolFactory,
    *,
    trusted: tuple[str, ...] = ("127.0.0.1",),
    seconds: float = PATIENCE,
    endpoint: Endpoint = HERE,
    inner: BindProvider | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Bench]:
    """Listen; at the end close the listener and all clients."""
    provider = ProxyProtocolProvider(inner or DirectProvider(), trusted, timeout=seconds)
    listener = await provider.create_server(factory, endpoint, ssl=tls)
    bench = Bench(listener)
    try:
        yield bench
    finally:
        listener.close()
        await listener.wait_closed()
        for peer in bench.peers:
            peer.writer.close()
            with suppress(OSError):
                await peer.writer.wait_closed()


class Live(Sessions):
    """The registry of sessions, which also tells when one has gone."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.left = asyncio.Event()

    def leave(self, session: LiveSession) -> None:
        """Count a session out."""
        super().leave(session)
        self.left.set()


@asynccontextmanager
async def smtp(certificate: Path, *, implicit: bool) -> AsyncIterator[tuple[Bench, MemoryStore]]:
    """Listen with the real SMTP session."""
    listener = ListenerSettings(endpoint=str(HERE), tls="implicit" if implicit else "auto")
    settings = Settings(listener=(listener,), tls=Tls(certificate=str(certificate)))
    resources = Resources.load(settings, hostname="exchange", folder=certificate.parent)
    store = MemoryStore()
    live = Live(10)
    factory = session_factory(resources, listener, via="direct:", store=store, sessions=live)
    async with listening(factory) as bench:
        yield bench, store
    async with asyncio.timeout(PATIENCE):
        await live.left.wait()
    await store.close()
