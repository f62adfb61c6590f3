"""The stand-in server against a client whose every datagram the test writes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import pytest

from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
    Unknown,
)
from bindpost.proxy.winsock.standin import SESSIONS, WinsockProxyServer
from bindpost.proxy.winsock.wire import FIRST_CLIENT_ID, Address

INTERNAL, EXTERNAL, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.9"

M = TypeVar("M")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client(asyncio.DatagramProtocol):
    """A client that says what the test has it say, and shows what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.client_id = FIRST_CLIENT_ID
        self.server_id = bytes(4)
        self.sequence = 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep what came."""
        self.heard.put_nowait(data)

    def bytes_of(self, message: Message) -> bytes:
        """Give the datagram of a message, with the next number."""
        self.sequence = (self.sequence + 1) & 0xFF
        return Packet(
            message=message,
            client_id=self.client_id,
            server_id=self.server_id,
            sequence=self.sequence,
        ).dumps()

    def say(self, message: Message) -> bytes:
        """Send a message, and give what was sent."""
        data = self.bytes_of(message)
        self.transport.sendto(data)
        return data

    async def hear(self, kind: type[M]) -> M:
        """Give the next datagram, which must be of this kind."""
        packet = Packet.loads(await self.heard.get())
        assert isinstance(packet.message, kind), packet
        self.server_id = packet.server_id
        return packet.message

    async def greet(self, client_id: bytes = b"abcd") -> None:
        """Do the hello exchange."""
        self.client_id, self.server_id = FIRST_CLIENT_ID, bytes(4)
        self.say(Hello())
        await self.hear(HelloAck)
        self.begin(client_id)
        await self.hear(Acknowledgement)

    def begin(self, client_id: bytes) -> None:
        """Say the second hello, whose numbers are 0."""
        self.client_id, self.sequence = client_id, -1
        self.say(Hello())

    async def bind(self, local_port: int = 0) -> BindAck:
        """Bind a free port outside."""
        self.say(Bind(port=0, local_port=local_port))
        return await self.hear(BindAck)

    async def listen(self, local_port: int = 0) -> BindAck:
        """Bind a free port outside and listen on it."""
        bound = await self.bind(local_port)
        self.say(TcpBind(bind_id=bound.bind_id, local_port=local_port))
        await self.hear(TcpBindAck)
        return bound


@pytest.fixture
async def proxy() -> AsyncIterator[WinsockProxyServer]:
    """A stand-in proxy that repeats its notices soon."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, announce_interval=0.02) as made:
        yield made


Connect = Callable[[WinsockProxyServer], Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make clients of a proxy."""
    async with AsyncExitStack() as stack:

        async def make(proxy: WinsockProxyServer) -> Client:
            loop = asyncio.get_running_loop()
            transport, client = await loop.create_datagram_endpoint(
                Client, remote_addr=proxy.address
            )
            stack.callback(transport.close)
            return client

        yield make


@pytest.fixture
async def client(connect: Connect, proxy: WinsockProxyServer) -> Client:
    """One client of the stand-in."""
    return await connect(proxy)


# Greeting


async def test_hello_ack_tells_the_control_port(proxy: WinsockProxyServer, client: Client) -> None:
    """The first hello is answered with where control messages go."""
    client.say(Hello())

    assert (await client.hear(HelloAck)).control == proxy.address
    assert proxy.url == f"winsock://{proxy.address.host}:{proxy.address.port}"


async def test_what_lacks_the_tag_is_dropped(client: Client) -> None:
    """Bytes without `RWSP` get no answer; the next proper hello does."""
    for data in (b"", b"x", bytes(172), b"\xff" * 4096):
        client.transport.sendto(data)
    client.say(Hello())

    await client.hear(HelloAck)


async def test_what_comes_from_its_own_address_is_dropped(connect: Connect) -> None:
    """A datagram with the server's own address as source starts no loop (MS03-012)."""
    sources: list[tuple[str, int]] = []

    class Watched(WinsockProxyServer):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            sources.append(addr)
            super().datagram_received(data, addr)

    async with Watched(INTERNAL, EXTERNAL) as proxy:
        client = await connect(proxy)
        proxy.datagram_received(client.bytes_of(Hello()), proxy.address)
        client.say(Hello())
        await client.hear(HelloAck)

    assert sources.count(proxy.address) == 1


async def test_unproven_address_gets_one_small_datagram_only(client: Client) -> None:
    """Before the second hello nothing but a short answer is sent, and nothing is bound."""
    hello = client.say(Hello())
    answer = await client.heard.get()
    client.client_id = b"abcd"
    for server_id in (bytes(4), b"nope"):
        client.server_id = server_id
        client.say(Bind(port=0, local_port=1))
        client.say(TcpBind(bind_id=b"0000", local_port=1))
        client.say(SessionEnd())
    client.server_id = b"nope"
    client.begin(b"abcd")
    client.server_id = Packet.loads(answer).server_id
    client.begin(b"abcd")

    await client.hear(Acknowledgement)
    assert len(answer) <= len(hello)
    assert client.heard.empty()


async def test_server_id_differs_per_client(proxy: WinsockProxyServer, connect: Connect) -> None:
    """What one client got does not let another one in."""
    one, two = await connect(proxy), await connect(proxy)
    for client in (one, two):
        client.say(Hello())
        await client.hear(HelloAck)

    assert one.server_id != two.server_id


async def test_sessions_that_hold_ports_are_bounded(connect: Connect) -> None:
    """One client more than there is room for gets no second answer; room that is made is used."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, sessions=3) as proxy:
        clients = [await connect(proxy) for _ in range(3)]
        for client in clients:
            await client.greet()
            await client.bind()
        late = await connect(proxy)
        late.say(Hello())
        await late.hear(HelloAck)
        late.begin(b"late")
        clients[0].say(Hello())
        await clients[0].hear(Acknowledgement)

        assert late.heard.empty()
        assert len(proxy.bound) == 3
        clients[0].say(SessionEnd())
        late.begin(b"late")
        await late.hear(Acknowledgement)


async def test_silent_sessions_without_a_port_make_room(
    proxy: WinsockProxyServer, connect: Connect
) -> None:
    """However many clients greet, the newest gets in, and who has bound keeps what it has."""
    server = await connect(proxy)
    await server.greet()
    await server.bind()
    clients = [await connect(proxy) for _ in range(SESSIONS + 2)]
    for client in clients:
        await client.greet()
    for client in (clients[0], clients[-1]):
        client.say(Bind(port=0, local_port=1))

    await clients[-1].hear(BindAck)
    assert clients[0].heard.empty()
    assert len(proxy.bound) == 2


async def test_new_program_behind_the_same_port_replaces_the_old_one(
    proxy: WinsockProxyServer, client: Client
) -> None:
    """A second hello with a new client id ends what the earlier program held."""
    await client.greet(b"old!")
    await client.bind()
    await client.greet(b"new!")

    assert proxy.bound == []


async def test_silent_client_is_forgotten(connect: Connect) -> None:
    """A client that says nothing for long loses its port."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, idle_after=0.02) as proxy:
        client = await connect(proxy)
        await client.greet()
        await client.listen()
        await proxy.idle()

        assert proxy.bound == []


# Bind and listen


async def test_repeated_request_is_answered_again_and_done_once(
    proxy: WinsockProxyServer, client: Client
) -> None:
    """The same bytes get the same answer, and one port is bound."""
    await client.greet()
    request = client.say(Bind(port=0, local_port=1))
    client.transport.sendto(request)
    first, second = await client.heard.get(), await client.heard.get()

    assert first == second
    assert len(proxy.bound) == 1


async def test_denied_port_is_refused(connect: Connect) -> None:
    """A port that the rules deny is 0x0804."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, deny_ports=[25]) as proxy:
        client = await connect(proxy)
        await client.greet()
        client.say(Bind(port=25, local_port=25))

        assert (await client.hear(Refusal)).operation == 4


async def test_external_address_that_is_not_there_is_refused(connect: Connect) -> None:
    """When the external side cannot be bound at all the bind is 0x0804."""
    async with WinsockProxyServer(INTERNAL, "192.0.2.1") as proxy:
        client = await connect(proxy)
        await client.greet()
        client.say(Bind(port=0, local_port=1))

        await client.hear(Refusal)


async def test_busy_port_is_in_use(client: Client) -> None:
    """A port that something else holds outside is 0x0701."""
    await client.greet()
    with socket.create_server((EXTERNAL, 0)) as other:
        port = other.getsockname()[1]
        client.say(Bind(port=port, local_port=port))

        await client.hear(AddressInUse)


async def test_port_of_another_session_is_in_use(
    proxy: WinsockProxyServer, connect: Connect
) -> None:
    """A port that another client has bound is 0x0701, even before it listens."""
    one, two = await connect(proxy), await connect(proxy)
    await one.greet()
    await two.greet()
    port = (await one.bind()).external.port
    two.say(Bind(port=port, local_port=port))

    await two.hear(AddressInUse)


async def test_session_has_one_port(client: Client) -> None:
    """A second bind in one session is refused."""
    await client.greet()
    await client.bind()
    client.say(Bind(port=0, local_port=2))

    assert (await client.hear(Refusal)).operation == 4


async def test_listen_needs_the_right_bind_id(client: Client) -> None:
    """Listening on what was never bound is refused."""
    await client.greet()
    await client.bind()
    client.say(TcpBind(bind_id=b"0000", local_port=1))

    assert (await client.hear(Refusal)).operation == 7


async def test_what_is_not_offered_gets_no_answer(client: Client) -> None:
    """Name resolution and the like are passed over."""
    await client.greet()
    client.say(Unknown(code=0x070D))
    client.say(Hello())

    await client.hear(Acknowledgement)


async def test_session_end_frees_the_port(proxy: WinsockProxyServer, client: Client) -> None:
    """After 0x251E nobody gets in, and the port can be bound again."""
    await client.greet()
    external = (await client.listen()).external
    client.say(SessionEnd())
    await proxy.idle()

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*external)
    with socket.create_server(external):
        pass


# Connections


@asynccontextmanager
async def outside(address: Address) -> AsyncIterator[Streams]:
    """Connect from outside, and hang up in the end."""
    streams = await asyncio.open_connection(*address, local_addr=(PEER, 0))
    try:
        yield streams
    finally:
        await hang_up(streams[1])


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a stream, and wait until it is."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@dataclass
class Inside:
    """The port behind the proxy: what arrives there."""

    port: int
    arrived: asyncio.Queue[Streams]


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    """A server on the proxy's internal address."""
    arrived: asyncio.Queue[Streams] = asyncio.Queue()

    def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.put_nowait((reader, writer))

    server = await asyncio.start_server(arrive, INTERNAL, 0)
    yield Inside(server.sockets[0].getsockname()[1], arrived)
    server.close()
    await server.wait_closed()


async def test_proxy_connects_only_after_the_acknowledgement(
    client: Client, inside: Inside
) -> None:
    """A notice is repeated, byte for byte, until it is acknowledged; then the proxy connects."""
    await client.greet()
    bound = await client.listen(inside.port)
    async with outside(bound.external) as (_, writer):
        first, second = await client.heard.get(), await client.heard.get()
        early = not inside.arrived.empty()
        notice = Packet.loads(first).message
        assert isinstance(notice, BindInfo)
        client.say(BindInfoAck(notice=notice))
        _, carried = await inside.arrived.get()

        assert first == second
        assert not early
        assert notice.bind_id == bound.bind_id
        assert notice.peer == writer.get_extra_info("sockname")
        assert notice.external == bound.external
        assert carried.get_extra_info("peername") == (INTERNAL, notice.internal_port)
        await hang_up(carried)


async def test_acknowledgement_is_answered(client: Client) -> None:
    """Dante's client waits for a packet after its acknowledgement, and gets 0x0400."""
    await client.greet()
    bound = await client.listen(1)
    async with outside(bound.external):
        client.say(BindInfoAck(notice=await client.hear(BindInfo)))
        while not isinstance(Packet.loads(await client.heard.get()).message, Acknowledgement):
            pass


async def test_connection_that_nobody_wants_is_closed(client: Client) -> None:
    """When the client never acknowledges, the peer is closed after the last try."""
    await client.greet()
    bound = await client.listen(1)
    async with outside(bound.external) as (reader, _):
        assert await reader.read() == b""


async def test_connection_is_closed_when_the_client_does_not_listen(client: Client) -> None:
    """When nothing listens on the client's port, the peer is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.bind((INTERNAL, 0))
        await client.greet()
        bound = await client.listen(deaf.getsockname()[1])
        async with outside(bound.external) as (reader, _):
            client.say(BindInfoAck(notice=await client.hear(BindInfo)))

            assert await reader.read() == b""


async def test_connections_are_bounded(connect: Connect) -> None:
    """A connection more than there is room for is closed without a notice."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, connections=1) as proxy:
        client = await connect(proxy)
        await client.greet()
        bound = await client.listen(1)
        async with outside(bound.external), outside(bound.external) as (reader, _):
            assert await reader.read() == b""


async def test_listen_on_a_port_that_was_taken_meanwhile_is_in_use(client: Client) -> None:
    """Between bind and listen somebody else may have got the port: 0x0701."""
    await client.greet()
    bound = await client.bind()
    with socket.create_server(bound.external):
        client.say(TcpBind(bind_id=bound.bind_id, local_port=1))

        await client.hear(AddressInUse)


async def test_stopping_the_proxy_cuts_what_it_carries(connect: Connect, inside: Inside) -> None:
    """When the stand-in stops, its connections end on both sides and no task is left."""
    before = asyncio.all_tasks()
    async with WinsockProxyServer(INTERNAL, EXTERNAL) as proxy:
        client = await connect(proxy)
        await client.greet()
        bound = await client.listen(inside.port)
        reader, writer = await asyncio.open_connection(*bound.external)
        client.say(BindInfoAck(notice=await client.hear(BindInfo)))
        carried = await inside.arrived.get()

    assert asyncio.all_tasks() == before
    for end in (reader, carried[0]):
        with suppress(ConnectionResetError):
            assert await end.read() == b""
    await hang_up(writer)
    await hang_up(carried[1])
