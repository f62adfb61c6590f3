"""
The Winsock bench: stand-ins that come and go, binds through them, and clients made by hand.

Everything is on loopback: the proxy's internal address is 127.0.0.1, its external ones 127.0.0.2
and 127.0.0.3, peers are 127.0.0.9 and up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar, cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig, parse_wspcfg
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    Bind,
    BindAck,
    Hello,
    HelloAck,
    Message,
)
from bindpost.proxy.winsock.ntlm import Credentials
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.proxy.winsock.wire import FIRST_CLIENT_ID, Address

from ...fixtures import both_loops as both_loops

INTERNAL, EXTERNAL, ALSO_EXTERNAL, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.9"
ANY_PORT = Endpoint(INTERNAL, 0)
PATIENT = Timing(tries=3, interval=1.0, keep_alive=0.02, pauses=(0.02,))
"""Misses at once what ICMP tells, and does not take a busy machine for a silent proxy."""
HASTY = Timing(tries=2, interval=0.2, keep_alive=0.02, pauses=(0.02,))
"""For proxies that are silent on purpose."""

M = TypeVar("M")


class Echo(asyncio.Protocol):
    """Says who is there as `HOST:PORT`, then echoes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write("{}:{}\n".format(*transport.get_extra_info("peername")).encode())

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self.transport.write(data)


class Caller:
    """A connection to an `Echo`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def name(self) -> str:
        """The own address as `HOST:PORT`."""
        return "{}:{}".format(*self._writer.get_extra_info("sockname"))

    async def greeting(self) -> str:
        """Give who the other side says is there, `""` if it hangs up."""
        with suppress(ConnectionResetError):
            return (await self._reader.readline()).decode().strip()
        return ""

    async def echo(self, text: bytes) -> bytes:
        """Say a line, and give what comes back."""
        self._writer.write(text + b"\n")
        return (await self._reader.readline()).strip()

    async def hang_up(self) -> None:
        """Close."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Bound:
    """A listener, and what it has reported."""

    def __init__(self) -> None:
        self.listener: Listener
        self.reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()

    @property
    def outside(self) -> Endpoint:
        """Where peers connect."""
        return self.listener.addresses[0]

    @property
    def here(self) -> Endpoint:
        """Where local clients connect."""
        return self.listener.addresses[1]

    async def reported(self, state: ListenerState) -> BindError | None:
        """Give the error of the next report, which must be of this state."""
        found, error = await self.reports.get()
        assert found is state, (found, error)
        return error


class Raw(asyncio.DatagramProtocol):
    """A client of the control channel that says what the test has it say."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.client_id = FIRST_CLIENT_ID
        self.server_id = bytes(4)
        self.sequence = -1

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what came."""
        self.heard.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        """Note that nothing listens there any more."""
        self.heard.put_nowait(b"")

    @property
    def address(self) -> Address:
        """Where it sends from."""
        return Address(*self.transport.get_extra_info("sockname"))

    def say(self, message: Message) -> bytes:
        """Send a message with the next number, and give what was sent."""
        self.sequence = (self.sequence + 1) & 0xFF
        data = Packet(
            message=message,
            client_id=self.client_id,
            server_id=self.server_id,
            sequence=self.sequence,
        ).dumps()
        self.transport.sendto(data)
        return data

    async def hear(self, kind: type[M]) -> M:
        """Give the next datagram, which must be of this kind."""
        packet = Packet.loads(await self.heard.get())
        assert isinstance(packet.message, kind), packet
        self.server_id = packet.server_id
        return packet.message

    async def greet(self, executable: str = "MSEXCIMC.EXE", client_id: bytes = b"abcd") -> None:
        """Do the hello exchange."""
        self.client_id, self.server_id = FIRST_CLIENT_ID, bytes(4)
        self.say(Hello(executable=executable))
        await self.hear(HelloAck)
        self.client_id, self.sequence = client_id, -1
        self.say(Hello(executable=executable))
        await self.hear(Acknowledgement)

    async def bind(self, port: int = 0, *, kill_old: bool = False) -> BindAck:
        """Bind a port outside."""
        self.say(Bind(port=port, local_port=port, kill_old=kill_old))
        return await self.hear(BindAck)


class World:
    """The bench; what it made is taken down at its end."""

    hasty = HASTY

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.port = 0

    async def proxy(self, *, external: str = EXTERNAL, **options: Any) -> WinsockProxyServer:
        """Start a stand-in, on the control port of the one before if it is gone."""
        made = WinsockProxyServer(INTERNAL, external, self.port, **options)
        await self._stack.enter_async_context(made)
        self.port = made.address.port
        return made

    def provider(
        self,
        section: str = "",
        *,
        credentials: Credentials | None = None,
        timing: Timing = PATIENT,
        application: str = "msexcimc",
    ) -> WinsockProvider:
        """Give a provider; `section` is what its section says beside that all ports are remote."""
        text = f"[{application}]\nServerBindTcpPorts=0-65535\n{section}"
        sections, warnings = parse_wspcfg(text, "wspcfg.ini")
        assert not warnings
        config = ClientConfig(servers=(INTERNAL,), control_port=self.port, wspcfg=sections)
        return WinsockProvider(
            config, application=application, credentials=credentials, timing=timing
        )

    async def bind(self, provider: WinsockProvider, endpoint: Endpoint = ANY_PORT) -> Bound:
        """Bind through a provider."""
        bound = Bound()
        bound.listener = await provider.create_server(
            Echo, endpoint, report=lambda state, error: bound.reports.put_nowait((state, error))
        )
        self._stack.push_async_callback(bound.listener.wait_closed)
        self._stack.callback(bound.listener.close)
        return bound

    async def error_of(self, provider: WinsockProvider, endpoint: Endpoint = ANY_PORT) -> BindError:
        """Give the error with which a bind fails."""
        with pytest.raises(BindError) as caught:
            await self.bind(provider, endpoint)
        return caught.value

    async def call(self, address: Endpoint, source: str = PEER) -> Caller:
        """Connect from an address."""
        streams = await asyncio.open_connection(address.host, address.port, local_addr=(source, 0))
        caller = Caller(*streams)
        self._stack.push_async_callback(caller.hang_up)
        return caller

    async def visit(self, address: Endpoint) -> bool:
        """Connect from outside; say whether the other side knows who is there."""
        caller = await self.call(address)
        greeting = await caller.greeting()
        await caller.hang_up()
        return greeting == caller.name

    def free_port(self) -> int:
        """Give a TCP port that is free on the application's and on the proxy's addresses."""
        return free_port(INTERNAL, EXTERNAL, ALSO_EXTERNAL)

    async def raw(self, proxy: WinsockProxyServer, source: str = INTERNAL) -> Raw:
        """Make a client of the control channel by hand."""
        transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
            Raw, remote_addr=proxy.address, local_addr=(source, 0)
        )
        self._stack.callback(transport.close)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A bench."""
    async with AsyncExitStack() as stack:
        yield World(stack)
