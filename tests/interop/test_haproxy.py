"""Real HAProxy in front: who the session sees, health checks, TLS, a queue, and mistakes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.provider import Listener
from bindpost.proxy.splice import splice
from bindpost.server.smtp.protocol import SmtpProtocol
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import LiveSession, Sessions
from bindpost.server.smtp.tls import self_signed_pem
from bindpost.server.store.memory import MemoryStore
from bindpost.testing.logged import all_said

from ..fixtures import both_loops as both_loops

PATIENCE = 30.0
"""Seconds to wait for something that must happen."""
CLIENT = "127.0.0.7"
"""Where the tests' clients come from; HAProxy itself comes from 127.0.0.1."""
HERE = Endpoint.parse("127.0.0.1:0")
DOCS = Path(__file__).parents[2] / "docs" / "haproxy.md"
RECIPES = re.findall(r"^```haproxy\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
DEFAULTS = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
"""


@dataclass
class Seen:
    """What a session was told."""

    session: SmtpProtocol
    tlvs: Mapping[str, str | int]


class Watched(Sessions):
    """The registry of sessions; it keeps them all, and tells when one has gone."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.seen: list[Seen] = []
        self.left = asyncio.Event()

    def enter(self, session: LiveSession, host: str | None = None) -> str:
        """Note a session."""
        assert isinstance(session, SmtpProtocol)
        self.seen.append(Seen(session, session.proxy_tlvs))
        return super().enter(session, host)

    def leave(self, session: LiveSession) -> None:
        """Note the end of one."""
        super().leave(session)
        self.left.set()


@dataclass
class Service:
    """An SMTP service that expects headers."""

    listener: Listener
    store: MemoryStore
    sessions: Watched

    @property
    def server(self) -> str:
        """Its address as a `server` line has it."""
        (address,) = self.listener.addresses
        return f"unix@{address.path}" if address.is_unix else str(address)

    async def peers(self) -> list[str | None]:
        """The peers of the mails that were kept."""
        return [row.session.peer for row in await self.store.find(limit=0)]


@asynccontextmanager
async def serving(*, endpoint: Endpoint = HERE, seconds: float = 5.0) -> AsyncIterator[Service]:
    """Serve mail behind a header."""
    settings = ListenerSettings(endpoint=str(endpoint))
    resources = Resources.load(Settings(listener=(settings,)), hostname="exchange", folder=Path())
    store, sessions = MemoryStore(), Watched()
    factory = session_factory(resources, settings, via="direct:", store=store, sessions=sessions)
    provider = ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"], timeout=seconds)
    listener = await provider.create_server(factory, endpoint)
    try:
        yield Service(listener, store, sessions)
    finally:
        listener.close()
        await listener.wait_closed()
    async with asyncio.timeout(PATIENCE):
        while len(sessions):
            sessions.left.clear()
            await sessions.left.wait()
    await store.close()


@dataclass
class HAProxy:
    """Starts HAProxy in the foreground; its frontend's socket is bound here, so nobody waits."""

    path: Path
    folder: Path
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(
        self,
        server: str,
        *,
        bind: str = "",
        frontend: str = "",
        front: socket.socket | None = None,
    ) -> tuple[str, int]:
        """Run it with these lines, on a free port or `front`; gives where clients connect."""
        sock = front or socket.create_server(("127.0.0.1", 0), backlog=128)
        self.stack.enter_context(sock)
        file = self.folder / "haproxy.cfg"
        file.write_text(
            f"{DEFAULTS}\n"
            f"frontend smtp\n    bind fd@{sock.fileno()} {bind}\n{frontend}"
            "    default_backend app\n"
            f"backend app\n{server}\n"
        )
        command = [str(self.path), "-db", "-f", str(file)]
        subprocess.run([*command, "-c", "-q"], check=True, pass_fds=[sock.fileno()])
        process = subprocess.Popen(
            command,
            pass_fds=[sock.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=self.stack.enter_context((self.folder / "haproxy.log").open("wb")),
        )
        self.stack.callback(process.wait, PATIENCE)
        self.stack.callback(process.terminate)
        address: tuple[str, int] = sock.getsockname()
        return address


@pytest.fixture
async def haproxy(program: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[HAProxy]:
    """HAProxy, ended by its pid when the test is over."""
    made = HAProxy(program("haproxy"), tmp_path)
    with made.stack:
        yield made


async def send_mail(address: tuple[str, int], **options: Any) -> str:
    """Send a mail from `CLIENT`, as a client does that keeps to the rules; gives its own name."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*address, local_addr=(CLIENT, 0), **options)
        host, port = writer.get_extra_info("sockname")
        try:
            for command, code in (
                ("", "220"),
                ("EHLO client", "250"),
                ("MAIL FROM:<a@example.org>", "250"),
                ("RCPT TO:<b@example.org>", "250"),
                ("DATA", "354"),
                ("Subject: hi\r\n\r\nhello\r\n.", "250"),
                ("QUIT", "221"),
            ):
                writer.write(f"{command}\r\n".encode() if command else b"")
                while (line := (await reader.readline()).decode())[3:4] == "-":
                    pass
                assert line.startswith(code), line
            assert await reader.read() == b""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    return f"{host}:{port}"


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2"])
async def test_the_real_peer(haproxy: HAProxy, option: str) -> None:
    """Both versions carry the client's address and port to the mail."""
    async with serving() as service:
        address = haproxy.start(f"    server app {service.server} {option}")

        peer = await send_mail(address)

        assert await service.peers() == [peer]
        assert peer.startswith(CLIENT)


async def test_over_a_unix_socket(haproxy: HAProxy, tmp_path: Path) -> None:
    """HAProxy on the same machine may come by a Unix socket; no address is needed to trust it."""
    async with serving(endpoint=Endpoint(path=str(tmp_path / "smtp.sock"))) as service:
        address = haproxy.start(f"    server app {service.server} send-proxy-v2")

        peer = await send_mail(address)

        assert await service.peers() == [peer]


async def test_a_client_on_a_unix_socket(haproxy: HAProxy, tmp_path: Path) -> None:
    """A client without an address comes as LOCAL, and HAProxy is told as its peer."""
    async with serving() as service:
        front = socket.socket(socket.AF_UNIX)
        front.bind(str(tmp_path / "front.sock"))
        front.listen()
        haproxy.start(f"    server app {service.server} send-proxy-v2", front=front)
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(front.getsockname())
            assert (await reader.readline()).startswith(b"220 ")
        (seen,) = service.sessions.seen
        writer.close()
        await writer.wait_closed()

        assert seen.session.conversation.peer_host == "127.0.0.1"


async def test_health_checks(haproxy: HAProxy) -> None:
    """HAProxy's own checks come as LOCAL: accepted, with HAProxy as their peer."""
    async with serving() as service:
        haproxy.start(
            "    option smtpchk EHLO haproxy.check\n"
            f"    server app {service.server} send-proxy-v2 check check-send-proxy inter 5s"
        )
        async with asyncio.timeout(PATIENCE):
            await service.sessions.left.wait()
        seen = service.sessions.seen[0]

        assert seen.session.conversation.helo_name == "haproxy.check"
        assert seen.session.conversation.peer_host == "127.0.0.1"


async def test_tls_that_ends_at_haproxy(haproxy: HAProxy, tmp_path: Path) -> None:
    """With send-proxy-v2-ssl-cn the session knows of the client's TLS; the checksum is compared."""
    pytest.importorskip("cryptography")
    pem = tmp_path / "pem"
    pem.write_bytes(self_signed_pem("localhost"))
    client_tls = ssl.create_default_context(cafile=str(pem))
    async with serving() as service:
        address = haproxy.start(
            f"    server app {service.server} send-proxy-v2-ssl-cn"
            " proxy-v2-options crc32c,unique-id,authority",
            bind=f"ssl crt {pem}",
            frontend="    unique-id-format mail-%cp\n",
        )

        peer = await send_mail(address, ssl=client_tls, server_hostname="localhost")

        assert await service.peers() == [peer]
        (seen,) = service.sessions.seen
        port = peer.partition(":")[2]
        assert seen.tlvs == {
            "AUTHORITY": "localhost",
            "UNIQUE_ID": f"mail-{port}",
            "SSL_CLIENT": 1,
            "SSL_VERIFY": 0,
            "SSL_VERSION": "TLSv1.3",
        }


async def test_haproxy_that_sends_no_header(haproxy: HAProxy) -> None:
    """Without send-proxy the client gets no banner, and the log says what HAProxy lacks."""
    with all_said() as said:
        async with serving(seconds=0.2) as service:
            address = haproxy.start(f"    server app {service.server}")
            reader, writer = await asyncio.open_connection(*address)
            async with asyncio.timeout(PATIENCE):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    said = [line for line in said if line["log_level"] == "warning"]
    assert [warning["received"] for warning in said] == ["nothing"]
    assert said[0]["hint"].startswith("HAProxy must send it: send-proxy or send-proxy-v2")
    assert service.sessions.seen == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_documented_configurations(
    program: Callable[[str], Path], tmp_path: Path, recipe: str
) -> None:
    """HAProxy finds nothing to say about what docs/haproxy.md tells to write."""
    (tmp_path / "haproxy.cfg").write_text(recipe)
    done = subprocess.run(
        [program("haproxy"), "-c", "-q", "-f", tmp_path / "haproxy.cfg"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# A listener with one slot, as SOCKS BIND is; test_socks_docs.py has the queue that it needs

REARMING = 0.01
"""Seconds that the port is closed after a session: a SOCKS server is some round trips away."""


@asynccontextmanager
async def one_slot(service: Service) -> AsyncIterator[str]:
    """Carry one connection at a time to a service and refuse all others; gives the address."""
    sock = socket.create_server(("127.0.0.1", 0))
    host, port = sock.getsockname()
    task = asyncio.create_task(carry(sock, service.listener.addresses[0]))
    await asyncio.sleep(0)  # from here on the task closes the socket
    try:
        yield f"{host}:{port}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def carry(sock: socket.socket, target: Endpoint) -> None:
    """Accept one connection, close the port until it has ended, and bind it again."""
    loop = asyncio.get_running_loop()
    address = sock.getsockname()
    while True:
        with sock:
            sock.setblocking(False)
            client, _ = await loop.sock_accept(sock)
        with client, socket.socket() as server:
            server.setblocking(False)
            await loop.sock_connect(server, (target.host, target.port))
            await splice(client, server)
        await asyncio.sleep(REARMING)
        sock = socket.create_server(address)


async def test_without_the_queue(haproxy: HAProxy) -> None:
    """The recipe is needed: without retries, HAProxy turns clients away while the slot is taken."""
    async with serving() as service, one_slot(service) as slot:
        address = haproxy.start(f"    retries 0\n    server app {slot} send-proxy-v2")
        busy, writer = await asyncio.open_connection(*address)
        assert (await busy.readline()).startswith(b"220 ")

        with pytest.raises((AssertionError, ConnectionError)):
            await send_mail(address)
        writer.close()
        await writer.wait_closed()
