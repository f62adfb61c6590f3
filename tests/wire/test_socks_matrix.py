"""Every row of the misconfiguration matrix, met for real: what event 4007 says, and what to do."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy import wsa
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import Fault, PortPolicy, SocksServer
from bindpost.proxy.socks.timing import Timing
from bindpost.server.smtp.tls import self_signed_pem

from .dead_ports import closed_port, full_port

ROWS = {row.key: row for row in MATRIX}
HASTY = Timing(step=0.3, total=0.6, probe=0.5, slow=0.05)
"""For what never answers."""
SILENCE = Timing(step=0.3, total=0.6, probe=0.05)
"""For what answers nothing at all."""
PATIENT = Timing(step=10.0, total=20.0, probe=0.5, slow=0.05)

Place = Callable[[Path], AbstractAsyncContextManager[str]]
"""Something in the proxy's place: runs it and gives its `HOST:PORT`."""
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# What stands in the proxy's place


def standin(*, taken: int = 0, **manners: object) -> Place:
    """A stand-in proxy, with a port that somebody else holds there."""

    @asynccontextmanager
    async def run(_folder: Path) -> AsyncIterator[str]:
        async with SocksServer(**manners) as server:  # type: ignore[arg-type]  # rows of a table
            server.taken.add(taken)
            yield str(server.address)

    return run


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve on a free port; in the end wait for what is being served."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
    yield str(Endpoint(*server.sockets[0].getsockname()))
    server.close()
    if tasks:
        await asyncio.wait(tasks)
    await asyncio.sleep(0)


def service(*, banner: bytes = b"", answer: bytes = b"") -> Place:
    """Another service: says its banner at once, and its answer to a request such as HTTP's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(banner)
        heard = b""
        while data := await reader.read(1000):
            heard += data
            if answer and heard.endswith(b"\r\n\r\n"):
                writer.write(answer)
                await writer.drain()

    @asynccontextmanager
    async def run(_folder: Path) -> AsyncIterator[str]:
        async with serving(serve) as address:
            yield address

    return run


@asynccontextmanager
async def tls_service(folder: Path) -> AsyncIterator[str]:
    """A port that speaks TLS."""
    pem = folder / "certificate.pem"
    pem.write_bytes(self_signed_pem("localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(serve, context) as address:
        yield address


@asynccontextmanager
async def nobody(_folder: Path) -> AsyncIterator[str]:
    """A port on which nothing listens."""
    with closed_port() as place:
        yield str(place)


@asynccontextmanager
async def unresolvable(_folder: Path) -> AsyncIterator[str]:
    """A name that resolves nowhere (RFC 6761, 6.4)."""
    yield "proxy.invalid:1080"


@asynccontextmanager
async def black_hole(_folder: Path) -> AsyncIterator[str]:
    """A port whose packets are dropped."""
    with full_port() as place:
        yield str(place)


# The scenarios


class Scenario(NamedTuple):
    """A row's key, the schemes with which it is met, where, and how patiently."""

    key: str
    schemes: str
    place: Place
    timing: Timing = PATIENT
    login: str = ""


USERS = {"u": "p"}
WANTED = 2525
"""The port that is asked for where the number matters; it is never bound."""

AT_START = [
    Scenario("unresolvable", "socks5 socks4", unresolvable),
    Scenario("refused", "socks5 socks4", nobody),
    Scenario("dropped", "socks5 socks4", black_hole, HASTY),
    Scenario("http", "socks5 socks4", service(answer=b"HTTP/1.0 400 Bad request\r\n\r\n"), HASTY),
    Scenario("tls", "socks5 socks4", tls_service, HASTY),
    Scenario("ssh", "socks5 socks4", service(banner=b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    Scenario("smtp", "socks5 socks4", service(banner=b"220 mail.example.com ESMTP\r\n")),
    Scenario("ftp", "socks5 socks4", service(banner=b"220 ProFTPD Server ready\r\n")),
    Scenario("v4-only", "socks5", standin(versions={4})),
    Scenario("v5-only", "socks4 socks4a", standin(versions={5})),
    Scenario("v5-only", "socks4", standin(faults=[Fault.CLOSES_REQUEST])),
    Scenario("invalid", "socks5 socks4", standin(faults=[Fault.GARBAGE])),
    Scenario("invalid", "socks5 socks4", service(banner=b"hello and welcome\r\n")),
    Scenario("silent", "socks5 socks4", standin(faults=[Fault.SILENT]), SILENCE),
    Scenario("closed-greeting", "socks5", standin(faults=[Fault.CLOSES_GREETING])),
    Scenario(
        "closed-login",
        "socks5",
        standin(users=USERS, faults=[Fault.CLOSES_LOGIN]),
        login="u:p",
    ),
    Scenario("login-wanted", "socks5", standin(users=USERS)),
    Scenario("no-method", "socks5", standin(faults=[Fault.NO_METHOD]), login="u:p"),
    Scenario("login-refused", "socks5", standin(users=USERS), login="u:wrong"),
    Scenario("login-refused", "socks5", standin(users=USERS), login="nobody:p"),
    Scenario("closed-request", "socks5", standin(faults=[Fault.CLOSES_REQUEST])),
    Scenario("closed-v4", "socks4", standin(faults=[Fault.CLOSES_GREETING])),
    Scenario("rules", "socks5", standin(reply=0x02)),
    Scenario("rules", "socks5", standin(policy=PortPolicy.STRICT, taken=WANTED)),
    Scenario("refused-v4", "socks4 socks4a", standin(reply=0x5B)),
    Scenario("refused-v4", "socks4", standin(users=USERS)),
    Scenario("refused-v4", "socks4", standin(policy=PortPolicy.STRICT, taken=WANTED)),
    Scenario("identd-v4", "socks4", standin(reply=0x5C)),
    Scenario("identd-v4", "socks4", standin(reply=0x5D)),
    Scenario("no-bind", "socks5", standin(reply=0x07)),
    Scenario("other-port", "socks5 socks4", standin(taken=WANTED)),
    Scenario("other-port", "socks5 socks4", standin(faults=[Fault.OTHER_PORT])),
    Scenario("no-family", "socks5", standin(reply=0x08)),
    Scenario("general", "socks5", standin(reply=0x01)),
    Scenario("network", "socks5", standin(reply=0x03)),
    Scenario("host", "socks5", standin(reply=0x04)),
    Scenario("connection", "socks5", standin(reply=0x05)),
    Scenario("expired", "socks5", standin(reply=0x06)),
    Scenario("unassigned", "socks5", standin(reply=0x09)),
    Scenario("unassigned", "socks4", standin(reply=0x5E)),
]  # fmt: skip
ONLY_AT_THE_REQUEST = [
    Scenario("stalled", "socks5", standin(faults=[Fault.STALLS]), HASTY),
    Scenario("stalled", "socks5", standin(faults=[Fault.DRIPS], drip=0.1), HASTY),
    Scenario("silent", "socks4", standin(faults=[Fault.DRIPS], drip=0.1), HASTY),
]
"""What a greeting doesn't show. Of what drips each byte comes in time, and all of them don't."""
LATER = [
    Scenario("bindreply", "socks5", standin(second_reply=0x02)),
    Scenario("bindreply", "socks4", standin(second_reply=0x5B)),
    Scenario("accept-failed", "socks5", standin(second_reply=0x01)),
    Scenario("accept-failed", "socks5", standin(second_reply=0x06)),
    Scenario("accept-failed", "socks4", standin(second_reply=0x5C)),
    Scenario("lost", "socks5 socks4", standin(faults=[Fault.DIES])),
    Scenario("accept-invalid", "socks5 socks4", standin(faults=[Fault.GARBLES_PEER])),
]


def each(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    """Give a test each scenario with each of its schemes."""
    rows = [(scheme, scenario) for scenario in scenarios for scheme in scenario.schemes.split()]
    names = [f"{number}-{scenario.key}-{scheme}" for number, (scheme, scenario) in enumerate(rows)]
    return pytest.mark.parametrize(("scheme", "scenario"), rows, ids=names)


def provider_for(scheme: str, address: str, scenario: Scenario) -> SocksProvider:
    """Give a provider with a scenario's login and patience."""
    at = "@" if scenario.login else ""
    proxy = SocksProxy.from_url(f"{scheme}://{scenario.login}{at}{address}")
    return SocksProvider(proxy, timing=scenario.timing)


def check(error: BindError, key: str) -> None:
    """See that an error is what its row says."""
    row = ROWS[key]
    assert error.code == row.event
    assert error.hop in row.hops
    assert error.hint == row.hint
    underlying = re.search(r" \((\d+) (WSA\w+)\)$", error.detail)
    assert underlying is not None, error.detail
    code = int(underlying[1])
    assert underlying[2] == wsa.name_of(code)
    assert code == row.winsock or (key == "unresolvable" and 11001 <= code <= 11004)


@each(AT_START + ONLY_AT_THE_REQUEST)
async def test_row_at_start(tmp_path: Path, scheme: str, scenario: Scenario) -> None:
    """What is wrong at the start makes `create_server` fail with its row's error."""
    endpoint = Endpoint("0.0.0.0", WANTED)
    async with scenario.place(tmp_path) as address:
        provider = provider_for(scheme, address, scenario)

        with pytest.raises(BindError) as caught:
            await provider.create_server(asyncio.Protocol, endpoint)

    check(caught.value, scenario.key)
    assert (caught.value.endpoint, caught.value.path) == (str(endpoint), provider.url)


BEFORE_THE_REQUEST = {"resolve", "connect", "greeting", "auth"}


@each(
    [
        scenario
        for scenario in AT_START
        if BEFORE_THE_REQUEST & set(ROWS[scenario.key].hops) or scenario.key == "closed-v4"
    ]
)
async def test_diagnosis_agrees(tmp_path: Path, scheme: str, scenario: Scenario) -> None:
    """What is wrong before the request is told by `diagnose` too; the hops after it are open."""
    async with scenario.place(tmp_path) as address:
        hops = await provider_for(scheme, address, scenario).diagnose(Endpoint("0.0.0.0", WANTED))

    row = ROWS[scenario.key]
    number = [hop.ok for hop in hops].index(False)
    failed = hops[number]
    assert all(hop.ok for hop in hops[:number])
    assert all(hop.ok is None for hop in hops[number + 1 :])
    assert hops[-1].name == "serve"
    assert failed.name in row.hops
    assert (failed.code, failed.hint) == (row.event, row.hint)
    assert re.search(r" \(\d+ WSA\w+\)$", failed.detail)


@each(LATER)
async def test_row_later(tmp_path: Path, scheme: str, scenario: Scenario) -> None:
    """What goes wrong after the bind is reported as RETRYING, with its row's error."""
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()
    async with scenario.place(tmp_path) as address:
        listener = await provider_for(scheme, address, scenario).create_server(
            asyncio.Protocol,
            Endpoint("0.0.0.0", 0),
            report=lambda state, error: reports.put_nowait((state, error)),
        )
        bound = listener.addresses[0]
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex((bound.host, bound.port))
            state, error = await reports.get()
        listener.close()
        await listener.wait_closed()

    assert state is ListenerState.RETRYING
    assert error is not None
    check(error, scenario.key)


@pytest.mark.meets("socks5://", "reset-at-once")
async def test_reset_as_soon_as_it_is_made(tmp_path: Path) -> None:
    """A reset that comes at once is met at the connect or in the greeting, whichever is first."""
    async with standin(faults=[Fault.RESETS])(tmp_path) as address:
        provider = SocksProvider.from_url(f"socks5://{address}")

        with pytest.raises(BindError) as caught:
            await provider.create_server(asyncio.Protocol, Endpoint("0.0.0.0", 0))

    check(caught.value, "reset-at-once" if caught.value.hop == "connect" else "closed-greeting")


@pytest.mark.meets("socks5://", "never-announced")
async def test_client_that_is_never_announced() -> None:
    """A proxy that doesn't tell of a client leaves the listener as it was."""
    async with SocksServer(faults=[Fault.NEVER_TELLS]) as proxy:
        listener = await SocksProvider.from_url(proxy.url()).create_server(
            asyncio.Protocol, Endpoint("0.0.0.0", 0)
        )
        bound = listener.addresses[0]
        _, writer = await asyncio.open_connection(bound.host, bound.port)

        assert listener.state is ListenerState.LISTENING
        writer.close()
        listener.close()
        await listener.wait_closed()


async def test_port_zero_and_a_proxy_that_tells_its_own_port() -> None:
    """3proxy tells its control port whatever it bound; that is not believed for port 0 either."""
    async with SocksServer(faults=[Fault.OTHER_PORT]) as proxy:
        with pytest.raises(BindError) as caught:
            await SocksProvider.from_url(proxy.url()).create_server(
                asyncio.Protocol, Endpoint("0.0.0.0", 0)
            )

    check(caught.value, "other-port")
    assert f"bound port {proxy.address.port} instead of any" in caught.value.detail


async def test_no_ipv6_outside() -> None:
    """[::]:PORT on a proxy without IPv6 is refused with 0x08."""
    async with SocksServer() as proxy:
        with pytest.raises(BindError) as caught:
            await SocksProvider.from_url(proxy.url()).create_server(
                asyncio.Protocol, Endpoint("::", 0)
            )

    check(caught.value, "no-family")


async def test_a_look_at_the_port_is_taken_once() -> None:
    """What doesn't answer SOCKS is probed at the first attempt, not at each one after it."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1)

    async with serving(serve) as address:
        provider = SocksProvider.from_url(f"socks5://{address}")
        counts = []
        for _ in range(3):
            with pytest.raises(BindError):
                await provider.create_server(asyncio.Protocol, Endpoint("0.0.0.0", 0))
            counts.append(connections)

    assert counts == [5, 6, 7]
