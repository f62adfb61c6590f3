"""A listener bound through the stand-in SSH server: what sessions get, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.provider import ListenerState, ProtocolFactory
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import Timing
from bindpost.proxy.ssh.standin import Answer, SshStandIn
from bindpost.server.smtp.tls import self_signed_pem
from bindpost.testing.logged import all_said

HERE = Endpoint.parse("127.0.0.1:0")
MEGABYTE = 1024 * 1024


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user who runs the tests is used: no key, no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


class Session(asyncio.Protocol):
    """Echoes; says `HOST:PORT` of its peer when asked `who`."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.log.sessions.append(self)
        self.log.begun.set()

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if data == b"who":
            host, port, *_ = self.transport.get_extra_info("peername")
            data = f"{host}:{port}".encode()
        self.log.received += len(data)
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note."""
        self.log.ends.append(exc)
        self.log.ended.set()


@dataclass
class Log:
    """What the sessions of a listener saw."""

    sessions: list[Session] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[Exception | None] = field(default_factory=list)
    received: int = 0

    def session(self) -> Session:
        """Make a session; the protocol factory."""
        return Session(self)


@pytest.fixture
async def log() -> Log:
    """What the sessions saw."""
    return Log()


def sockets() -> set[str]:
    """Give the sockets that this process has open, but for Unix ones: those are the loop's own."""
    if not Path("/proc/net/unix").exists():
        return set()  # a system that doesn't tell
    found = set()
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the folder's own descriptor is gone again
            found.add(os.readlink(link))
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return {name for name in found if name.startswith("socket:") and name[8:-1] not in unix}


@pytest.fixture
async def standin() -> AsyncIterator[SshStandIn]:
    """An SSH server; afterwards nothing may be left but the test itself."""
    before = sockets()
    server = await SshStandIn.start()
    yield server
    await server.stop()
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if "anyio" not in repr(task)] == []
    assert sockets() - before == set()


@pytest.fixture
def provider(standin: SshStandIn, tmp_path: Path) -> SshProvider:
    """A provider that can log in."""
    return SshProvider(standin.settings(tmp_path))


Bind = Callable[..., Any]


@pytest.fixture
async def bind(provider: SshProvider, log: Log) -> AsyncIterator[Bind]:
    """Give what binds; listeners are closed again."""
    bound: list[SshListener] = []

    async def bind_one(factory: ProtocolFactory = log.session, **options: Any) -> SshListener:
        listener = await provider.create_server(factory, HERE, **options)
        bound.append(cast("SshListener", listener))
        return bound[-1]

    yield bind_one
    for listener in bound:
        listener.close()
        await listener.deserted()


@dataclass
class Peer:
    """A client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def name(self) -> str:
        """Its own address."""
        host, port = self.writer.get_extra_info("sockname")
        return f"{host}:{port}"

    async def ask(self, data: bytes) -> bytes:
        """Send something and give the first part of the answer."""
        self.writer.write(data)
        return await self.reader.read(1000)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def connect(listener: SshListener, **options: Any) -> Peer:
    """Connect to where the listener says that peers connect."""
    address = listener.addresses[0]
    return Peer(*await asyncio.open_connection(address.host, address.port, **options))


async def test_a_session_knows_who_is_there(bind: Bind, log: Log, provider: SshProvider) -> None:
    """Peer, bound address and path are told; the SSH connection's own socket is not."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    tell = log.sessions[0].transport.get_extra_info

    assert tell("peername") == peer.writer.get_extra_info("sockname")
    assert tell("sockname") == ("127.0.0.1", listener.addresses[0].port)
    assert tell("via") == provider.url
    assert tell("socket") is None
    await peer.close()


async def test_the_users_own_files_are_the_default(
    standin: SshStandIn, log: Log, tmp_path: Path
) -> None:
    """A URL alone is enough where ~/.ssh has the server's key and the user's."""
    own = tmp_path / ".ssh"
    own.mkdir()
    (own / "known_hosts").write_text(standin.known_hosts_line)
    standin.client_key.write_private_key(own / "id_ed25519")
    provider = SshProvider.from_url(f"ssh://mail@{standin.address}")
    listener = await provider.create_server(log.session, HERE)

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


async def test_many_peers_at_once(bind: Bind, log: Log, standin: SshStandIn) -> None:
    """64 peers connect together; none is lost and each session knows its own, in one login."""
    listener = await bind()
    peers = await asyncio.gather(*(connect(listener) for _ in range(64)))
    answers = await asyncio.gather(*(peer.ask(b"who") for peer in peers))

    assert [answer.decode() for answer in answers] == [peer.name for peer in peers]
    assert standin.logins == 1
    for peer in peers:
        await peer.close()


async def test_a_peer_that_sends_too_much_is_held_up(bind: Bind, log: Log) -> None:
    """While a session has paused reading, its peer's data waits; then all of it comes."""
    listener = await bind()
    flooding, other = await connect(listener), await connect(listener)
    await flooding.ask(b"hello")
    session = log.sessions[0]
    session.transport.pause_reading()
    log.received = 0
    sock = flooding.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    flooding.writer.write(bytes(16 * MEGABYTE))
    for _ in range(100):  # of the same login: what is not held up would have come meanwhile
        await other.ask(b"x")

    assert log.received == 100
    assert cast("asyncio.Transport", flooding.writer.transport).get_write_buffer_size() > 0
    session.transport.resume_reading()
    assert len(await flooding.reader.readexactly(16 * MEGABYTE)) == 16 * MEGABYTE
    await flooding.close()
    await other.close()


class Pouring(asyncio.Protocol):
    """Writes 4 MB and closes at once; counts the pauses it was asked for."""

    def __init__(self) -> None:
        self.pauses = 0
        self.lost: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pour."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(bytes(4 * MEGABYTE))
        self.transport.close()

    def pause_writing(self) -> None:
        """Count."""
        self.pauses += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Note whether it was an orderly end."""
        self.lost.set_result(exc is None)


async def test_close_flushes(bind: Bind) -> None:
    """What was written before close() arrives, however slowly the peer reads."""
    made: list[Pouring] = []

    def pouring() -> Pouring:
        made.append(Pouring())
        return made[-1]

    listener = await bind(pouring)
    peer = await connect(listener)

    assert len(await peer.reader.read()) == 4 * MEGABYTE
    assert await made[0].lost
    assert made[0].pauses == 1
    await peer.close()


async def test_abort_ends_the_peers_connection(bind: Bind, log: Log) -> None:
    """abort() is seen by the peer, and told to the session once."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    log.sessions[0].transport.abort()

    with suppress(ConnectionResetError):
        assert await peer.reader.read() == b""
    await log.ended.wait()
    assert log.ends == [None]
    await peer.close()


async def test_a_peer_that_hangs_up_ends_its_session(bind: Bind, log: Log) -> None:
    """The end of the peer's connection is the end of the session, in good order."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    await peer.close()
    await log.ended.wait()

    assert log.ends == [None]


async def test_a_session_that_cannot_be_made(bind: Bind, log: Log) -> None:
    """A failing factory costs its own peer the connection, and nobody else anything."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    outcomes: list[Callable[[], Session]] = [lambda: log.sessions[99], log.session]
    listener = await bind(lambda: outcomes.pop(0)())
    refused = await connect(listener)
    with suppress(ConnectionResetError):
        assert await refused.reader.read() == b""
    served = await connect(listener)

    assert await served.ask(b"hello") == b"hello"
    assert isinstance(found[0]["exception"], IndexError)
    await refused.close()
    await served.close()


async def test_close_leaves_a_session_its_login(bind: Bind, log: Log, standin: SshStandIn) -> None:
    """The login lives as long as its last session, and not longer."""
    listener = await bind()
    first, second = await connect(listener), await connect(listener)
    await first.ask(b"hello")
    await second.ask(b"hello")
    listener.close()
    await listener.wait_closed()

    with pytest.raises(ConnectionRefusedError):
        await connect(listener)
    await first.close()
    assert await second.ask(b"still here") == b"still here"
    await second.close()
    await listener.deserted()
    await standin.deserted()


async def test_close_without_a_session_ends_the_login(bind: Bind, standin: SshStandIn) -> None:
    """When wait_closed returns and no session lives, the login has ended too."""
    listener = await bind()
    listener.close()
    await listener.wait_closed()

    await standin.deserted()


async def test_cancelled_while_the_server_thinks(
    standin: SshStandIn, tmp_path: Path, log: Log
) -> None:
    """A bind that is cancelled during the request ends the login."""
    standin.answer = Answer.SILENT
    provider = SshProvider(standin.settings(tmp_path, Timing(unlisten=0.01)))
    task = asyncio.create_task(provider.create_server(log.session, HERE))
    await standin.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await standin.deserted()


async def test_two_listeners_of_one_provider(bind: Bind, standin: SshStandIn) -> None:
    """Each has a login of its own, so that one may end without the other."""
    one, other = await bind(), await bind()
    one.close()
    await one.wait_closed()
    peer = await connect(other)

    assert await peer.ask(b"hello") == b"hello"
    assert standin.logins == 2
    await peer.close()


async def test_a_wildcard_is_warned_of(provider: SshProvider, log: Log) -> None:
    """Nobody can see from here whether sshd has bound more than loopback, so that is said."""
    with all_said() as logs:
        listener = await provider.create_server(log.session, Endpoint.parse("0.0.0.0:0"))
    listener.close()
    await listener.wait_closed()

    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "GatewayPorts clientspecified" in logs[0]["hint"]
    assert logs[0]["via"] == provider.url
    assert listener.addresses[0].host == provider.settings.host


async def test_a_wider_bind_is_warned_of(
    provider: SshProvider, log: Log, standin: SshStandIn
) -> None:
    """sshd with GatewayPorts yes binds every address where loopback was asked for, and says so."""
    standin.gateway_ports_yes = True
    with all_said() as logs:
        listener = await provider.create_server(log.session, HERE)
    listener.close()
    await listener.wait_closed()

    assert "every address in place of 127.0.0.1" in logs[0]["event"]


async def test_loopback_is_not_warned_of(provider: SshProvider, log: Log) -> None:
    """Where there is nothing to doubt, nothing is said."""
    with all_said() as logs:
        listener = await provider.create_server(log.session, HERE)
    listener.close()
    await listener.wait_closed()

    assert logs == []


# TLS


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key."""
    pytest.importorskip("cryptography")
    path = tmp_path_factory.mktemp("tls") / "pem"
    path.write_bytes(self_signed_pem("localhost"))
    return path


@pytest.fixture
def context(pem: Path) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trust(pem: Path) -> ssl.SSLContext:
    """A client's context."""
    return ssl.create_default_context(cafile=str(pem))


async def test_tls_from_the_first_byte(
    bind: Bind, log: Log, context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """With a context, sessions are inside TLS, know their real peer, and carry megabytes."""
    listener = await bind(ssl=context)
    peer = await connect(listener, ssl=trust, server_hostname="localhost")
    assert (await peer.ask(b"who")).decode() == peer.name
    peer.writer.write(bytes(MEGABYTE))

    assert len(await peer.reader.readexactly(MEGABYTE)) == MEGABYTE
    assert log.sessions[0].transport.get_extra_info("ssl_object") is not None
    await peer.close()
    await log.ended.wait()
    assert len(log.ends) == 1


async def test_a_peer_without_tls_is_dropped(
    bind: Bind, context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """Who speaks in clear where TLS is wanted loses the connection; others don't notice."""
    listener = await bind(ssl=context)
    clear = await connect(listener)
    clear.writer.write(b"EHLO there\r\n" * 10)
    with suppress(ConnectionResetError):
        await clear.reader.read()
    peer = await connect(listener, ssl=trust, server_hostname="localhost")

    assert await peer.ask(b"hello") == b"hello"
    await clear.close()
    await peer.close()


class Kept:
    """An aiosmtpd handler that keeps messages, with who sent them."""

    def __init__(self) -> None:
        self.mails: list[tuple[object, bytes, bool]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Keep."""
        self.mails.append((session.peer, envelope.content, session.ssl is not None))
        return "250 OK"


def send(port: int, trust: ssl.SSLContext, body: str) -> tuple[str, int]:
    """Send a mail after STARTTLS; blocks. Gives the client's own address."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client") as client:
        assert client.sock is not None
        name: tuple[str, int] = client.sock.getsockname()
        client._host = "localhost"  # type: ignore[attr-defined] # the name that is verified
        client.starttls(context=trust)
        client.sendmail("a@example.com", ["b@example.com"], body)
    return name


async def test_starttls_of_aiosmtpd(
    bind: Bind, context: ssl.SSLContext, trust: ssl.SSLContext
) -> None:
    """aiosmtpd's own STARTTLS works inside SSH, and the peer is still the real one afterwards."""
    kept = Kept()
    loop = asyncio.get_running_loop()
    listener = await bind(
        lambda: SMTP(kept, hostname="mx", tls_context=context, loop=loop, timeout=30)
    )

    name = await asyncio.to_thread(
        send, listener.addresses[0].port, trust, "Subject: x\n\n" + "0123456789\n" * 100_000
    )

    peer, content, is_tls = kept.mails[0]
    assert (peer, is_tls) == (name, True)
    assert len(content) == 1_200_014


async def test_start_tls_of_asyncio(
    bind: Bind, context: ssl.SSLContext, trust: ssl.SSLContext, log: Log
) -> None:
    """asyncio's loop.start_tls takes the transport; uvloop's takes none but its own."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    session = log.sessions[0]
    loop = asyncio.get_running_loop()
    upgrade = loop.start_tls(session.transport, session, context, server_side=True)
    if type(loop).__module__.startswith("uvloop"):
        with pytest.raises(TypeError):
            await upgrade
    else:
        client = peer.writer.start_tls(trust, server_hostname="localhost")
        transport, _ = await asyncio.gather(upgrade, client)
        assert transport is not None
        session.transport = transport
        assert await peer.ask(b"inside") == b"inside"
    await peer.close()


# Diagnosis


async def names_of(provider: SshProvider, endpoint: Endpoint) -> list[tuple[str, bool | None]]:
    """Diagnose, in short."""
    return [(hop.name, hop.ok) for hop in await provider.diagnose(endpoint)]


GOOD = [("resolve", True), ("connect", True), ("greeting", True), ("auth", True)]


async def test_diagnosis_binds_nothing(provider: SshProvider, standin: SshStandIn) -> None:
    """Every hop is walked up to the login; the request is only told of."""
    hops = await provider.diagnose(HERE)

    assert [(hop.name, hop.ok) for hop in hops] == [*GOOD, ("bind", True)]
    assert "OpenSSH" in hops[2].detail
    assert "SHA256:" in hops[3].detail
    assert all(hop.milliseconds >= 0 for hop in hops)
    assert standin.requests == []


async def test_diagnosis_of_a_wildcard(provider: SshProvider) -> None:
    """What GatewayPorts makes of it is a hop that can't be walked."""
    assert await names_of(provider, Endpoint.parse("0.0.0.0:0")) == [
        *GOOD,
        ("bind", True),
        ("gateway", None),
    ]


async def test_diagnosis_of_a_taken_port(provider: SshProvider, bind: Bind) -> None:
    """A port at which something answers on the SSH host would be refused."""
    listener = await bind()

    hop = (await provider.diagnose(listener.addresses[0]))[-1]

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10048)


async def test_a_unix_socket_cannot_be_bound_there(provider: SshProvider, log: Log) -> None:
    """The path has TCP ports only; that is said before anything is sent."""
    endpoint = Endpoint.parse("unix:/run/mail")
    with pytest.raises(BindError) as caught:
        await provider.create_server(log.session, endpoint)

    assert (caught.value.code, caught.value.hop) == (10050, "request")
    assert await names_of(provider, endpoint) == [("request", False)]
