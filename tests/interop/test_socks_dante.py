"""Dante, the one SOCKS server known to bind a chosen port: sessions through it, its refusals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.dante import Dante
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.timing import Timing
from bindpost.testing import Serve
from bindpost.testing.providers import Bench, BindProviderSuite

ROWS = {row.key: row for row in MATRIX}
PEER = "127.0.0.9"


class Session(asyncio.Protocol):
    """Tells the peer's name, then closes first, as SMTP servers do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who is there."""
        host, port = transport.get_extra_info("peername")
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(f"220 {host}:{port}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Say goodbye."""
        self.transport.write(b"221 bye\r\n")
        self.transport.close()


class Reports:
    """What a listener reports."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()

    def __call__(self, state: ListenerState, error: BindError | None) -> None:
        """Take a report."""
        self._queue.put_nowait((state, error))

    async def until(self, wanted: ListenerState) -> BindError | None:
        """Return when a state is reported, with its error."""
        while True:
            state, error = await self._queue.get()
            if state is wanted:
                return error


@asynccontextmanager
async def bound(dante: Dante, reports: Reports, scheme: str = "socks5") -> AsyncIterator[Listener]:
    """Bind a free port through Dante."""
    proxy = SocksProxy.from_url(dante.url(scheme))
    listener = await SocksProvider(proxy, timing=Timing(linger=0.2)).create_server(
        Session, Endpoint("0.0.0.0", free_port()), report=reports
    )
    try:
        yield listener
    finally:
        listener.close()
        await listener.wait_closed()


async def talk(listener: Listener, *, hang_up: bool = True) -> None:
    """Be a client that hears its own name and quits, then hangs up or waits for the other end."""
    address = listener.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port, local_addr=(PEER, 0))
    try:
        host, port = writer.get_extra_info("sockname")
        assert await reader.readline() == f"220 {host}:{port}\r\n".encode()
        writer.write(b"QUIT\r\n")
        assert await reader.readline() == b"221 bye\r\n"
        if not hang_up:
            assert await reader.read() == b""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def refusal(url: str, endpoint: Endpoint) -> BindError:
    """Give the error with which a bind fails."""
    with pytest.raises(BindError) as caught:
        await SocksProvider.from_url(url).create_server(Session, endpoint)
    return caught.value


def check(error: BindError, key: str) -> None:
    """See that an error is that of its row."""
    row = ROWS[key]
    assert (error.code, error.hint) == (row.event, row.hint), error
    assert error.hop in row.hops


# What works


class TestDante(BindProviderSuite):
    """The suite of all bind providers, through Dante."""

    @pytest.fixture
    async def bench(self, dante: Dante) -> Bench:
        """Give a provider whose Dante runs."""
        return Bench(
            SocksProvider.from_url(dante.start().url()),
            Endpoint.parse("0.0.0.0:0"),
            public_host="127.0.0.1",
            foresees_taken=False,
        )


@pytest.mark.parametrize("ports", ["", "1024-65535"], ids=["any port", "port range"])
@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_one_session_after_the_other(dante: Dante, scheme: str, ports: str) -> None:
    """Thirty clients in turn, each told by its true address, on the port that was asked for."""
    dante.start(ports=ports)
    reports = Reports()
    async with bound(dante, reports, scheme) as listener:
        for _ in range(30):
            await talk(listener)
            await reports.until(ListenerState.LISTENING)


async def test_a_client_that_does_not_close(dante: Dante) -> None:
    """Such a client is reset, and Dante's port is there again at once, without a TIME_WAIT."""
    dante.start()
    reports = Reports()
    async with bound(dante, reports) as listener:
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await talk(listener, hang_up=False)
            await reports.until(ListenerState.LISTENING)


async def test_why_the_rule_for_bindreply_logs_errors(dante: Dante) -> None:
    """Without `log: error` in it Dante passes no reset on: the client is closed, the port dead."""
    dante.start(log_errors=False)
    reports = Reports()
    async with bound(dante, reports) as listener:
        await talk(listener, hang_up=False)
        error = await reports.until(ListenerState.RETRYING)

    assert error is not None
    check(error, "other-port")
    assert "60 s" in error.hint


async def test_one_session_at_a_time(dante: Dante) -> None:
    """While a session lives the port is closed to others."""
    dante.start()
    reports = Reports()
    async with bound(dante, reports) as listener:
        address = listener.addresses[0]
        _, writer = await asyncio.open_connection(address.host, address.port)
        await reports.until(ListenerState.BUSY)
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            await read_all(address)
        writer.transport.abort()
        await reports.until(ListenerState.LISTENING)
        await talk(listener)


async def read_all(address: Endpoint) -> bytes:
    """Connect, and read what comes; Dante's own socket may outlive the accepting by a moment."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        return await reader.read()
    finally:
        writer.transport.abort()


async def test_close_frees_the_port(dante: Dante) -> None:
    """A port that was given up can be bound again as soon as Dante has noticed."""
    dante.start()
    provider = SocksProvider.from_url(dante.url())
    endpoint = Endpoint("0.0.0.0", free_port())
    for _ in range(3):
        listener = await insist(provider, endpoint)
        assert listener.addresses[0] == Endpoint("127.0.0.1", endpoint.port)
        listener.close()
        await listener.wait_closed()


async def insist(provider: SocksProvider, endpoint: Endpoint) -> Listener:
    """Bind a port as soon as it isn't taken."""
    while True:
        try:
            return await provider.create_server(Session, endpoint)
        except BindError as error:
            if error.code != 10048:
                raise


async def test_restart(dante: Dante) -> None:
    """A Dante that is ended and started again: RETRYING with 10050, then LISTENING."""
    dante.start()
    reports = Reports()
    async with bound(dante, reports) as listener:
        dante.stop()
        error = await reports.until(ListenerState.RETRYING)
        dante.start()
        await reports.until(ListenerState.LISTENING)
        await talk(listener)

    assert error is not None
    check(error, "lost")


# What doesn't


async def test_no_rule_for_bind(dante: Dante) -> None:
    """Without a bind rule: 0x02, in SOCKS4 0x5B."""
    dante.start(bind=False)
    endpoint = Endpoint("0.0.0.0", free_port())

    check(await refusal(dante.url(), endpoint), "rules")
    check(await refusal(dante.url("socks4"), endpoint), "refused-v4")


async def test_a_rule_for_another_version(dante: Dante) -> None:
    """With a rule for SOCKS4 only, SOCKS5 is refused by the rules."""
    dante.start(only_v4=True)

    check(await refusal(dante.url(), Endpoint("0.0.0.0", free_port())), "rules")


async def test_a_port_in_use(dante: Dante) -> None:
    """Dante binds another port in place of one that is in use, and that is 10048."""
    dante.start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for scheme in ("socks5", "socks4"):
            error = await refusal(dante.url(scheme), Endpoint("0.0.0.0", port))

            check(error, "other-port")
            assert f"instead of {port}" in error.detail


async def test_a_port_in_use_under_a_port_range(dante: Dante) -> None:
    """With a port range in its rule the same is a refusal by the rules."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        dante.start(ports=f"{port}-{port}")

        check(await refusal(dante.url(), Endpoint("0.0.0.0", port)), "rules")


async def test_a_privileged_port(dante: Dante) -> None:
    """A port below 1024 becomes another one, unless Dante is told otherwise."""
    dante.start()

    check(await refusal(dante.url(), Endpoint("0.0.0.0", 1000)), "other-port")


async def test_no_rule_for_bindreply(dante: Dante) -> None:
    """Without a bindreply rule the bind works, and each client is refused."""
    dante.start(bindreply=False)
    reports = Reports()
    async with bound(dante, reports) as listener:
        address = listener.addresses[0]
        _, writer = await asyncio.open_connection(address.host, address.port)
        error = await reports.until(ListenerState.RETRYING)
        writer.transport.abort()

    assert error is not None
    check(error, "bindreply")


async def test_a_client_that_is_not_let_in(dante: Dante) -> None:
    """Without a matching client rule the connection is closed before a word is said."""
    dante.start(clients="127.0.0.99/32")

    check(await refusal(dante.url(), Endpoint("0.0.0.0", free_port())), "closed-greeting")


async def test_a_login_is_wanted(dante: Dante) -> None:
    """With `socksmethod: username`: no login, a wrong one, and SOCKS4, which has none."""
    dante.start(method="username")
    endpoint = Endpoint("0.0.0.0", free_port())

    check(await refusal(dante.url(), endpoint), "login-wanted")
    check(await refusal(dante.url(login="no-such-user:wrong"), endpoint), "login-refused")
    check(await refusal(dante.url("socks4"), endpoint), "refused-v4")


async def test_no_ipv6_outside(dante: Dante) -> None:
    """[::]:PORT through a Dante with an IPv4 outside is refused with 0x08."""
    dante.start()

    check(await refusal(dante.url(), Endpoint("::", free_port())), "no-family")


# What diagnosis says


async def test_diagnosis(dante: Dante) -> None:
    """A Dante that works is walked up to the request."""
    dante.start()
    endpoint = Endpoint("0.0.0.0", free_port())
    for scheme in ("socks5", "socks4"):
        hops = await SocksProvider.from_url(dante.url(scheme)).diagnose(endpoint)

        assert [(hop.name, hop.ok) for hop in hops] == [
            ("resolve", True),
            ("connect", True),
            ("greeting", True),
            ("serve", True),
        ]


async def test_diagnosis_of_a_login(dante: Dante) -> None:
    """A Dante that wants a login is found out without a bind."""
    dante.start(method="username")
    hops = await SocksProvider.from_url(dante.url()).diagnose(Endpoint("0.0.0.0", 2525))

    failed = next(hop for hop in hops if hop.ok is False)
    assert failed.name == "auth"
    assert failed.hint == ROWS["login-wanted"].hint


# The whole program


def test_the_event_of_a_path_that_is_wrong(dante: Dante, serve: Serve) -> None:
    """A Dante whose rules forbid it: 4007 with 10050, the hop, what to do, and exit 69."""
    dante.start(bind=False)
    serving = serve("--via", dante.url(), listen=f"0.0.0.0:{free_port()}")

    assert serving.wait_end() == 69
    record = next(record for record in serving.records if record.get("EventID") == 4007)
    assert record["Data"] == ["10050"]
    assert record["bindpost"]["hop"] == "bind"
    assert record["bindpost"]["hint"] == ROWS["rules"].hint


def test_the_event_of_a_port_that_is_taken(dante: Dante, serve: Serve) -> None:
    """A port that somebody else holds over there: 4007 with 10048."""
    dante.start()
    with socket.create_server(("127.0.0.1", 0)) as other:
        serving = serve("--via", dante.url(), listen=f"0.0.0.0:{other.getsockname()[1]}")
        assert serving.wait_end() == 69

    record = next(record for record in serving.records if record.get("EventID") == 4007)
    assert record["Data"] == ["10048"]
