"""The client against a server whose every datagram the test writes."""

from __future__ import annotations

import asyncio
import socket
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
from bindpost.proxy.winsock.announcements import Announcements
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig
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
    Listening,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
    Unknown,
)
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.wire import FIRST_CLIENT_ID, Address

HOST = "127.0.0.1"
EXTERNAL = "127.0.0.2"
SERVER_ID = b"srvr"
BIND_ID = b"bind"
PATIENT = Timing(tries=2, interval=5.0)

M = TypeVar("M")


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


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


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """A proxy without a will of its own."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Script, local_addr=(HOST, 0))
    yield protocol
    transport.close()


class Peers(asyncio.Protocol):
    """Sessions that put the peer of each into a queue, and hang up."""

    def __init__(self, names: asyncio.Queue[object]) -> None:
        self.names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who is there."""
        self.names.put_nowait(transport.get_extra_info("peername"))
        transport.close()


@pytest.fixture
async def names() -> asyncio.Queue[object]:
    """The peers that the sessions were told."""
    return asyncio.Queue()


@asynccontextmanager
async def binding(
    script: Script,
    names: asyncio.Queue[object],
    *,
    timing: Timing = PATIENT,
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
    provider = WinsockProvider(config, timing=timing, grace=grace)
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


# Numbers and ids (section 2.1 of the notes: as Dante plays them)


async def test_first_hello_has_the_fixed_client_id_and_no_server_id(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """Hello 1 carries the bytes 0A 00 00 00, then zeros; hello 2 a random id and the server's."""
    async with binding(script, names):
        first, _ = await script.hear(Hello)
        script.say(HelloAck(control=Address(HOST, script.port)))
        second, hello = await script.hear(Hello)

    assert (first.client_id, first.server_id) == (FIRST_CLIENT_ID, bytes(4))
    assert second.client_id not in (FIRST_CLIENT_ID, bytes(4))
    assert second.server_id == SERVER_ID
    assert second.application == hello.executable == "MSEXCIMC.EXE"


async def test_numbers_are_dantes(script: Script, names: asyncio.Queue[object]) -> None:
    """Sequence 0 up to BIND, then one more each; ack is the server's latest number."""
    numbers = []
    async with binding(script, names) as task:
        for answer in (HelloAck(control=Address(HOST, script.port)), Acknowledgement()):
            packet, _ = await script.hear(Hello)
            numbers.append((packet.sequence, packet.ack))
            script.say(answer)
        packet, bind = await script.hear(Bind)
        numbers.append((packet.sequence, packet.ack))
        external = Address(EXTERNAL, bind.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        packet, listen = await script.hear(TcpBind)
        numbers.append((packet.sequence, packet.ack))
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)
        packet, _ = await script.hear(Listening)
        numbers.append((packet.sequence, packet.ack))
        await task
        script.say(
            BindInfo(
                bind_id=BIND_ID, peer=Address("192.0.2.1", 9), internal_port=7, external=external
            )
        )
        packet, _ = await script.hear(BindInfoAck)
        numbers.append((packet.sequence, packet.ack))
    packet, _ = await script.hear(SessionEnd)
    numbers.append((packet.sequence, packet.ack))

    assert numbers == [(0, 0), (0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 4)]
    assert (bind.local_port, bind.address) == (bind.port, "0.0.0.0")
    assert (listen.bind_id, listen.local_port, listen.backlog) == (BIND_ID, bind.port, 5)


# Retransmission


async def test_unanswered_request_is_sent_again_unchanged(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """Each request that got lost comes a second time, byte for byte, and the bind succeeds."""
    pairs = []
    async with binding(script, names, timing=Timing(tries=3, interval=0.02)) as task:
        answers: list[Message] = [HelloAck(control=Address(HOST, script.port)), Acknowledgement()]
        for _ in range(2):
            pairs.append((await script.heard.get(), await script.heard.get()))
            script.say(answers.pop(0))
        pairs.append((await script.heard.get(), await script.heard.get()))
        request = Packet.loads(pairs[-1][1]).message
        assert isinstance(request, Bind)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        pairs.append((await script.heard.get(), await script.heard.get()))
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)
        listener = await task

    assert [one == two for one, two in pairs] == [True] * 4
    assert listener.addresses[0] == Endpoint(*external)


async def test_answer_that_comes_twice_does_no_harm(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A repeated 0x0400 is not taken for "still working": the lost BIND is sent again."""
    async with binding(script, names, timing=Timing(tries=3, interval=0.02)) as task:
        await script.greet()
        first = await script.heard.get()
        script.say(Acknowledgement(), sequence=1)
        assert await script.heard.get() == first
        request = Packet.loads(first).message
        assert isinstance(request, Bind)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task


async def test_still_working_is_waited_for(script: Script, names: asyncio.Queue[object]) -> None:
    """0x04xx in place of an answer means wait, longer than all tries, and is no refusal."""
    timing = Timing(tries=1, interval=0.05, deadline=20.0)
    async with binding(script, names, timing=timing) as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(Acknowledgement(sub_code=0x11))
        done, _ = await asyncio.wait({task}, timeout=2 * timing.tries * timing.interval)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task
        assert not done


async def test_still_working_for_ever_is_10050(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """The total deadline ends a bind that the proxy only says to work on."""
    timing = Timing(tries=1, interval=0.05, deadline=0.2)
    async with binding(script, names, timing=timing) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Acknowledgement(sub_code=0x11))
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0411 (working)" in error.detail


# Answers that are none


@pytest.mark.parametrize(
    "data", [b"HTTP/1.0 400 Bad Request\r\n\r\n", bytes(172)], ids=["short", "no-tag"]
)
async def test_junk_at_the_greeting_fails_at_once(
    script: Script, names: asyncio.Queue[object], data: bytes
) -> None:
    """What is no Winsock Proxy message is 10050 without waiting for more."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        script.say_bytes(data)
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_other_version_is_told(script: Script, names: asyncio.Queue[object]) -> None:
    """A server of another protocol version is 10050, and the detail says that."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        data = bytearray(Packet(message=HelloAck(control=Address(HOST, 1))).dumps())
        data[6] = 3
        script.say_bytes(bytes(data))
        error = await error_of(task)

    assert "protocol version 00010300" in error.detail


async def test_junk_later_is_passed_over(script: Script, names: asyncio.Queue[object]) -> None:
    """Once the server is known, bytes that are no message change nothing."""
    async with binding(script, names) as task:
        await script.greet()
        script.say_bytes(b"junk")
        _, request = await script.hear(Bind)
        script.say_bytes(b"junk")
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task


async def test_answer_of_another_session_is_passed_over(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A server id that differs from the greeting's makes an answer somebody else's."""
    async with binding(script, names, timing=Timing(tries=1, interval=0.1)) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(AddressInUse(), server_id=b"other"[:4])
        error = await error_of(task)

    assert error.code == 10050
    assert error.detail.startswith("no answer")


async def test_unexpected_command_is_told(script: Script, names: asyncio.Queue[object]) -> None:
    """A server that says something else in place of an answer is silent; the detail tells why."""
    async with binding(script, names, timing=Timing(tries=1, interval=0.1)) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Unknown(code=0x0703))
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "bind")
    assert "unexpected 0x0703" in error.detail


@pytest.mark.meets("winsock://", "wrong_address")
async def test_other_address_than_the_one_asked_for_is_10050(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A proxy that passes over ProxyBindIp is found out, and the bind is not used."""
    async with binding(script, names, proxy_bind_ip="127.0.0.3") as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(BindAck(bind_id=BIND_ID, external=Address(EXTERNAL, request.port)))
        error = await error_of(task)

    assert request.address == "127.0.0.3"
    assert (error.code, error.hop) == (10050, "bind")
    assert "ProxyBindIp" in error.hint


# Refusals


async def test_refused_hello_is_10050(script: Script, names: asyncio.Queue[object]) -> None:
    """0x08xx in answer to a hello is 10050, hop greeting."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        script.say(Refusal(operation=0))
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_refused_bind_is_10050(script: Script, names: asyncio.Queue[object]) -> None:
    """0x0804 is 10050, and the detail names the refusal and its Winsock code."""
    async with binding(script, names) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Refusal(operation=4))
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0804" in error.detail
    assert "10013" in error.detail


async def test_port_that_is_taken_at_listen_is_10048(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """0x0701 in answer to listen is 10048 too, and the session is ended."""
    async with binding(script, names) as task:
        port = await script.bind()
        await script.hear(TcpBind)
        script.say(AddressInUse(), ack=1)
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert error.code == 10048
    assert f"port {port} " in error.detail


async def test_free_port_is_tried_until_both_sides_have_it(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """For port 0 a number that is taken on the proxy is not the end: another one is asked for."""
    async with binding(script, names) as task:
        await script.greet()
        _, first = await script.hear(Bind)
        script.say(AddressInUse())
        _, second = await script.hear(Bind)
        external = Address(EXTERNAL, second.port)
        script.say(BindAck(bind_id=BIND_ID, external=external), ack=1)
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=2)
        listener = await task

    assert first.port != second.port
    assert [address.port for address in listener.addresses] == [second.port] * 2


@pytest.mark.meets("winsock://", "wrong_port")
async def test_other_port_than_asked_for_is_10048(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A proxy that binds another port has not done what was asked."""
    async with binding(script, names) as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(BindAck(bind_id=BIND_ID, external=Address(EXTERNAL, request.port ^ 1)))
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert error.code == 10048
    assert "in place of" in error.detail


# Notices


def notice(port: int, internal_port: int, *, bind_id: bytes = BIND_ID) -> BindInfo:
    """Give the notice of a connection from 192.0.2.1:4711."""
    return BindInfo(
        bind_id=bind_id,
        peer=Address("192.0.2.1", 4711),
        internal_port=internal_port,
        external=Address(EXTERNAL, port),
    )


async def test_repeated_notice_is_acknowledged_again(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """When the acknowledgement got lost, the same bytes are sent once more."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(notice(port, 4000), sequence=4)
        first = await script.heard.get()
        script.say(notice(port, 4000), sequence=4)

        assert await script.heard.get() == first
        assert Packet.loads(first).message == BindInfoAck(notice=notice(port, 4000))


async def test_acknowledgements_are_remembered_for_a_while_only(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """After 256 more notices a repeated one counts as new; memory is bounded."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        answers = []
        for number in [*range(257), 0]:
            script.say(notice(port, 4000 + number), sequence=number & 0xFF)
            answers.append(await script.heard.get())

    assert answers[0] != answers[-1]


async def test_packet_that_nobody_waits_for_is_passed_over(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """An acknowledgement or a refusal out of the blue changes nothing."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(Refusal(operation=4))
        script.say(notice(port, 4000))

        await script.hear(BindInfoAck)


async def test_notice_of_another_bind_is_passed_over(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A notice whose bind id is not ours gets no acknowledgement."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(notice(port, 4000, bind_id=b"else"))
        script.say(notice(port, 4001))
        _, answer = await script.hear(BindInfoAck)

    assert answer.notice.internal_port == 4001


async def connect_from_proxy(listener: Listener) -> tuple[socket.socket, int]:
    """Connect to the local half from the proxy's address; gives the socket and its port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.bind((HOST, 0))
    here = listener.addresses[1]
    await asyncio.get_running_loop().sock_connect(sock, (here.host, here.port))
    return sock, int(sock.getsockname()[1])


async def test_connection_may_overtake_its_notice(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A connection that comes before its notice is held until that comes, and told rightly."""
    async with binding(script, names, grace=10.0) as task:
        port = await script.serve()
        sock, internal_port = await connect_from_proxy(await task)
        with sock:
            script.say(notice(port, internal_port))

            assert await names.get() == ("192.0.2.1", 4711)


async def test_notice_counts_for_one_connection_and_its_own_port_only(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A connection from the proxy's address without a notice of its own is a local client."""
    async with binding(script, names, grace=0.01) as task:
        port = await script.serve()
        listener = await task
        script.say(notice(port, 1))
        await script.hear(BindInfoAck)
        sock, internal_port = await connect_from_proxy(listener)
        with sock:
            assert await names.get() == (HOST, internal_port)


async def test_notice_expires() -> None:
    """A notice whose connection never came is not kept for a later client with that port."""
    announcements = Announcements(0.0, lifetime=-1.0)
    announcements.add(notice(25, 4000))

    assert announcements.take(4000) is None


async def test_announcements_are_bounded() -> None:
    """However many notices come, only the latest are kept."""
    announcements = Announcements(0.0)
    for port in range(1, 2001):
        announcements.add(notice(25, port))

    assert announcements.take(1) is None
    assert announcements.take(2000) is not None
