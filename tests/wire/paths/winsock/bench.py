"""What the tests of Winsock Proxy listeners share: sessions that echo, and clients that connect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.provider import BindProvider
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer

from ..clients import PEER as PEER
from ..clients import Upgraded
from ..clients import connected as connected

INTERNAL, EXTERNAL = "127.0.0.1", "127.0.0.2"

HERE = Endpoint(INTERNAL, 0)
QUICK = Timing(tries=2, interval=0.05)
"""For a proxy that never answers: one that does may take longer than this."""
PATIENT = Timing(tries=2, interval=10.0)


@dataclass
class Log:
    """The transports that a listener's sessions got, and when the latest session ended."""

    transports: list[asyncio.Transport] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def session(self) -> Session:
        """Make a session; the protocol factory."""
        return Session(self)

    def told(self, name: str) -> list[object]:
        """Give one extra info of each transport."""
        return [transport.get_extra_info(name) for transport in self.transports]


class Session(asyncio.Protocol):
    """Says who is there as `HOST:PORT`, then echoes; at `upgrade` an `Upgraded` takes over."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport and greet."""
        # A cast, because uvloop's transports are no instances of asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        self.log.transports.append(self.transport)
        host, port = transport.get_extra_info("peername")
        self.transport.write(f"{host}:{port}\n".encode())

    def data_received(self, data: bytes) -> None:
        """Echo, or let another protocol have the connection."""
        if data == b"upgrade\n":
            self.transport.set_protocol(Upgraded(self.transport))
            self.transport.write(b"go on\n")
        else:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.log.ended.set()


def name_of(writer: asyncio.StreamWriter) -> str:
    """Give a client's own address as `HOST:PORT`."""
    host, port = writer.get_extra_info("sockname")
    return f"{host}:{port}"


def provider_for(proxy: WinsockProxyServer, *, timing: Timing = PATIENT) -> WinsockProvider:
    """Give the provider that binds everything on this proxy."""
    config = ClientConfig.for_server(*proxy.address, application="msexcimc", origin="test")
    return WinsockProvider(config, timing=timing)


async def refusal(provider: BindProvider, log: Log, endpoint: Endpoint = HERE) -> BindError:
    """Give the error with which a bind fails."""
    with pytest.raises(BindError) as caught:
        await provider.create_server(log.session, endpoint)
    assert caught.value.path == provider.url
    assert caught.value.endpoint == str(endpoint)
    assert caught.value.hint
    return caught.value
