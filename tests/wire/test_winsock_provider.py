"""A listener bound through the stand-in proxy: who connects, what fails with which code."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WinsockPath
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import BindProvider, Listener, ListenerState
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.proxy.winsock.standin_faults import Garbage, Silent
from bindpost.server.smtp.tls import self_signed_pem

INTERNAL, EXTERNAL, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.9"
HERE = Endpoint(INTERNAL, 0)
QUICK = Timing(tries=2, interval=0.05)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


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


def name_of(writer: asyncio.StreamWriter) -> str:
    """Give a client's own address as `HOST:PORT`."""
    host, port = writer.get_extra_info("sockname")
    return f"{host}:{port}"


def provider_for(proxy: WinsockProxyServer, *, timing: Timing = QUICK) -> WinsockProvider:
    """Give the provider that binds everything on this proxy, quick to give up."""
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


# Who connects


async def test_peer_outside_is_told_as_the_peer(listener: Listener, log: Log) -> None:
    """Somebody who connects to the proxy is the peer, and not the proxy."""
    async with connected(listener.addresses[0]) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()


async def test_extra_info_of_a_proxied_connection(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """`sockname` is the address that the peer connected to, `via` the path."""
    external = listener.addresses[0]
    async with connected(external) as (reader, _):
        await reader.readline()

    assert log.told("sockname") == [(external.host, external.port)]
    assert log.told("via") == [proxy.url]


@pytest.mark.parametrize("source", [PEER, INTERNAL])
async def test_direct_local_client_keeps_its_address(
    listener: Listener, log: Log, source: str
) -> None:
    """A client of the local port is told as it is, even one from the proxy's own address."""
    async with connected(listener.addresses[1], source=source) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()

    assert log.told("via") == [None]


async def test_bytes_pass_both_ways(listener: Listener) -> None:
    """What a peer sends arrives whole, and so does what comes back, to the end."""
    data = bytes(range(256)) * 4096
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(data)

        assert await reader.readexactly(len(data)) == data
        writer.write_eof()
        assert await reader.read() == b""


async def test_many_peers_through_one_bind(listener: Listener) -> None:
    """Connections at once come through one bind, each with its true peer."""

    async def visit(number: int) -> bool:
        async with connected(listener.addresses[0], source=f"127.0.0.{number}") as streams:
            reader, writer = streams
            greeting = await reader.readline()
            writer.write(b"%d\n" % number)
            echo = await reader.readline()
            return (greeting, echo) == (f"{name_of(writer)}\n".encode(), b"%d\n" % number)

    assert all(await asyncio.gather(*(visit(number) for number in range(10, 110))))


async def test_reset_by_the_peer_ends_the_session(listener: Listener, log: Log) -> None:
    """A peer's RST reaches the session through the proxy."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.transport.abort()

    await log.ended.wait()


async def test_protocol_can_be_exchanged_on_a_proxied_connection(listener: Listener) -> None:
    """set_protocol works on the wrapped transport."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(b"upgrade\n")
        await reader.readline()
        writer.write(b"hello\n")

        assert await reader.readline() == b"HELLO\n"


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context and a client's that trusts it."""
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(self_signed_pem("localhost"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


async def test_starttls_of_aiosmtpd_works_and_keeps_the_peer(
    proxy: WinsockProxyServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """After STARTTLS through the proxy the session speaks TLS and knows its true peer."""
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(object(), hostname="localhost", tls_context=contexts[0]))
        return sessions[-1]

    listener = await provider_for(proxy).create_server(session, HERE)
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(b"EHLO localhost\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        writer.write(b"STARTTLS\r\n")
        await reader.readline()
        await writer.start_tls(contexts[1], server_hostname="localhost")
        writer.write(b"EHLO localhost\r\n")

        assert (await reader.readline()).startswith(b"250-")
        assert sessions[0].session is not None
        assert sessions[0].session.ssl is not None
        assert sessions[0].session.peer == writer.get_extra_info("sockname")
        assert sessions[0].transport is not None
        sessions[0].transport.close()
    listener.close()
    await listener.wait_closed()


async def test_implicit_tls_keeps_the_peer(
    proxy: WinsockProxyServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """With a context sessions are inside TLS, and their peer is the true one."""
    listener = await provider_for(proxy).create_server(log.session, HERE, ssl=contexts[0])
    async with connected(listener.addresses[0]) as (reader, writer):
        await writer.start_tls(contexts[1], server_hostname="localhost")

        assert await reader.readline() == f"{name_of(writer)}\n".encode()
        log.transports[0].abort()
    listener.close()
    await listener.wait_closed()


async def test_client_that_fails_the_handshake_harms_nobody(
    proxy: WinsockProxyServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Somebody who speaks no TLS is cut off, and the next one is served."""
    listener = await provider_for(proxy).create_server(log.session, HERE, ssl=contexts[0])
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"EHLO localhost\r\n" * 10)
        with suppress(ConnectionResetError):
            await reader.read()
    async with connected(listener.addresses[0]) as (reader, writer):
        await writer.start_tls(contexts[1], server_hostname="localhost")

        assert await reader.readline()
        log.transports[0].abort()
    listener.close()
    await listener.wait_closed()


# What is bound


async def test_addresses_are_outside_and_here(
    proxy: WinsockProxyServer, listener: Listener
) -> None:
    """Peers are told the proxy's address first, with the same port as the local one."""
    outside, here = listener.addresses

    assert (outside.host, here.host) == (EXTERNAL, INTERNAL)
    assert outside.port == here.port != 0
    assert proxy.bound == [(outside.host, outside.port)]
    assert listener.capacity is None
    assert listener.state is ListenerState.LISTENING


async def test_host_name_is_bound_by_its_ipv4_address(proxy: WinsockProxyServer, log: Log) -> None:
    """`localhost` is bound remotely as 127.0.0.1."""
    listener = await provider_for(proxy).create_server(log.session, Endpoint("localhost", 0))

    assert [address.host for address in listener.addresses] == [EXTERNAL, INTERNAL]
    listener.close()
    await listener.wait_closed()


async def test_close_ends_the_remote_bind_and_leaves_nothing(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """After close the proxy holds nothing, and no task is left here."""
    before = asyncio.all_tasks()
    listener = await provider_for(proxy).create_server(log.session, HERE)

    listener.close()
    listener.close()
    await listener.wait_closed()
    await proxy.idle()

    assert proxy.bound == []
    assert asyncio.all_tasks() == before
    for address in listener.addresses:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)


async def test_close_leaves_live_sessions(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """A proxied session goes on after its listener is closed and gone."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        listener.close()
        await listener.wait_closed()
        await proxy.idle()
        writer.write(b"still here\n")

        assert await reader.readline() == b"still here\n"


async def test_close_drops_a_connection_that_nobody_has_yet(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """A connection that waits for its notice is closed with the listener."""
    config = ClientConfig.for_server(*proxy.address, application="msexcimc", origin="test")
    provider = WinsockProvider(config, grace=3600.0)
    listener = await provider.create_server(log.session, HERE)
    async with connected(listener.addresses[1], source=INTERNAL) as (reader, _):
        listener.close()
        await listener.wait_closed()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""

    assert log.transports == []


@pytest.mark.parametrize("steps", range(30))
async def test_cancelling_leaves_nothing(proxy: WinsockProxyServer, log: Log, steps: int) -> None:
    """A bind that is cancelled, at whatever point, holds nothing here or on the proxy."""
    before = asyncio.all_tasks()
    endpoint = Endpoint(INTERNAL, free_port(INTERNAL))
    task = asyncio.create_task(provider_for(proxy).create_server(log.session, endpoint))
    for _ in range(steps):
        await asyncio.sleep(0)

    task.cancel()
    with suppress(asyncio.CancelledError):
        finished = await task
        finished.close()
        await finished.wait_closed()
    await proxy.idle()

    assert proxy.bound == []
    assert asyncio.all_tasks() == before
    again = await provider_for(proxy).create_server(log.session, endpoint)
    again.close()
    await again.wait_closed()


# What fails, with which code


@pytest.mark.meets("winsock://", "unreachable")
async def test_nothing_on_the_control_port_is_10050_at_once(decoy: socket.socket, log: Log) -> None:
    """ICMP port unreachable is 10050 within a second, hop connect (KB Q203116, Q193928 B)."""
    port = decoy.getsockname()[1]
    decoy.close()
    start = time.monotonic()

    error = await refusal(WinsockProvider.from_url(f"winsock://{INTERNAL}:{port}"), log)

    assert time.monotonic() - start < 1
    assert (error.code, error.hop) == (10050, "connect")
    assert "Q203116" in error.hint


@pytest.mark.meets("winsock://", "silent")
async def test_silent_proxy_is_10050_after_its_tries(log: Log) -> None:
    """A proxy that says nothing is 10050, hop greeting, after tries times interval."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, misbehaviour=Silent()) as silent:
        start = time.monotonic()
        error = await refusal(provider_for(silent, timing=QUICK), log)
        took = time.monotonic() - start

    assert (error.code, error.hop) == (10050, "greeting")
    assert 0.9 * QUICK.tries * QUICK.interval < took < 1


@pytest.mark.meets("winsock://", "unresolvable")
async def test_unresolvable_name_is_10050(log: Log) -> None:
    """A proxy name without an address is 10050, hop resolve (KB Q193928 A and D)."""
    error = await refusal(WinsockProvider.from_url("winsock://proxy.invalid"), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert "Q193928" in error.hint


@pytest.mark.meets("winsock://", "junk")
async def test_junk_is_10050(log: Log) -> None:
    """An answer that is no Winsock Proxy message is 10050, and said to be that."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, misbehaviour=Garbage()) as garbage:
        error = await refusal(provider_for(garbage), log)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "is no Winsock Proxy" in error.detail


@pytest.mark.meets("winsock://", "in_use")
async def test_port_taken_on_the_proxy_is_10048(proxy: WinsockProxyServer, log: Log) -> None:
    """A port that something else holds on the proxy is 10048 (KB Q222553)."""
    endpoint = Endpoint(INTERNAL, free_port(INTERNAL, EXTERNAL))
    with socket.create_server((EXTERNAL, endpoint.port)):
        error = await refusal(provider_for(proxy), log, endpoint)

    assert (error.code, error.hop) == (10048, "bind")
    assert "Q222553" in error.hint


async def test_port_of_another_client_is_10048(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """A port that another client has bound on the proxy is 10048, even with another local host."""
    endpoint = Endpoint("127.0.0.3", listener.addresses[0].port)

    error = await refusal(provider_for(proxy), log, endpoint)

    assert (error.code, "on the proxy" in error.detail) == (10048, True)


@pytest.mark.meets("winsock://", "refused")
async def test_refused_port_is_10050(log: Log) -> None:
    """A refusal by rule is 10050, with the refusal as detail (KB Q181420)."""
    port = free_port(INTERNAL)
    async with WinsockProxyServer(INTERNAL, EXTERNAL, deny_ports={port}) as strict:
        error = await refusal(provider_for(strict), log, Endpoint(INTERNAL, port))
        await strict.idle()

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0804" in error.detail
    assert "Q181420" in error.hint


@pytest.mark.meets("winsock://", "local")
async def test_port_taken_here_is_the_systems_code(proxy: WinsockProxyServer, log: Log) -> None:
    """When the local half fails its own code counts, and the proxy is left with nothing."""
    with socket.create_server((INTERNAL, 0)) as other:
        endpoint = Endpoint(INTERNAL, other.getsockname()[1])
        error = await refusal(provider_for(proxy), log, endpoint)
    await proxy.idle()

    assert (error.code, error.hop) == (10048, "bind")
    assert error.detail.startswith("here: ")


async def test_address_of_another_machine_is_10049(proxy: WinsockProxyServer, log: Log) -> None:
    """An address that this machine lacks is a local failure."""
    error = await refusal(provider_for(proxy), log, Endpoint("192.0.2.1", 0))

    assert error.code == 10049


async def test_second_server_is_tried(proxy: WinsockProxyServer, log: Log) -> None:
    """With two servers the bind is made on the first that works."""
    config = ClientConfig.for_server(*proxy.address, application="msexcimc", origin="test")
    servers = ("proxy.invalid", proxy.address.host)
    two = ClientConfig(servers=servers, control_port=config.control_port, wspcfg=config.wspcfg)

    listener = await WinsockProvider(two, timing=QUICK).create_server(log.session, HERE)

    assert len(proxy.bound) == 1
    listener.close()
    await listener.wait_closed()


async def test_all_servers_are_named_when_none_works(decoy: socket.socket, log: Log) -> None:
    """The error of several servers tells what is wrong with each."""
    port = decoy.getsockname()[1]
    config = ClientConfig.for_server("x", port, application="msexcimc", origin="test")
    two = ClientConfig(servers=("proxy.invalid", INTERNAL), control_port=port, wspcfg=config.wspcfg)

    error = await refusal(WinsockProvider(two, timing=QUICK), log)

    assert "proxy.invalid" in error.detail
    assert "no answer" in error.detail


@pytest.mark.meets("winsock://", "lost")
async def test_lost_proxy_is_reported_and_all_is_given_up(log: Log) -> None:
    """When a keep-alive finds the proxy gone: FAILED with 10050, the port here is free again."""
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()
    timing = Timing(tries=1, interval=0.05, keep_alive=0.02)
    async with WinsockProxyServer(INTERNAL, EXTERNAL) as proxy:
        listener = await provider_for(proxy, timing=timing).create_server(
            log.session, HERE, report=lambda state, error: reports.put_nowait((state, error))
        )

    state, error = await reports.get()

    assert error is not None
    assert (state, error.code, error.hop) == (ListenerState.FAILED, 10050, "accept")
    assert listener.state is ListenerState.FAILED
    with socket.create_server((INTERNAL, listener.addresses[1].port)):
        pass
    listener.close()
    await listener.wait_closed()


async def test_proxy_that_answers_is_kept(proxy: WinsockProxyServer, log: Log) -> None:
    """Keep-alives that are answered leave the bind as it is."""
    timing = Timing(tries=1, interval=1.0, keep_alive=0.001)
    listener = await provider_for(proxy, timing=timing).create_server(log.session, HERE)

    for _ in range(3):
        async with connected(listener.addresses[0]) as (reader, writer):
            assert await reader.readline() == f"{name_of(writer)}\n".encode()

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


@pytest.mark.meets("winsock://", "no_way_back")
async def test_loopback_cannot_be_called_back_by_another_machine(log: Log) -> None:
    """127.0.0.1 behind a proxy elsewhere is 10050, and the hint says what to listen on."""
    error = await refusal(WinsockProvider.from_url("winsock://192.0.2.1"), log)

    assert (error.code, error.hop) == (10050, "connect")
    assert "connects back" in error.hint


async def test_host_name_of_no_address_is_a_local_failure(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """A name to listen on that does not resolve is no fault of the proxy path."""
    error = await refusal(provider_for(proxy), log, Endpoint("nowhere.invalid", 0))

    assert (error.code, error.hop) == (11001, "resolve")


async def test_proxy_may_be_named(proxy: WinsockProxyServer, log: Log) -> None:
    """A proxy name that resolves is as good as its address."""
    provider = WinsockProvider.from_url(f"winsock://localhost:{proxy.address.port}")

    listener = await provider.create_server(log.session, HERE)

    assert len(proxy.bound) == 1
    listener.close()
    await listener.wait_closed()


async def test_name_service_that_takes_too_long_is_10050(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """The total deadline holds for the name too, hop resolve."""
    config = ClientConfig.for_server(
        "localhost", proxy.address.port, application="msexcimc", origin="test"
    )

    error = await refusal(WinsockProvider(config, timing=Timing(deadline=0.0)), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert "no answer from the name service" in error.detail


@pytest.mark.meets("winsock://", "no_server")
@pytest.mark.parametrize("ipx_servers", [("00002610-0080d830525f",), ()])
async def test_no_server_is_10050(log: Log, ipx_servers: tuple[str, ...]) -> None:
    """A remote bind without a server that IP reaches is 10050, hop resolve."""
    wspcfg = ClientConfig.for_server("x", 1, application="msexcimc", origin="test").wspcfg
    config = ClientConfig(ipx_servers=ipx_servers, wspcfg=wspcfg)

    error = await refusal(WinsockProvider(config), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert ("IPX" in error.detail) == bool(ipx_servers)


# Where a bind goes


@dataclass
class Lab:
    """A `[path.*]` table and its files, which lead to a socket in the proxy's place."""

    folder: Path
    port: int

    def provider(
        self, *, wspcfg: str = "", mspclnt: str = "", enabled: bool = True
    ) -> WinsockProvider:
        """Write the files and build the provider as the settings do."""
        (self.folder / "wspcfg.ini").write_text(wspcfg)
        (self.folder / "mspclnt.ini").write_text(
            f"[Servers Ip Addresses]\nAddr1={INTERNAL}\n[Common]\nPort={self.port}\n{mspclnt}"
        )
        table = WinsockPath(
            mspclnt="mspclnt.ini", wspcfg="wspcfg.ini", enabled=enabled, tries=1, interval=0.05
        )
        return WinsockProvider.from_table("lab", table, self.folder)


@pytest.fixture
def lab(tmp_path: Path, decoy: socket.socket) -> Lab:
    """Files that lead to the decoy."""
    return Lab(tmp_path, decoy.getsockname()[1])


ALL_REMOTE = "[MSEXCIMC]\nServerBindTcpPorts=0-65535\n"
SWITCHED_OFF: dict[str, Callable[[Lab], WinsockProvider]] = {
    "application": lambda lab: lab.provider(wspcfg="[msexcimc]\nDisable=1\n"),
    "common": lambda lab: lab.provider(
        wspcfg=ALL_REMOTE, mspclnt="[Common Configuration]\nDisable=1\n"
    ),
    "local-ports": lambda lab: lab.provider(
        wspcfg="[msexcimc]\nLocalBindTcpPorts=0\nServerBindTcpPorts=0-65535\n"
    ),
    "client": lambda lab: lab.provider(wspcfg=ALL_REMOTE, enabled=False),
}


@pytest.mark.parametrize("cure", SWITCHED_OFF)
async def test_local_bind_sends_nothing_to_the_proxy(
    lab: Lab, decoy: socket.socket, log: Log, cure: str
) -> None:
    """What switches the client off makes a bind that works, and not one datagram is sent."""
    provider = SWITCHED_OFF[cure](lab)

    hops = await provider.diagnose(HERE)
    listener = await provider.create_server(log.session, HERE)
    async with connected(listener.addresses[0]) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()
    listener.close()
    await listener.wait_closed()

    assert all(hop.ok for hop in hops)
    with pytest.raises(BlockingIOError):
        decoy.recv(2048)


async def test_decoy_sees_what_a_remote_bind_sends(
    lab: Lab, decoy: socket.socket, log: Log
) -> None:
    """The same place does get datagrams when the files send the bind to the proxy."""
    error = await refusal(lab.provider(wspcfg=ALL_REMOTE), log)

    assert error.code == 10050
    assert len(decoy.recv(2048)) >= 172


async def test_undecided_bind_asks_the_server_first(
    lab: Lab, decoy: socket.socket, log: Log
) -> None:
    """An enabled client without a rule for the port fails with a dead server: KB Q203116."""
    error = await refusal(lab.provider(), log)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_undecided_bind_is_local_when_the_server_answers(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """With a server that answers, an undecided bind is made here and the session is ended."""
    provider = WinsockProvider(
        ClientConfig(servers=(proxy.address.host,), control_port=proxy.address.port)
    )

    listener = await provider.create_server(log.session, HERE)
    await proxy.idle()

    assert [address.host for address in listener.addresses] == [INTERNAL]
    listener.close()
    await listener.wait_closed()


# Diagnosis


async def test_diagnosis_of_a_path_that_works(proxy: WinsockProxyServer) -> None:
    """Every hop is fine and timed, and nothing was bound."""
    hops = await provider_for(proxy).diagnose(HERE)
    await proxy.idle()

    assert [hop.name for hop in hops] == [
        "decision",
        "resolve",
        "greeting",
        "resolve",
        "bind",
        "serve",
    ]
    assert all(hop.ok for hop in hops)
    assert hops[2].milliseconds > 0
    assert proxy.url in hops[-1].detail


async def test_diagnosis_names_the_event(lab: Lab) -> None:
    """A dead proxy is a failed hop with 10050 and a cure; `serve` would log 4007."""
    hops = await lab.provider().diagnose(HERE)

    assert [(hop.name, hop.ok, hop.code) for hop in hops] == [
        ("decision", True, None),
        ("resolve", True, None),
        ("greeting", False, 10050),
        ("serve", None, None),
    ]
    assert "Q203116" in hops[2].hint
    assert hops[-1].detail == "would log event 4007 with 10050 (WSAENETDOWN)"


async def test_diagnosis_forgives_a_server_that_is_not_needed(
    proxy: WinsockProxyServer,
) -> None:
    """A first server that fails is no failure when the second one works."""
    servers = ("proxy.invalid", proxy.address.host)
    config = ClientConfig(servers=servers, control_port=proxy.address.port)

    hops = await WinsockProvider(config, timing=QUICK).diagnose(HERE)

    assert [(hop.ok, hop.code) for hop in hops[1:4]] == [(None, None), (True, None), (True, None)]
    assert hops[-1].ok
