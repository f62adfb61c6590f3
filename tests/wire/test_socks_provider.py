"""A listener bound through the stand-in proxy: who connects, what comes after, what is left."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError, ConfigError
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import Fault, PortPolicy, SocksServer
from bindpost.proxy.socks.timing import Timing
from bindpost.server.smtp.tls import self_signed_pem

PEER = "127.0.0.9"
ANY = Endpoint("0.0.0.0", 0)
QUICK = Timing(step=2.0, total=5.0, linger=0.2, slow=0.2, patience=0.1)
ONE_AT_A_TIME = (PortPolicy.PLAIN, PortPolicy.STRICT)
SEVERAL = (PortPolicy.REUSEADDR, PortPolicy.SHARED)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


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


class Upgraded(asyncio.Protocol):
    """Answers in capitals, as a layer that was put in between would change what is said."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(data.upper())


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
    reader, writer = await asyncio.open_connection(
        address.host, address.port, local_addr=(source, 0)
    )
    try:
        assert await reader.readline() == b"220 hello\r\n"
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def provider_for(url: str, *, timing: Timing = QUICK) -> SocksProvider:
    """Give an impatient provider."""
    return SocksProvider(SocksProxy.from_url(url), timing=timing)


async def quit_session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say QUIT, read the answer and close, as SMTP clients do."""
    writer.write(b"QUIT\r\n")
    assert await reader.readline() == b"221 bye\r\n"
    writer.close()


async def holdings(proxy: SocksServer) -> tuple[int, int, int]:
    """Count what a test may not leave behind: tasks, threads, descriptors."""
    for _ in range(10):  # what was closed is gone some turns of the loop later, on both sides
        await asyncio.sleep(0)
        await proxy.idle()
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))


async def assert_nothing_left(proxy: SocksServer, before: tuple[int, int, int]) -> None:
    """Hold that there is no more than before; what an earlier test had may have ended meanwhile."""
    now = await holdings(proxy)
    assert all(left <= right for left, right in zip(now, before, strict=True)), (before, now)


# Who connects


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "socks4a"])
async def test_the_peer_is_the_client(proxy: SocksServer, log: Log, scheme: str) -> None:
    """`peername` is the client outside, `sockname` where it connected, `via` the path."""
    async with bound(proxy.url(scheme), log) as listener:
        external = listener.addresses[0]
        async with connected(external) as (_, writer):
            assert log.told("peername") == [writer.get_extra_info("sockname")]

    assert log.told("sockname") == [(external.host, external.port)]
    assert log.told("via") == [proxy.url(scheme)]


@pytest.mark.meets("socks5://", "unknown-peer")
async def test_a_hidden_peer_is_unknown(log: Log) -> None:
    """A proxy that tells 0.0.0.0:0 gives a session whose peer is None, not the proxy."""
    async with (
        SocksServer(faults=[Fault.HIDES_PEER]) as proxy,
        bound(proxy.url(), log) as listener,
        connected(listener.addresses[0]),
    ):
        assert log.told("peername") == [None]


@pytest.mark.meets("socks5://", "in-pieces")
@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("fault", [Fault.SPLITS, Fault.COALESCES])
async def test_replies_and_data_keep_apart(log: Log, scheme: str, fault: Fault) -> None:
    """The second reply is read byte-exact, and what the client says with it isn't lost."""
    async with SocksServer(faults=[fault]) as proxy, bound(proxy.url(scheme), log) as listener:
        address = listener.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"early\r\n")

        assert await reader.readline() == b"220 hello\r\n"
        assert await reader.readline() == b"early\r\n"
        writer.close()
        await writer.wait_closed()


async def test_a_login_is_used(log: Log) -> None:
    """User and password, percent-encoded in the URL, open a proxy that wants them."""
    async with (
        SocksServer(users={"me@home": "p:/#s"}) as proxy,
        bound(proxy.url(login="me%40home:p%3A%2F%23s"), log) as listener,
        connected(listener.addresses[0]),
    ):
        assert log.told("via") == [proxy.url(login="me%40home:***")]


async def test_a_socks4_user_id_is_sent(log: Log) -> None:
    """A user id is part of a SOCKS4 request, and harms nobody who doesn't ask for it."""
    async with (
        SocksServer(versions={4}) as proxy,
        bound(proxy.url("socks4", login="me"), log) as listener,
    ):
        assert listener.state is ListenerState.LISTENING


@pytest.mark.meets("socks5://", "ipv6-literal")
async def test_a_proxy_at_an_ipv6_address(log: Log) -> None:
    """A proxy whose address is IPv6 is dialled as such."""
    async with SocksServer() as proxy:
        url = f"socks5://[::ffff:127.0.0.1]:{proxy.address.port}"
        async with bound(url, log) as listener, connected(listener.addresses[0]):
            assert log.told("via") == [url]


async def test_an_ipv6_port(log: Log) -> None:
    """[::]:PORT has a proxy with IPv6 outside bind it there, and the peer is told as IPv6."""
    async with (
        SocksServer(external="::1") as proxy,
        bound(proxy.url(), log, endpoint=Endpoint("::", 0)) as listener,
        connected(listener.addresses[0], source="::1") as (_, writer),
    ):
        assert listener.addresses[0].host == "::1"
        assert log.told("peername") == [writer.get_extra_info("sockname")]


async def test_a_proxy_with_two_addresses_is_found_at_either(log: Log) -> None:
    """`localhost` works, whichever of its addresses the proxy listens on."""
    async with SocksServer() as proxy:
        url = f"socks5://localhost:{proxy.address.port}"
        async with bound(url, log) as listener, connected(listener.addresses[0]):
            assert len(log.transports) == 1


async def test_bytes_pass_both_ways(listener: Listener) -> None:
    """What a client sends arrives whole, and so does what comes back, to the end."""
    data = bytes(range(256)) * 4096
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(data)

        assert await reader.readexactly(len(data)) == data


async def test_small_writes_are_not_held_back_and_a_dead_proxy_is_noticed(
    listener: Listener, log: Log
) -> None:
    """Nagle's algorithm is off and keepalive on, with 60 s, 15 s and 4 probes."""
    async with connected(listener.addresses[0]):
        sock = log.transports[0].get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [sock.getsockopt(socket.IPPROTO_TCP, name) for name in names] == [60, 15, 4]


# TLS


async def test_protocol_can_be_exchanged(listener: Listener) -> None:
    """set_protocol works in the middle of a session."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"upgrade\r\n")
        await reader.readline()
        writer.write(b"hello\r\n")

        assert await reader.readline() == b"HELLO\r\n"


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context and a client's that trusts it."""
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(self_signed_pem("localhost"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


async def test_starttls_of_aiosmtpd(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """After STARTTLS the session speaks TLS, knows its true peer, and frees the port at QUIT."""
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(object(), hostname="localhost", tls_context=contexts[0]))
        return sessions[-1]

    listener = await provider_for(proxy.url()).create_server(session, ANY, report=log.report)
    for _ in range(3):
        address = listener.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await reader.readline()
        writer.write(b"STARTTLS\r\n")
        await reader.readline()
        await writer.start_tls(contexts[1], server_hostname="localhost")
        writer.write(b"EHLO localhost\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass

        assert sessions[-1].session is not None
        assert sessions[-1].session.ssl is not None
        assert sessions[-1].session.peer == writer.get_extra_info("sockname")
        writer.write(b"QUIT\r\n")
        await reader.readline()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        await log.until(ListenerState.LISTENING)
    listener.close()
    await listener.wait_closed()


async def test_implicit_tls(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """With a context sessions are inside TLS, their peer is true, and the next one comes."""
    listener = await provider_for(proxy.url()).create_server(
        log.session, ANY, ssl=contexts[0], report=log.report
    )
    address = listener.addresses[0]
    for number in range(3):
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=contexts[1], server_hostname="localhost"
        )
        assert await reader.readline() == b"220 hello\r\n"
        assert log.told("peername")[number] == writer.get_extra_info("sockname")
        await quit_session(reader, writer)
        with suppress(OSError):
            await writer.wait_closed()
        await log.until(ListenerState.LISTENING)
    listener.close()
    await listener.wait_closed()

    assert log.lost == [None, None, None]


async def test_client_that_fails_the_handshake_harms_nobody(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Somebody who speaks no TLS is cut off, and the next one is served."""
    listener = await provider_for(proxy.url()).create_server(
        log.session, ANY, ssl=contexts[0], report=log.report
    )
    address = listener.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"EHLO localhost\r\n" * 10)
    with suppress(ConnectionResetError):
        await reader.read()
    writer.close()
    await log.until(ListenerState.LISTENING)
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=contexts[1], server_hostname="localhost"
    )

    assert await reader.readline() == b"220 hello\r\n"
    assert len(log.transports) == 1
    writer.transport.abort()
    listener.close()
    await listener.wait_closed()


# One after the other


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("policy", PortPolicy)
async def test_a_hundred_sessions(log: Log, policy: PortPolicy, scheme: str) -> None:
    """A hundred clients that come when the listener listens are all served, on one port."""
    async with SocksServer(policy=policy) as proxy, bound(proxy.url(scheme), log) as listener:
        address = listener.addresses[0]
        clients = []
        for _ in range(100):
            async with connected(address) as (reader, writer):
                clients.append(writer.get_extra_info("sockname"))
                await quit_session(reader, writer)
            await log.until(ListenerState.LISTENING)
            assert [other.port for other in proxy.bound] == [address.port]

    assert log.told("peername") == clients


@pytest.mark.parametrize("policy", ONE_AT_A_TIME)
async def test_one_at_a_time(log: Log, policy: PortPolicy) -> None:
    """On a server that holds a port while its connection lives, a second client is refused."""
    async with SocksServer(policy=policy) as proxy, bound(proxy.url(), log) as listener:
        async with connected(listener.addresses[0]) as streams:
            await log.until(ListenerState.BUSY)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*sockaddr(listener))
            assert (listener.state, listener.capacity) == (ListenerState.BUSY, 1)
            await quit_session(*streams)
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0]) as streams:
            await quit_session(*streams)


@pytest.mark.parametrize("policy", SEVERAL)
async def test_several_where_the_server_can(log: Log, policy: PortPolicy) -> None:
    """On a server that binds a port again at once, sessions live side by side."""
    async with (
        SocksServer(policy=policy) as proxy,
        bound(proxy.url(), log) as listener,
        connected(listener.addresses[0]) as (reader, writer),
    ):
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0], source="127.0.0.8") as (other, second):
            second.write(b"two\r\n")
            writer.write(b"one\r\n")

            assert await reader.readline() == b"one\r\n"
            assert await other.readline() == b"two\r\n"


async def test_the_number_of_port_zero_is_kept(listener: Listener, log: Log) -> None:
    """Port 0 becomes the first reply's port for the listener's life."""
    before = tuple(listener.addresses)
    async with connected(before[0]) as streams:
        await quit_session(*streams)
    await log.until(ListenerState.LISTENING)

    assert before[0].port
    assert tuple(listener.addresses) == before


async def test_reports_of_a_session(listener: Listener, log: Log) -> None:
    """BUSY and LISTENING are reported for a session, and nothing before the first."""
    assert log.states() == []
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)
    assert await log.until(ListenerState.BUSY) is None
    assert await log.until(ListenerState.LISTENING) is None

    assert log.states() == []


async def test_a_report_that_fails_ends_nothing(proxy: SocksServer, log: Log) -> None:
    """An error in the report goes to the loop's handler; the listener goes on."""
    seen: asyncio.Queue[BaseException] = asyncio.Queue()

    def fail(state: ListenerState, error: BindError | None) -> None:
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.put_nowait(context["exception"]))
    listener = await provider_for(proxy.url()).create_server(log.session, ANY, report=fail)
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)

    assert isinstance(await seen.get(), ZeroDivisionError)  # BUSY
    assert isinstance(await seen.get(), ZeroDivisionError)  # LISTENING
    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


async def test_a_factory_that_fails_ends_nothing(proxy: SocksServer, log: Log) -> None:
    """A session that can't begin is an error for the loop's handler; the next one is served."""
    seen: asyncio.Queue[BaseException] = asyncio.Queue()
    broken = [True]

    def session() -> Session:
        if broken.pop():
            broken.append(False)
            raise ZeroDivisionError
        return Session(log)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.put_nowait(context["exception"]))
    listener = await provider_for(proxy.url()).create_server(session, ANY, report=log.report)
    _, writer = await asyncio.open_connection(*sockaddr(listener))
    assert isinstance(await seen.get(), ZeroDivisionError)
    writer.close()
    await log.until(ListenerState.LISTENING)
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)
    listener.close()
    await listener.wait_closed()


class Refusing(Session):
    """A session that fails as it begins or as it ends."""

    def __init__(self, log: Log, where: str) -> None:
        super().__init__(log)
        self.where = where

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Fail, or begin."""
        if self.where == "begin":
            raise ZeroDivisionError
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, after noting the end."""
        super().connection_lost(exc)
        if self.where == "end":
            raise ZeroDivisionError


@pytest.mark.parametrize("where", ["begin", "end"])
async def test_a_session_that_fails_gives_the_port_back(
    proxy: SocksServer, log: Log, where: str
) -> None:
    """A protocol that raises as it begins or ends doesn't keep the port."""
    seen: asyncio.Queue[object] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.put_nowait(context))
    listener = await provider_for(proxy.url()).create_server(
        lambda: Refusing(log, where), ANY, report=log.report
    )
    reader, writer = await asyncio.open_connection(*sockaddr(listener))
    if where == "end":
        await reader.readline()
        writer.transport.abort()
    await log.until(ListenerState.LISTENING)

    assert await seen.get()
    writer.close()
    listener.close()
    await listener.wait_closed()


# Who closes first


async def test_a_client_that_does_not_close_is_reset(listener: Listener, log: Log) -> None:
    """After `linger` the session's connection is reset, and the port is there again at once."""
    async with connected(listener.addresses[0]) as (reader, writer):
        begun = asyncio.get_running_loop().time()
        writer.write(b"QUIT\r\n")
        assert await reader.readline() == b"221 bye\r\n"
        await log.ended.wait()

        with pytest.raises(ConnectionResetError):
            await reader.read()
        await log.until(ListenerState.LISTENING)
        assert QUICK.linger <= asyncio.get_running_loop().time() - begun < 2
    assert log.lost == [None]


async def test_a_session_is_over_for_its_protocol_at_once(listener: Listener, log: Log) -> None:
    """The protocol is told of the end when it closes; what comes later is thrown away."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"QUIT\r\n")
        await reader.readline()
        await log.ended.wait()
        writer.write(b"more\r\n")
        writer.write_eof()

        assert await reader.read() == b""
        assert log.transports[0].is_closing()
    await log.until(ListenerState.LISTENING)
    assert log.lost == [None]


async def test_a_half_closed_client_gets_its_answers(listener: Listener, log: Log) -> None:
    """A client that has ended its side is answered, then closed without waiting."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"last words\r\n")
        writer.write_eof()

        assert await reader.read() == b"last words\r\ngoodbye\r\n"
    await log.until(ListenerState.LISTENING)
    assert log.lost == [None]


async def test_what_was_written_is_sent_before_the_end(listener: Listener, log: Log) -> None:
    """close() sends all that was written, however slowly the client takes it."""
    data = b"x" * 8_000_000
    async with connected(listener.addresses[0]) as (reader, _):
        log.transports[0].write(data)
        log.transports[0].close()
        log.transports[0].write(b"too late")

        assert await reader.readexactly(len(data)) == data


async def test_a_reset_by_the_client_ends_the_session(listener: Listener, log: Log) -> None:
    """A client's RST reaches the session through the proxy, and the port is there again."""
    async with connected(listener.addresses[0]) as (_, writer):
        writer.transport.abort()
    await log.ended.wait()

    await log.until(ListenerState.LISTENING)
    assert len(log.lost) == 1


async def test_abort_frees_the_port_at_once(listener: Listener, log: Log) -> None:
    """A session that is cut resets its connection, which leaves no TIME_WAIT on the proxy."""
    async with connected(listener.addresses[0]) as (reader, _):
        log.transports[0].abort()

        with pytest.raises(ConnectionResetError):
            await reader.read()
        await log.until(ListenerState.LISTENING)


# What is left


async def test_close_gives_the_port_up(proxy: SocksServer, log: Log) -> None:
    """After close the proxy holds nothing, and no task, thread or descriptor is left here."""
    await provider_for(proxy.url()).diagnose(ANY)  # whatever the loop makes once is there now
    before = await holdings(proxy)
    listener = await provider_for(proxy.url()).create_server(log.session, ANY)

    listener.close()
    listener.close()
    await listener.wait_closed()
    await listener.wait_closed()
    await proxy.idle()

    assert listener.state is ListenerState.CLOSED
    assert proxy.bound == []
    await assert_nothing_left(proxy, before)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*sockaddr(listener))


async def test_close_leaves_live_sessions(listener: Listener, log: Log) -> None:
    """A session goes on after its listener is closed and gone, and ends without lingering."""
    async with connected(listener.addresses[0]) as (reader, writer):
        listener.close()
        await listener.wait_closed()
        writer.write(b"still here\r\n")
        assert await reader.readline() == b"still here\r\n"

        writer.write(b"QUIT\r\n")
        assert await reader.read() == b"221 bye\r\n"


async def test_close_waits_for_no_client_that_lingers(proxy: SocksServer, log: Log) -> None:
    """A client that was being waited for is closed with the listener."""
    async with (
        bound(proxy.url(), log, timing=Timing(linger=3600)) as listener,
        connected(listener.addresses[0]) as (reader, writer),
    ):
        writer.write(b"QUIT\r\n")
        await reader.readline()
        await log.ended.wait()
        listener.close()

        assert await reader.read() == b""


async def test_close_while_the_listener_retries(proxy: SocksServer, log: Log) -> None:
    """A listener that is just trying to bind again is closed like any other."""
    await provider_for(proxy.url()).diagnose(ANY)
    before = await holdings(proxy)
    async with SocksServer(faults=[Fault.DIES]) as dying, bound(dying.url(), log) as listener:
        assert await log.until(ListenerState.RETRYING) is not None
        listener.close()
        await listener.wait_closed()
        await dying.idle()

    await assert_nothing_left(proxy, before)


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 6, 8, 12, 20, 40])
async def test_cancelling_leaves_nothing(
    proxy: SocksServer, log: Log, steps: int, scheme: str
) -> None:
    """A bind that is cancelled, at whatever point, holds nothing here or on the proxy."""
    provider = provider_for(proxy.url(scheme))
    await provider.diagnose(ANY)
    before = await holdings(proxy)
    task = asyncio.create_task(provider.create_server(log.session, ANY))
    for _ in range(steps):
        await asyncio.sleep(0)

    task.cancel()
    with suppress(asyncio.CancelledError):
        finished = await task
        finished.close()
        await finished.wait_closed()
    del task
    await proxy.idle()

    assert proxy.bound == []
    await assert_nothing_left(proxy, before)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.STALLS, Fault.DRIPS])
async def test_cancelling_does_not_wait_for_a_silent_proxy(log: Log, fault: Fault) -> None:
    """The thread that waits for an answer is freed at once."""
    loop = asyncio.get_running_loop()
    async with SocksServer(faults=[fault]) as proxy:
        provider = provider_for(proxy.url(), timing=Timing())
        task = asyncio.create_task(provider.create_server(log.session, ANY))
        await proxy.busy()
        begun = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert loop.time() - begun < 1
        assert not any(thread.name.startswith("socks") for thread in threading.enumerate())


# What goes wrong later


async def test_a_proxy_that_restarts(log: Log) -> None:
    """The loss is reported as RETRYING with its error, the recovery as LISTENING."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url()).create_server(
            log.session, ANY, report=log.report
        )
    lost = await log.until(ListenerState.RETRYING)
    refused = await log.until(ListenerState.RETRYING)
    assert listener.state is ListenerState.RETRYING
    async with SocksServer(port=proxy.address.port):
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0]) as streams:
            await quit_session(*streams)
        listener.close()
        await listener.wait_closed()

    assert lost is not None
    assert (lost.code, lost.hop) == (10050, "accept")
    assert "10054 WSAECONNRESET" in lost.detail
    assert refused is not None
    assert (refused.code, refused.hop) == (10050, "connect")
    assert "10061 WSAECONNREFUSED" in refused.detail


async def test_the_same_trouble_is_reported_once(log: Log) -> None:
    """However often it is tried: a cause is reported when it begins, not with each attempt."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url(), timing=Timing(pauses=(0.0,))).create_server(
            log.session, ANY, report=log.report
        )
    for _ in range(2):
        await log.until(ListenerState.RETRYING)
    async with SocksServer(port=proxy.address.port, faults=[Fault.CLOSES_GREETING]) as decoy:
        closed = await log.until(ListenerState.RETRYING)
        for _ in range(10):
            await decoy.busy()
            await decoy.idle()
        listener.close()
        await listener.wait_closed()

    assert closed is not None
    assert closed.hop == "greeting"
    assert log.states() == []


async def test_a_bind_that_is_lost_again_and_again(log: Log) -> None:
    """A proxy that drops each bind at once isn't asked in a tight loop: the pauses go on."""
    timing = Timing(pauses=(0.0, 0.0, 3600.0))
    async with SocksServer(faults=[Fault.DIES]) as dying, bound(dying.url(), log, timing=timing):
        for _ in range(3):
            assert await log.until(ListenerState.RETRYING) is not None
        await dying.idle()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await dying.busy()


async def test_a_rule_that_forbids_is_retried_slowly(log: Log) -> None:
    """After a loss, a refusal by the rules is tried again after `slow`, not in milliseconds."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url()).create_server(
            log.session, ANY, report=log.report
        )
    async with SocksServer(port=proxy.address.port, reply=0x02):
        error = await log.until(ListenerState.RETRYING)
        while error is None or "0x02" not in error.detail:
            error = await log.until(ListenerState.RETRYING)
        refused = asyncio.get_running_loop().time()
    async with SocksServer(port=proxy.address.port):
        await log.until(ListenerState.LISTENING)
        waited = asyncio.get_running_loop().time() - refused
        listener.close()
        await listener.wait_closed()

    assert error.hint.startswith("let the proxy's rules allow BIND")
    assert waited > QUICK.slow * 0.9


async def test_a_port_that_somebody_else_takes(proxy: SocksServer, log: Log) -> None:
    """A port that is gone when the session has ended is 10048, and bound again when it is free."""
    async with bound(proxy.url(), log) as listener:
        address = listener.addresses[0]
        async with connected(address) as streams:
            await log.until(ListenerState.BUSY)
            proxy.taken.add(address.port)
            await quit_session(*streams)
        error = await log.until(ListenerState.RETRYING)
        proxy.taken.clear()
        await log.until(ListenerState.LISTENING)
        async with connected(address) as streams:
            await quit_session(*streams)

    assert error is not None
    assert error.code == 10048
    assert f"instead of {address.port}" in error.detail


async def test_a_port_that_is_let_go_a_moment_later(proxy: SocksServer, log: Log) -> None:
    """A proxy that needs a moment to let go of the port is no trouble, and not reported."""
    async with bound(proxy.url(), log, timing=Timing(patience=3600)) as listener:
        address = listener.addresses[0]
        async with connected(address) as streams:
            await log.until(ListenerState.BUSY)
            proxy.taken.add(address.port)
            await quit_session(*streams)
        await proxy.idle()
        await proxy.busy()  # the first try to bind again, which gets another port
        await proxy.idle()
        proxy.taken.clear()

        assert (await log.reports.get())[0] is ListenerState.LISTENING


# What is not asked for


@pytest.mark.parametrize(
    ("scheme", "endpoint"),
    [
        ("socks5", Endpoint("127.0.0.1", 1025)),
        ("socks5", Endpoint("localhost", 1025)),
        ("socks5", Endpoint("0.0.0.0", 65536)),
        ("socks5", Endpoint(path="/run/socket")),
        ("socks4", Endpoint("::", 1025)),
    ],
    ids=str,
)
@pytest.mark.parametrize("what", ["create_server", "diagnose"])
async def test_an_endpoint_that_is_none_for_socks(
    log: Log, scheme: str, endpoint: Endpoint, what: str
) -> None:
    """It is a configuration error that says what to write, before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as decoy:
        decoy.setblocking(False)
        provider = provider_for(f"{scheme}://127.0.0.1:{decoy.getsockname()[1]}")

        attempt: dict[str, Callable[[], Awaitable[object]]] = {
            "diagnose": lambda: provider.diagnose(endpoint),
            "create_server": lambda: provider.create_server(log.session, endpoint),
        }

        with pytest.raises(ConfigError, match=r"write 0\.0\.0\.0:") as caught:
            await attempt[what]()

        assert caught.value.key == "endpoint"
        with pytest.raises(BlockingIOError):
            decoy.accept()


def sockaddr(listener: Listener) -> tuple[str, int]:
    """Give where to connect."""
    return listener.addresses[0].host, listener.addresses[0].port
