"""What the tests of SOCKS listeners share: sessions that talk, and clients that connect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.timing import Timing

from .. import clients
from ..clients import PEER, Streams, Upgraded

ANY = Endpoint("0.0.0.0", 0)
QUICK = Timing(linger=0.2, slow=0.2, patience=10.0)


@dataclass
class Log:
    """What the sessions of a listener were, and what the listener reported."""

    transports: list[asyncio.Transport] = field(default_factory=list)
    facts: list[dict[str, object]] = field(default_factory=list)
    lost: list[Exception | None] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = field(
        default_factory=asyncio.Queue
    )

    def session(self) -> Session:
        """Make a session; the protocol factory."""
        return Session(self)

    def report(self, state: ListenerState, error: BindError | None) -> None:
        """Take a report; the listener's callback."""
        self.reports.put_nowait((state, error))

    async def until(self, wanted: ListenerState) -> BindError | None:
        """Return when a state is reported, with the error that caused it."""
        while True:
            state, error = await self.reports.get()
            if state is wanted:
                return error

    def states(self) -> list[ListenerState]:
        """Give what was reported and not yet waited for."""
        return [self.reports.get_nowait()[0] for _ in range(self.reports.qsize())]

    def told(self, name: str) -> list[object]:
        """Give one extra info of each transport, as it was when the session began."""
        return [facts[name] for facts in self.facts]


class Session(asyncio.Protocol):
    """
    Talks like an SMTP server, which closes first: banner, echo, `QUIT`, 221.

    At `upgrade` an `Upgraded` takes over. After the peer's end it says goodbye and closes.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport and greet."""
        self.transport = cast("asyncio.Transport", transport)
        self.log.transports.append(self.transport)
        names = ("peername", "sockname", "via")
        self.log.facts.append({name: transport.get_extra_info(name) for name in names})
        self.transport.write(b"220 hello\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if data == b"QUIT\r\n":
            self.transport.write(b"221 bye\r\n")
            self.transport.close()
        elif data == b"upgrade\r\n":
            self.transport.set_protocol(Upgraded(self.transport))
            self.transport.write(b"go on\r\n")
        else:
            self.transport.write(data)

    def eof_received(self) -> bool:
        """Keep the connection for what is still to be said."""
        asyncio.get_running_loop().call_soon(self._say_goodbye)
        return True

    def _say_goodbye(self) -> None:
        self.transport.write(b"goodbye\r\n")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.log.lost.append(exc)
        self.log.ended.set()


@asynccontextmanager
async def bound(
    url: str, log: Log, *, timing: Timing = QUICK, endpoint: Endpoint = ANY
) -> AsyncIterator[Listener]:
    """Bind, and close in the end."""
    made = await provider_for(url, timing=timing).create_server(
        log.session, endpoint, report=log.report
    )
    try:
        yield made
    finally:
        made.close()
        await made.wait_closed()


@asynccontextmanager
async def connected(address: Endpoint, *, source: str = PEER) -> AsyncIterator[Streams]:
    """Connect from an address and read the banner; hang up in the end."""
    async with clients.connected(address, source=source) as (reader, writer):
        assert await reader.readline() == b"220 hello\r\n"
        yield reader, writer


def provider_for(url: str, *, timing: Timing = QUICK) -> SocksProvider:
    """Give an impatient provider."""
    return SocksProvider(SocksProxy.from_url(url), timing=timing)


async def quit_session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say QUIT, read the answer and close, as SMTP clients do."""
    writer.write(b"QUIT\r\n")
    assert await reader.readline() == b"221 bye\r\n"
    writer.close()


def sockaddr(listener: Listener) -> tuple[str, int]:
    """Give where to connect."""
    return listener.addresses[0].host, listener.addresses[0].port
