"""PROXY protocol headers on real connections: who the session sees, what is closed, and TLS."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings, Tls
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.codec import Command, Header, TcpRoute, UnixRoute, dumps
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.haproxy.tlv import Kind, Ssl, Tlv
from bindpost.proxy.provider import BindProvider, Hop, Listener, ProtocolFactory, Report
from bindpost.proxy.transport import proxied
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import LiveSession, Sessions
from bindpost.server.smtp.tls import self_signed_pem
from bindpost.server.store.memory import MemoryStore
from bindpost.testing.logged import Line, heard_by

PATIENCE = 10.0
"""Seconds after which something that must happen has not happened."""
HERE = Endpoint.parse("127.0.0.1:0")
ROUTE = TcpRoute(ip_address("192.0.2.1"), 56324, ip_address("198.51.100.2"), 25)
V1 = dumps(Header(version=1, route=ROUTE))
V2 = dumps(Header(version=2, route=ROUTE))


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
async def nothing_unhandled() -> AsyncIterator[None]:
    """See that no error is left with the loop."""
    unhandled: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    yield
    gc.collect()
    assert unhandled == [], unhandled


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


@pytest.fixture
async def warnings() -> AsyncIterator[Warnings]:
    """Take the log."""
    warnings = Warnings()
    with heard_by(warnings):
        yield warnings


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


@pytest.fixture
async def sessions() -> list[Echo]:
    """The sessions that were begun."""
    return []


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


@pytest.fixture
async def bench(sessions: list[Echo]) -> AsyncIterator[Bench]:
    """A listener of echoes."""
    async with listening(lambda: Echo(sessions)) as made:
        yield made
    for session in sessions:
        async with asyncio.timeout(PATIENCE):
            await session.ended.wait()


# Who the session sees


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_real_peer(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """Both ends are those of the header, and the bind path is told."""
    peer = await bench.connect(header)
    await peer.say(b"hello")

    assert sessions[0].told("peername", "sockname", "via", "proxy_tlvs") == [
        ("192.0.2.1", 56324),
        ("198.51.100.2", 25),
        "direct:",
        {},
    ]


async def test_ipv6_peer(bench: Bench, sessions: list[Echo]) -> None:
    """An IPv6 peer's name has four parts, as on an IPv6 socket."""
    route = TcpRoute(ip_address("2001:db8::1"), 56324, ip_address("2001:db8::2"), 25)
    peer = await bench.connect(dumps(Header(version=1, route=route)))
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("2001:db8::1", 56324, 0, 0)]


async def test_ipv4_peer_written_as_ipv6(bench: Bench, sessions: list[Echo]) -> None:
    """An IPv4 peer that dialled an IPv6 address is an IPv4 peer."""
    route = TcpRoute(ip_address("::ffff:192.0.2.1"), 56324, ip_address("2001:db8::2"), 25)
    peer = await bench.connect(dumps(Header(version=2, route=route)))
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_unix_peer(bench: Bench, sessions: list[Echo]) -> None:
    """The peer of a Unix socket has a path for a name."""
    header = Header(version=2, route=UnixRoute(b"/run/client", b"/run/haproxy"))
    peer = await bench.connect(dumps(header))
    await peer.say(b"hello")

    assert sessions[0].told("peername", "sockname") == ["/run/client", "/run/haproxy"]


@pytest.mark.parametrize(
    "header",
    [Header(version=1), Header(version=2), Header(version=2, command=Command.LOCAL)],
    ids=["unknown", "unspecified", "local"],
)
async def test_the_sender_is_the_peer(bench: Bench, sessions: list[Echo], header: Header) -> None:
    """Where the header names nobody, as in a health check, the connection's own names count."""
    peer = await bench.connect(dumps(header))
    await peer.say(b"hello")
    (address,) = bench.listener.addresses

    assert sessions[0].told("peername", "sockname") == [peer.name, (address.host, address.port)]


async def test_pieces(bench: Bench, sessions: list[Echo]) -> None:
    """What a header tells beside the addresses is extra info, by name."""
    ssl_piece = Ssl(client=1, verify=0, tlvs=(Tlv(Kind.SSL_VERSION, b"TLSv1.3"),))
    tlvs = (Tlv(Kind.UNIQUE_ID, b"id-1"), ssl_piece.dumps())
    peer = await bench.connect(dumps(Header(version=2, route=ROUTE, tlvs=tlvs)))
    await peer.say(b"hello")

    assert sessions[0].told("proxy_tlvs") == [
        {"UNIQUE_ID": "id-1", "SSL_CLIENT": 1, "SSL_VERIFY": 0, "SSL_VERSION": "TLSv1.3"}
    ]


class AlreadyProxied:
    """Binds on this machine, with transports that say that the peer is somebody else."""

    url = "winsock://10.0.0.1:1745"

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Bind."""
        facts = {"peername": ("10.9.9.9", 1), "via": self.url}
        return await DirectProvider().create_server(proxied(protocol_factory, facts), endpoint)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Say nothing."""
        return []


async def test_behind_another_proxy(sessions: list[Echo]) -> None:
    """The sender is whom the path below tells, and the header comes before what that tells."""
    async with listening(
        lambda: Echo(sessions), inner=AlreadyProxied(), trusted=("10.9.9.0/24",)
    ) as bench:
        peer = await bench.connect(V2)
        await peer.say(b"hello")

        assert sessions[0].told("peername", "via") == [
            ("192.0.2.1", 56324),
            "winsock://10.0.0.1:1745",
        ]


# Bytes


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_byte_by_byte(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """A header may come in any pieces."""
    peer = await bench.connect()
    peer.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in header:
        peer.send(bytes((byte,)))
        await asyncio.sleep(0)
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("192.0.2.1", 56324)]
    assert sessions[0].data == b"hello"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_data_right_behind(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """What comes in one piece with the header is the session's."""
    peer = await bench.connect(header + b"EHLO client\r\n")

    assert await peer.say(b"NOOP\r\n") == b"EHLO client\r\nNOOP\r\n"
    assert sessions[0].data == b"EHLO client\r\nNOOP\r\n"


class Buffered(asyncio.BufferedProtocol):
    """Takes data in a small buffer of its own, and echoes."""

    def __init__(self) -> None:
        self._buffer = bytearray(4)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Give the buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Echo."""
        self._transport.write(bytes(self._buffer[:nbytes]))


async def test_buffered_protocol() -> None:
    """A protocol with buffers of its own gets what is behind the header, and all that follows."""
    async with listening(Buffered) as bench:
        peer = await bench.connect(V2 + b"right behind")

        assert await peer.say(b"and later") == b"right behindand later"


class Reluctant(Echo):
    """Reads nothing until it is told to, and then pauses after each piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pause."""
        super().connection_made(transport)
        self.transport.pause_reading()
        self.transport.write(b"220 ")

    def data_received(self, data: bytes) -> None:
        """Echo and pause."""
        super().data_received(data)
        self.transport.pause_reading()


async def test_a_paused_protocol_gets_nothing(sessions: list[Echo]) -> None:
    """pause_reading holds for what came with the header, too, and the order is kept."""
    async with listening(lambda: Reluctant(sessions)) as bench:
        peer = await bench.connect(V2 + b"first.")
        await peer.say(b"", until=b"220 ")
        peer.send(b"second.")
        before = sessions[0].data
        sessions[0].transport.resume_reading()
        await peer.say(b"", until=b"first.")
        between = sessions[0].data
        sessions[0].transport.resume_reading()

        assert (before, between) == (b"", b"first.")
        assert await peer.say(b"", until=b"second.") == b"second."
        sessions[0].transport.abort()
        await sessions[0].ended.wait()


class Refusing(Echo):
    """Closes at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say no."""
        super().connection_made(transport)
        self.transport.write(b"421 no\r\n")
        self.transport.close()


async def test_a_protocol_that_closes_gets_no_data(sessions: list[Echo]) -> None:
    """After close() nothing more is told than the end; what was written arrives."""
    async with listening(lambda: Refusing(sessions)) as bench:
        peer = await bench.connect(V2 + b"EHLO client\r\n")

        assert await peer.closed() == b"421 no\r\n"
        async with asyncio.timeout(PATIENCE):
            await sessions[0].ended.wait()
        assert sessions[0].data == b""


async def test_a_hundred_at_once(bench: Bench, sessions: list[Echo]) -> None:
    """Each of 100 parallel connections is its own peer's."""

    async def one(number: int) -> bytes:
        route = TcpRoute(ip_address("192.0.2.1"), number, ip_address("198.51.100.2"), 25)
        header = dumps(Header(version=1 + number % 2, route=route))  # type: ignore[arg-type]  # 1, 2
        peer = await bench.connect(header + b"%d\n" % number)
        return await peer.reader.readline()

    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*map(one, range(1, 101)))

    assert answers == [b"%d\n" % number for number in range(1, 101)]
    told = {session.data: session.told("peername") for session in sessions}
    assert told == {b"%d\n" % number: [("192.0.2.1", number)] for number in range(1, 101)}


# What is closed


@pytest.mark.meets("proxy_protocol", "none")
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"EHLO client\r\n", r"EHLO client\r\n"),
        (b"\x16\x03\x01\x02\0\x01", r"\x16\x03\x01\x02\x00\x01"),
        (b"PROXY TCP4 192.0.2.1\r\n", r"PROXY TCP4 192.0.2.1\r\n"),
        (V2[:12] + b"\x11" + V2[13:], r"\r\n\r\n\x00\r\nQUIT\n\x11\x11"),
        (b"x" * 100, "x" * 40 + "..."),
    ],
    ids=["smtp", "tls", "v1", "v2", "long"],
)
async def test_no_header(
    bench: Bench, sessions: list[Echo], warnings: Warnings, sent: bytes, received: str
) -> None:
    """Anything else is closed without an answer; one warning tells who, what, and what to do."""
    peer = await bench.connect(sent)

    assert await peer.closed() == b""
    (said,) = warnings.seen
    host, port = cast("tuple[str, int]", peer.name)
    assert said["sender"] == f"{host}:{port}"
    assert str(said["received"]).startswith(received)
    assert said["hint"] == "HAProxy must send it: send-proxy or send-proxy-v2"
    assert sessions == []


@pytest.mark.meets("proxy_protocol", "left", "cut-off")
@pytest.mark.parametrize("sent", [b"", V1[:-2], V2[:14], V2[:-1]])
async def test_a_header_that_is_cut_off(
    bench: Bench, sessions: list[Echo], warnings: Warnings, sent: bytes
) -> None:
    """A connection that ends before its header does is reported once."""
    peer = await bench.connect(sent)
    peer.writer.write_eof()

    assert await peer.closed() == b""
    assert "ended early" in (await warnings.first())["reason"]
    assert len(warnings.seen) == 1
    assert sessions == []


@pytest.mark.meets("proxy_protocol", "silent", "late")
@pytest.mark.parametrize("sent", [b"", V1[:-2], V2[:-1]], ids=["silence", "v1", "v2"])
async def test_a_header_that_is_late(sessions: list[Echo], warnings: Warnings, sent: bytes) -> None:
    """Without a whole header in time the connection is closed; the time is told."""
    async with listening(lambda: Echo(sessions), seconds=0.05) as bench:
        peer = await bench.connect(sent)

        assert await peer.closed() == b""
        assert "within 0.05 s" in (await warnings.first())["reason"]
        assert ("check-send-proxy" in warnings.seen[0]["hint"]) == (not sent)
        assert sessions == []


@pytest.mark.meets("proxy_protocol", "untrusted")
@pytest.mark.parametrize("trusted", [("127.0.0.2",), ("10.0.0.0/8", "::/0")])
async def test_an_untrusted_sender(
    sessions: list[Echo], warnings: Warnings, trusted: tuple[str, ...]
) -> None:
    """Whoever isn't on the list is closed, however good the header."""
    async with listening(lambda: Echo(sessions), trusted=trusted) as bench:
        peer = await bench.connect(V2)

        assert await peer.closed() == b""
        assert (await warnings.first())["reason"] == "the sender is not trusted"
        assert len(warnings.seen) == 1
        assert sessions == []


async def test_a_unix_sender_is_trusted(sessions: list[Echo], tmp_path: Path) -> None:
    """Who may connect to a Unix socket is for its mode to say."""
    async with listening(lambda: Echo(sessions), endpoint=Endpoint(path=str(tmp_path / "s"))) as b:
        peer = await b.connect(V2)
        await peer.say(b"hello")

        assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_closing_the_listener_ends_who_has_no_header(
    bench: Bench, sessions: list[Echo], warnings: Warnings
) -> None:
    """What isn't a session yet goes with the listener, silently; the session beside it lives."""
    waiting = await bench.connect(V2[:-1])
    session = await bench.connect(V2)
    await session.say(b"hello")

    bench.listener.close()

    assert await waiting.closed() == b""
    await session.say(b"still here")
    assert len(sessions) == 1
    assert warnings.seen == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key."""
    pytest.importorskip("cryptography")
    pem = tmp_path_factory.mktemp("tls") / "pem"
    pem.write_bytes(self_signed_pem("localhost"))
    return pem


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    """The client's side."""
    return ssl.create_default_context(cafile=str(certificate))


async def test_implicit_tls(
    sessions: list[Echo], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """With a context, TLS begins behind the header; the session sees the real peer."""
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2)
        await peer.writer.start_tls(client_tls, server_hostname="localhost")
        await peer.say(b"hello")

        assert sessions[0].told("peername", "via") == [("192.0.2.1", 56324), "direct:"]
        assert sessions[0].told("sslcontext") == [server_tls]
        assert sessions[0].transport.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_a_handshake_right_behind(
    sessions: list[Echo], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A client's hello that comes in one piece with the header is not lost."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2 + outgoing.read())
        async with asyncio.timeout(PATIENCE):
            while tls.version() is None or incoming.pending == 0:
                incoming.write(await peer.reader.read(65536))
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    break
        tls.write(b"hello")
        peer.send(outgoing.read())
        answer = b""
        while not answer:
            incoming.write(await peer.reader.read(65536))
            with suppress(ssl.SSLWantReadError):
                answer = tls.read(100)

        assert answer == b"hello"
        assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_no_handshake(sessions: list[Echo], server_tls: ssl.SSLContext) -> None:
    """Plain SMTP behind the header, where TLS is wanted, ends the connection and nothing else."""
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2 + b"EHLO client\r\n")

        assert b"EHLO" not in await peer.closed()
        other = await bench.connect(V2)
        assert not other.reader.at_eof()


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
    async with listening(factory, tls=resources.implicit_context(listener)) as bench:
        yield bench, store
    async with asyncio.timeout(PATIENCE):
        await live.left.wait()
    await store.close()


async def send_mail(say: Callable[[bytes], Any]) -> None:
    """Have a mail accepted."""
    for command, code in (
        (b"EHLO client", b"250"),
        (b"MAIL FROM:<a@example.org>", b"250"),
        (b"RCPT TO:<b@example.org>", b"250"),
        (b"DATA", b"354"),
        (b"Subject: hi\r\n\r\nhello\r\n.", b"250"),
    ):
        assert (await say(command + b"\r\n")).startswith(code)


async def reply(peer: Peer) -> bytes:
    """Give the next reply's last line."""
    async with asyncio.timeout(PATIENCE):
        while (line := await peer.reader.readline())[3:4] == b"-":
            pass
    return line


async def test_mail_by_starttls(certificate: Path, client_tls: ssl.SSLContext) -> None:
    """The real session keeps the real peer through STARTTLS, and so does the mail."""
    async with smtp(certificate, implicit=False) as (bench, store):
        peer = await bench.connect(V1 + b"EHLO client\r\n")

        async def say(data: bytes) -> bytes:
            peer.send(data)
            return await reply(peer)

        assert (await reply(peer)).startswith(b"220")
        assert (await reply(peer)).startswith(b"250")
        assert (await say(b"STARTTLS\r\n")).startswith(b"220")
        await peer.writer.start_tls(client_tls, server_hostname="localhost")
        await send_mail(say)
        await say(b"QUIT\r\n")
        (row,) = await store.find()

        assert row.session.peer == "192.0.2.1:56324"
        assert row.session.tls_version == "TLSv1.3"


async def test_mail_by_implicit_tls(certificate: Path, client_tls: ssl.SSLContext) -> None:
    """The real session is inside TLS from its banner on, and the mail tells the real peer."""
    async with smtp(certificate, implicit=True) as (bench, store):
        peer = await bench.connect(V2)
        await peer.writer.start_tls(client_tls, server_hostname="localhost")

        async def say(data: bytes) -> bytes:
            peer.send(data)
            return await reply(peer)

        assert (await reply(peer)).startswith(b"220")
        await send_mail(say)
        await say(b"QUIT\r\n")
        (row,) = await store.find()

        assert row.session.peer == "192.0.2.1:56324"
        assert row.session.tls_version == "TLSv1.3"
