"""A proxy that says what a test scripts, and binds that are begun through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TypeVar

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    Bind,
    BindAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    TcpBind,
    TcpBindAck,
)
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.wire import Address

HOST = "127.0.0.1"
EXTERNAL = "127.0.0.2"
SERVER_ID = b"srvr"
BIND_ID = b"bind"
PATIENT = Timing(tries=2, interval=5.0)
M = TypeVar("M")


class Script(asyncio.DatagramProtocol):
    """A proxy that says what the test has it say, and shows what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.client: tuple[str, int] | None = None
        self.sequence = -1

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep what came."""
        self.client = addr
        self.heard.put_nowait(data)

    async def hear(self, kind: type[M]) -> tuple[Packet, M]:
        """Give the next datagram, which must be of this kind."""
        packet = Packet.loads(await self.heard.get())
        assert isinstance(packet.message, kind)
        return packet, packet.message

    def say(
        self,
        message: Message,
        *,
        ack: int = 0,
        sequence: int | None = None,
        server_id: bytes = SERVER_ID,
    ) -> None:
        """Send a message, with the next number unless another is given."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.say_bytes(
            Packet(message=message, server_id=server_id, ack=ack, sequence=sequence).dumps()
        )

    def say_bytes(self, data: bytes) -> None:
        """Send a datagram as it is."""
        self.transport.sendto(data, self.client)

    async def greet(self) -> None:
        """Play the hello exchange."""
        await self.hear(Hello)
        self.say(HelloAck(control=Address(HOST, self.port)))
        await self.hear(Hello)
        self.say(Acknowledgement())

    async def bind(self) -> int:
        """Play the exchange up to a bound port, and give it."""
        await self.greet()
        _, request = await self.hear(Bind)
        self.say(BindAck(bind_id=BIND_ID, external=Address(EXTERNAL, request.port)))
        return request.port

    async def serve(self) -> int:
        """Play the exchange up to a listening port, and give it."""
        port = await self.bind()
        await self.hear(TcpBind)
        self.say(TcpBindAck(bind_id=BIND_ID, external=Address(EXTERNAL, port)), ack=1)
        await self.hear(Listening)
        return port


class Peers(asyncio.Protocol):
    """Sessions that put the peer of each into a queue, and hang up."""

    def __init__(self, names: asyncio.Queue[object]) -> None:
        self.names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who is there."""
        self.names.put_nowait(transport.get_extra_info("peername"))
        transport.close()


@asynccontextmanager
async def binding(
    script: Script,
    names: asyncio.Queue[object],
    *,
    grace: float = 0.0,
    proxy_bind_ip: str = "",
) -> AsyncIterator[asyncio.Task[Listener]]:
    """Begin a bind through the script; whatever comes of it is closed in the end."""
    config = ClientConfig.for_server(HOST, script.port, application="msexcimc", origin="test")
    endpoint = Endpoint(HOST, 0)
    if proxy_bind_ip:
        endpoint = Endpoint(HOST, free_port(HOST))
        pairs = ((endpoint.port, IPv4Address(proxy_bind_ip)),)
        config = replace(config, wspcfg=(replace(config.wspcfg[0], proxy_bind_ip=pairs),))
    provider = WinsockProvider(config, timing=PATIENT, grace=grace)
    task = asyncio.create_task(provider.create_server(lambda: Peers(names), endpoint))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            task.result().close()
            await task.result().wait_closed()


async def error_of(task: asyncio.Task[Listener]) -> BindError:
    """Give the error that a bind ends with."""
    with pytest.raises(BindError) as caught:
        await task
    return caught.value
