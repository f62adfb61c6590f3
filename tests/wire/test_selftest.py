"""The self-test of each bind path with the stand-ins: what it finds, and that nothing is left."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.haproxy.reach import CLIENT
from bindpost.proxy.inherited import InheritedProvider
from bindpost.proxy.provider import (
    BindProvider,
    Call,
    Finding,
    Hop,
    Listener,
    Reaching,
    UnreachedError,
)
from bindpost.proxy.selftest import Limits, self_test
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import Fault, SocksServer
from bindpost.proxy.ssh.matrix import REACH_ROWS
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import Answer, SshStandIn
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.reach import unreached
from bindpost.proxy.winsock.standin import WinsockProxyServer

HERE = Endpoint.parse("127.0.0.1:0")
ANY = Endpoint.parse("0.0.0.0:0")
SOCKS_ROWS = {row.key: row for row in MATRIX}
HASTY = Limits(reach=0.5, accept=0.3, report=0.3, leave=0.3)
"""For what never comes."""
PATIENCE = 10.0
"""Seconds for what must end by itself."""
STEPS = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60]
"""Turns of the loop before a self-test is cancelled."""


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


def holdings() -> tuple[int, int, list[str]]:
    """Give what a self-test may not leave behind: tasks, its threads, sockets of this process."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("socks")]
    return len(asyncio.all_tasks()), len(threads), sorted(sockets())


def sockets() -> Iterator[str]:
    """Give the sockets that this process has open, but for Unix ones: those are the loop's own."""
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the folder's own descriptor is gone again
            name = os.readlink(link)
            if name.startswith("socket:") and name[8:-1] not in unix:
                yield name


Settle = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def leaving_nothing(settle: Settle | None = None) -> AsyncIterator[None]:
    """See that all is as before; `settle` returns when a stand-in has noticed that, too."""
    before, tasks = holdings(), asyncio.all_tasks()
    yield
    for _ in range(10):  # what was closed is gone some turns of the loop later, on both sides
        await asyncio.sleep(0)
        if settle is not None:
            await settle()
    if others := asyncio.all_tasks() - tasks:  # a stand-in's, which end by themselves
        await asyncio.wait(others, timeout=PATIENCE)
    assert holdings() == before


async def try_out(
    provider: BindProvider,
    endpoint: Endpoint = HERE,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    settle: Settle | None = None,
) -> list[Hop]:
    """Make a self-test that leaves nothing behind."""
    async with leaving_nothing(settle):
        return await self_test(provider, endpoint, limits=limits)


def steps(hops: Sequence[Hop]) -> list[tuple[str, bool | None]]:
    """Give each step and how it went."""
    return [(hop.name, hop.ok) for hop in hops]


FINE = [("bind", True), ("reach", True), ("accept", True), ("peer", True)]
PEER_UNKNOWN = [*FINE[:3], ("peer", None)]
NOT_ACCEPTED = [("bind", True), ("reach", True), ("accept", False)]
NOT_REACHED = [("bind", True), ("reach", False), ("accept", None)]
UNTESTED = [("bind", True), ("reach", None), ("accept", None)]


# On this machine


@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0"])
async def test_direct(endpoint: str) -> None:
    """A bind on this machine is reached, a wildcard by loopback, and its peer is told."""
    hops = await try_out(DirectProvider(), Endpoint.parse(endpoint))

    assert steps(hops) == FINE
    assert all(hop.milliseconds > 0 and hop.code is None and not hop.hint for hop in hops)


async def test_direct_ipv6() -> None:
    """The IPv6 wildcard is reached by ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    hops = await try_out(DirectProvider(), Endpoint.parse("[::]:0"))

    assert steps(hops) == FINE
    assert "[::1]" in hops[1].detail


async def test_a_unix_socket(tmp_path: Path) -> None:
    """A Unix socket is reached by its path; it has no peer's address, and its file goes again."""
    path = tmp_path / "smtp"
    hops = await try_out(DirectProvider(), Endpoint(path=str(path)))

    assert steps(hops) == FINE[:3]
    assert not path.exists()


async def test_a_taken_port() -> None:
    """A bind that fails is told as `serve` would, and nothing is dialled."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        (hop,) = await try_out(DirectProvider(), HERE.with_port(other.getsockname()[1]))

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10048)
    assert hop.hint


async def test_handed_sockets() -> None:
    """Sockets that were handed over are reached, and still listen afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as handed:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        provider = InheritedProvider(environ, first=handed.fileno())
        once, twice = await try_out(provider), await try_out(provider)

    assert steps(once) == steps(twice) == FINE


async def test_a_client_that_comes_in_the_moment_is_sent_away() -> None:
    """A stranger gets a 421, so that a mail client tries again, and is not taken for the test."""
    with socket.create_server(("127.0.0.1", 0)) as handed:
        reader, writer = await asyncio.open_connection(*handed.getsockname())  # in the queue
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        hops = await self_test(InheritedProvider(environ, first=handed.fileno()), HERE)
        heard = b""
        with suppress(ConnectionResetError):
            heard = await reader.readline()
        writer.close()

    assert steps(hops) == FINE
    assert heard.startswith(b"421 ")


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_leaves_nothing(turns: int) -> None:
    """A self-test that is cancelled, at whatever point, leaves nothing."""
    async with leaving_nothing():
        await cancelled(DirectProvider(), HERE, turns)


async def cancelled(provider: BindProvider, endpoint: Endpoint, turns: int) -> None:
    """Cancel a self-test after some turns of the loop."""
    task = asyncio.create_task(self_test(provider, endpoint))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


# Providers that are odd


class Odd:
    """Binds like direct:, and comes in elsewhere, or by another name."""

    url = "odd:"

    def __init__(self, *, elsewhere: Endpoint | None = None, **changes: object) -> None:
        self._inner = DirectProvider()
        self._elsewhere = elsewhere
        self._changes = changes

    async def create_server(self, *arguments: Any, **options: Any) -> Listener:
        """Bind."""
        return await self._inner.create_server(*arguments, **options)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk."""
        return await self._inner.diagnose(endpoint)

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Connect."""
        call = await self._inner.reach(self._elsewhere or address, seconds=seconds)
        return replace(call, **self._changes)  # type: ignore[arg-type]  # by name


class Plain:
    """A provider of others, which has no `reach`."""

    url = "plain:"

    async def create_server(self, *arguments: Any, **options: Any) -> Listener:
        """Bind; or never return, for port 1."""
        if arguments[1].port == 1:
            await asyncio.Event().wait()
        return await DirectProvider().create_server(*arguments, **options)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Find nothing."""
        return []


async def test_a_provider_without_the_add_on() -> None:
    """It is bound, and that nobody can come in from here is no failure."""
    provider: BindProvider = Plain()
    assert not isinstance(provider, Reaching)

    for one in (provider, ProxyProtocolProvider(provider, ["127.0.0.1"])):
        hops = await try_out(one)

        assert steps(hops) == UNTESTED
        assert "from outside" in hops[1].hint


async def test_a_bind_that_never_ends() -> None:
    """A bind has so many seconds; then the path counts as unusable."""
    (hop,) = await try_out(Plain(), HERE.with_port(1), limits=Limits(bind=0.05))

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10050)


async def test_another_program_answers() -> None:
    """Whoever has another banner is not this listener."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 somebody else\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    other = Endpoint(*server.sockets[0].getsockname())
    hops = await self_test(Odd(elsewhere=other), HERE, limits=HASTY)
    server.close()

    assert steps(hops) == NOT_ACCEPTED
    assert "220 somebody else" in hops[-1].detail


@pytest.mark.parametrize("closes", [False, True], ids=["silent", "closes"])
async def test_nobody_says_anything(closes: bool) -> None:
    """A connection that brings no session is what its provider says that it is."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()))
        if closes:
            asyncio.get_running_loop().call_later(0.05, lambda: other.accept()[0].close())
        hops = await try_out(provider, limits=HASTY)

    assert steps(hops) == NOT_ACCEPTED
    assert "no session begins" in hops[-1].detail
    assert hops[-1].code is None


async def test_nobody_listens_there() -> None:
    """A refused connection is a failure of which `serve` would log nothing."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        hops = await try_out(Odd(elsewhere=Endpoint(*sock.getsockname())))

    assert steps(hops) == NOT_REACHED
    assert "10061 WSAECONNREFUSED" in hops[1].detail
    assert hops[1].code is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": Endpoint("192.0.2.7", 1)}, False),
        ({"name": Endpoint("127.0.0.1", 1)}, False),
        ({"name": Endpoint("127.0.0.1", 0)}, True),
        ({"name": None}, None),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False}, None),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False, "proxy": "127.0.0.1"}, False),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False, "proxy": "10.0.0.1"}, None),
    ],
)
async def test_who_is_told(changes: dict[str, Any], told: bool | None) -> None:
    """A session that is told somebody else is a failure where nothing else can be the reason."""
    hops = await try_out(Odd(**changes))

    assert steps(hops) == [*FINE[:3], ("peer", told)]


async def test_a_reach_that_is_cut_off_is_closed() -> None:
    """When the wait for a banner is cancelled, the connection is closed, too."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()))
        async with leaving_nothing():
            task = asyncio.create_task(self_test(provider, HERE))
            loop = asyncio.get_running_loop()
            other.setblocking(False)
            accepted, _ = await loop.sock_accept(other)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await loop.sock_recv(accepted, 1) == b""
            accepted.close()


# Through a SOCKS proxy


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "socks4a"])
async def test_socks(scheme: str) -> None:
    """CONNECT through the same proxy comes back in; SOCKS4 doesn't tell from where."""
    async with SocksServer() as proxy:
        provider = SocksProvider.from_url(proxy.url(scheme))
        hops = await try_out(provider, ANY, settle=proxy.idle)

        assert proxy.bound == []
    assert steps(hops) == (FINE if scheme == "socks5" else PEER_UNKNOWN)


async def test_a_socks_port_is_free_again() -> None:
    """The client closed first, so that `serve` can bind the same port at once."""
    async with SocksServer() as proxy:
        provider = SocksProvider.from_url(proxy.url())
        first = await try_out(provider, ANY, settle=proxy.idle)
        endpoint = ANY.with_port(Endpoint.parse(first[1].target).port)

        again = await try_out(provider, endpoint, settle=proxy.idle)

    assert steps(again) == FINE


async def test_a_socks_login_is_used() -> None:
    """The way back in logs in as the bind does."""
    async with SocksServer(users={"me": "secret"}) as proxy:
        provider = SocksProvider.from_url(proxy.url(login="me:secret"))
        hops = await try_out(provider, ANY, settle=proxy.idle)

    assert steps(hops) == FINE


@pytest.mark.meets("socks5://", "never-announced", "unreached", "no-connect")
@pytest.mark.parametrize(
    ("key", "found", "scheme", "manners"),
    [
        ("bindreply", NOT_ACCEPTED, "socks5", {"second_reply": 0x02}),
        ("bindreply", NOT_ACCEPTED, "socks4", {"second_reply": 0x5B}),
        ("accept-failed", NOT_ACCEPTED, "socks5", {"second_reply": 0x01}),
        ("accept-invalid", NOT_ACCEPTED, "socks5", {"faults": [Fault.GARBLES_PEER]}),
        ("never-announced", NOT_ACCEPTED, "socks5", {"faults": [Fault.NEVER_TELLS]}),
        ("never-announced", NOT_ACCEPTED, "socks4", {"faults": [Fault.NEVER_TELLS]}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x03}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x04}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x05}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x06}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x01}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x02}),
        ("no-connect", UNTESTED, "socks4", {"connect_reply": 0x5B}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x07}),
    ],
)
async def test_what_a_socks_proxy_does(
    key: str,
    found: list[tuple[str, bool | None]],
    scheme: str,
    manners: dict[str, Any],
) -> None:
    """Each is found, with its row's hint and the code of the event that `serve` would log."""
    async with SocksServer(**manners) as proxy:
        provider = SocksProvider.from_url(proxy.url(scheme))
        hops = await try_out(provider, ANY, limits=HASTY, settle=proxy.idle)

    row = SOCKS_ROWS[key]
    telling = next(hop for hop in hops if hop.ok is not True)
    assert steps(hops) == found
    assert (telling.name, telling.hint) == (row.hops[0], row.hint)
    assert telling.code == (10050 if row.event == 10050 else None)
    assert f"({row.winsock} WSA" in telling.detail


@pytest.mark.meets("socks5://", "unreached-silent", "no-connect-unsaid")
@pytest.mark.parametrize(
    ("key", "hangs", "found"),
    [("unreached-silent", True, NOT_REACHED), ("no-connect-unsaid", False, UNTESTED)],
)
async def test_a_connect_without_an_answer(
    key: str, hangs: bool, found: list[tuple[str, bool | None]]
) -> None:
    """Silence is what a firewall that drops packets makes; a proxy that hangs up says nothing."""
    async with SocksServer() as proxy, Front(proxy, hangs=hangs) as front:
        provider = SocksProvider.from_url(front.url)
        hops = await try_out(provider, ANY, limits=HASTY, settle=front.idle)

    assert steps(hops) == found
    assert hops[1].hint == SOCKS_ROWS[key].hint


class Front:
    """
    Stands before a proxy and passes a BIND on; at a CONNECT, which is `asked`, it hangs or closes.

    `async with` runs it.
    """

    def __init__(self, proxy: SocksServer, *, hangs: bool) -> None:
        self.asked = asyncio.Event()
        self._proxy = proxy
        self._hangs = hangs
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Front:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"socks5://{Endpoint(*self._server.sockets[0].getsockname())}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self.idle()

    async def idle(self) -> None:
        """Return when nobody is connected."""
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        inner_reader, inner_writer = await asyncio.open_connection(*address(self._proxy))
        try:
            inner_writer.write(await reader.readexactly(3))
            writer.write(await inner_reader.readexactly(2))
            request = await reader.readexactly(10)
            if request[1] == 2:
                inner_writer.write(request)
                writer.write(await inner_reader.readexactly(10))
                await reader.read(1)
            else:
                self.asked.set()
                if self._hangs:
                    await reader.read(1)
        finally:
            for each in (inner_writer, writer):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()


def address(proxy: SocksServer) -> tuple[str, int]:
    """Give where a proxy listens."""
    return proxy.address.host, proxy.address.port


async def test_a_hidden_peer() -> None:
    """A proxy that tells no peer is none that tells a wrong one."""
    async with SocksServer(faults=[Fault.HIDES_PEER]) as proxy:
        hops = await try_out(SocksProvider.from_url(proxy.url()), ANY, settle=proxy.idle)

    assert steps(hops) == PEER_UNKNOWN


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_through_socks(turns: int) -> None:
    """A self-test that is cancelled leaves no thread, no connection, and no bind on the proxy."""
    async with SocksServer() as proxy:
        async with leaving_nothing(proxy.idle):
            await cancelled(SocksProvider.from_url(proxy.url()), ANY, turns)

        assert proxy.bound == []


async def test_cancelling_a_connect_that_hangs() -> None:
    """The thread that waits for CONNECT's answer ends with the self-test."""
    async with SocksServer() as proxy, Front(proxy, hangs=True) as front:
        async with leaving_nothing(front.idle):
            task = asyncio.create_task(self_test(SocksProvider.from_url(front.url), ANY))
            await front.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await proxy.idle()
        assert proxy.bound == []


# Through an SSH server


@pytest.fixture
async def ssh() -> AsyncIterator[SshStandIn]:
    """An SSH server."""
    server = await SshStandIn.start()
    yield server
    await server.stop()


async def test_ssh(ssh: SshStandIn, tmp_path: Path) -> None:
    """The server connects to what it has bound, by a login of its own."""
    provider = SshProvider(ssh.settings(tmp_path))
    for endpoint in (HERE, ANY):
        hops = await try_out(provider, endpoint, settle=ssh.deserted)

        assert steps(hops) == FINE
    assert ssh.logins == 4


@pytest.mark.parametrize(
    ("key", "endpoint", "found", "connects"),
    [
        ("no-connect", "127.0.0.1:0", UNTESTED, False),
        # The stand-in binds 127.0.0.1 whatever is asked for, as sshd does with GatewayPorts no.
        ("loopback-only", "127.0.0.2:0", NOT_REACHED, True),
    ],
)
async def test_what_an_ssh_server_does(
    ssh: SshStandIn,
    tmp_path: Path,
    key: str,
    endpoint: str,
    found: list[tuple[str, bool | None]],
    connects: bool,
) -> None:
    """Each is found, with its row's hint; `serve` would log nothing."""
    ssh.connects = connects
    provider = SshProvider(ssh.settings(tmp_path))
    hops = await try_out(provider, Endpoint.parse(endpoint), settle=ssh.deserted)

    assert steps(hops) == found
    assert hops[1].hint.startswith(REACH_ROWS[key].hint.partition("{")[0])
    assert hops[1].code is None


async def test_a_second_login_that_fails(ssh: SshStandIn, tmp_path: Path) -> None:
    """A server that lets nobody in a second time leaves the question open."""
    settings = ssh.settings(tmp_path)

    class Locked(SshProvider):
        async def reach(self, address: Endpoint, *, seconds: float) -> Call:
            (tmp_path / "known_hosts").write_text("")
            return await super().reach(address, seconds=seconds)

    hops = await try_out(Locked(settings), settle=ssh.deserted)

    assert steps(hops) == UNTESTED
    assert "not known here" in hops[1].detail


async def test_a_port_that_is_open_nowhere(ssh: SshStandIn, tmp_path: Path) -> None:
    """Where the server connects neither to the address nor to its loopback, nobody does."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

        with pytest.raises(UnreachedError) as caught:
            await SshProvider(ssh.settings(tmp_path)).reach(HERE.with_port(port), seconds=PATIENCE)

    assert caught.value.finding.ok is False
    assert caught.value.finding.hint.startswith(REACH_ROWS["unreached"].hint.partition("{")[0])


async def test_a_port_that_opens_no_session(ssh: SshStandIn, tmp_path: Path) -> None:
    """A connection that the server makes and nobody answers is the row's own."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        class Astray(SshProvider):
            async def reach(self, address: Endpoint, *, seconds: float) -> Call:
                return await super().reach(Endpoint(*other.getsockname()), seconds=seconds)

        provider = Astray(ssh.settings(tmp_path))
        hops = await try_out(provider, limits=replace(HASTY, reach=5.0), settle=ssh.deserted)

    assert steps(hops) == NOT_ACCEPTED
    assert hops[-1].hint.startswith(REACH_ROWS["never-opened"].hint.partition("{")[0])


async def test_a_port_that_ssh_refuses(ssh: SshStandIn, tmp_path: Path) -> None:
    """A bind that is refused is told as `serve` would tell it."""
    ssh.answer = Answer.NOT_PERMITTED
    (hop,) = await try_out(SshProvider(ssh.settings(tmp_path)), settle=ssh.deserted)

    assert (hop.name, hop.ok, hop.code) == ("request", False, 10050)


@pytest.mark.parametrize("turns", [*STEPS, 80, 100, 150, 200])
async def test_cancelling_through_ssh(ssh: SshStandIn, tmp_path: Path, turns: int) -> None:
    """A self-test that is cancelled leaves no login."""
    provider = SshProvider(ssh.settings(tmp_path))
    async with leaving_nothing(ssh.deserted):
        await cancelled(provider, HERE, turns)


# Through a Winsock Proxy


async def test_winsock() -> None:
    """The proxy's outside is dialled, and the local half; both peers are told."""
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy:
        hops = await try_out(WinsockProvider.from_url(proxy.url), settle=proxy.idle)

        assert proxy.bound == []
    assert steps(hops) == [*FINE, *FINE[1:]]
    assert hops[1].target.startswith("127.0.0.2:")
    assert hops[4].target.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("number", "ok"),
    [(errno.ECONNREFUSED, False), (errno.ENETUNREACH, None), (errno.EHOSTUNREACH, None)],
)
def test_no_way_to_the_proxys_outside(number: int, ok: bool | None) -> None:
    """That this machine has no way there is no failure, since peers come from elsewhere."""
    outside = Endpoint("192.0.2.1", 25)
    # A number makes it one of the classes that a connect raises.
    finding = unreached(outside, OSError(number, os.strerror(number)))

    assert finding.ok is ok
    assert str(outside) in finding.detail
    assert unreached(outside, TimeoutError()).ok is None


# Behind a PROXY protocol


@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "127.0.0.1"])
async def test_a_header_is_sent(trusted: str) -> None:
    """The session is told the client that the header names."""
    hops = await try_out(ProxyProtocolProvider(DirectProvider(), [trusted]))

    assert steps(hops) == FINE
    assert str(CLIENT) in hops[-1].detail


async def test_a_header_on_a_unix_socket(tmp_path: Path) -> None:
    """Whoever may connect to a Unix socket is trusted."""
    provider = ProxyProtocolProvider(DirectProvider(), ["192.0.2.7"])
    hops = await try_out(provider, Endpoint(path=str(tmp_path / "smtp")))

    assert steps(hops) == FINE


async def test_this_machine_is_not_trusted() -> None:
    """What only the load balancer may do can't be tested from here."""
    hops = await try_out(ProxyProtocolProvider(DirectProvider(), ["192.0.2.7"]))

    assert steps(hops) == UNTESTED
    assert "no trusted sender" in hops[1].detail


async def test_a_header_through_socks() -> None:
    """The header goes through the inner path; who sends it there need not be known."""
    async with SocksServer() as proxy:
        for scheme in ("socks5", "socks4"):
            inner = SocksProvider.from_url(proxy.url(scheme))
            provider = ProxyProtocolProvider(inner, ["127.0.0.1"])
            assert steps(await try_out(provider, ANY, settle=proxy.idle)) == FINE

            provider = ProxyProtocolProvider(inner, ["192.0.2.7"])
            hops = await try_out(provider, ANY, limits=HASTY, settle=proxy.idle)
            told = next(hop for hop in hops if hop.ok is not True)
            assert told.ok is None
            assert "proxy_trusted" in told.hint


async def test_a_header_through_ssh(ssh: SshStandIn, tmp_path: Path) -> None:
    """The SSH server's own address is the sender."""
    inner = SshProvider(ssh.settings(tmp_path))
    trusting = ProxyProtocolProvider(inner, ["127.0.0.1"])
    doubting = ProxyProtocolProvider(inner, ["192.0.2.7"])

    assert steps(await try_out(trusting, settle=ssh.deserted)) == FINE
    assert steps(await try_out(doubting, settle=ssh.deserted)) == UNTESTED


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_behind_a_header(turns: int) -> None:
    """A self-test that is cancelled leaves no connection that waits for its header."""
    async with leaving_nothing():
        await cancelled(ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"]), HERE, turns)


async def test_a_finding_is_kept_as_it_is() -> None:
    """What silence means is the provider's to say, and to leave open."""
    finding = Finding(None, "nobody knows", "look")
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()), silent=finding)
        hops = await try_out(provider, limits=HASTY)

    assert (hops[-1].ok, hops[-1].detail, hops[-1].hint) == (None, "nobody knows", "look")
