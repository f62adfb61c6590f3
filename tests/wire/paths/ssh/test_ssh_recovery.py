"""A lost login: it is noticed, told, and the port is bound again as the contract says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncssh
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.pause import pause_of
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import SshSettings, Timing
from bindpost.proxy.ssh.standin import Answer, SshStandIn

from ....clock import Clock

HERE = Endpoint.parse("127.0.0.1:0")
QUICK = Timing(pauses=(0.001, 0.01), slow=0.02, held=60.0)

LISTENING, RETRYING = ListenerState.LISTENING, ListenerState.RETRYING
FAILED, CLOSED = ListenerState.FAILED, ListenerState.CLOSED


@pytest.fixture
async def standin() -> AsyncIterator[SshStandIn]:
    """An SSH server."""
    server = await SshStandIn.start()
    yield server
    await server.stop()


class Echo(asyncio.Protocol):
    """Echoes, and notes how it ended."""

    ends: asyncio.Queue[Exception | None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note."""
        self.ends.put_nowait(exc)


@dataclass
class Watch:
    """A listener and what it reports."""

    listener: Listener
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]]
    ends: asyncio.Queue[Exception | None] = field(default_factory=asyncio.Queue)

    @classmethod
    async def bind(cls, settings: SshSettings) -> Watch:
        """Bind."""
        reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()
        ends: asyncio.Queue[Exception | None] = asyncio.Queue()

        def session() -> Echo:
            echo = Echo()
            echo.ends = ends
            return echo

        listener = await SshProvider(settings).create_server(
            session, HERE, report=lambda state, error: reports.put_nowait((state, error))
        )
        return cls(listener, reports, ends)

    async def next(self, state: ListenerState) -> BindError:
        """Give the error of the next report, which has to be of this state."""
        reported, error = await self.reports.get()
        assert reported is state
        assert error is not None
        return error

    async def until(self, state: ListenerState) -> BindError | None:
        """Wait for a report of this state; gives its error."""
        while True:
            reported, error = await self.reports.get()
            if reported is state:
                return error

    async def ask(self, data: bytes) -> bytes:
        """Connect, ask, hang up."""
        address = self.listener.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(data)
        answer = await reader.read(100)
        writer.close()
        await writer.wait_closed()
        return answer

    async def close(self) -> None:
        """Close the listener; nothing is reported of that."""
        self.listener.close()
        await self.listener.wait_closed()
        assert self.listener.state is CLOSED


@pytest.fixture
def settings(standin: SshStandIn, tmp_path: Path) -> SshSettings:
    """Settings with which a login works."""
    return standin.settings(tmp_path, QUICK)


@pytest.fixture
async def watch(settings: SshSettings) -> AsyncIterator[Watch]:
    """A listener that is closed again."""
    made = await Watch.bind(settings)
    yield made
    await made.close()


async def test_nothing_is_reported_of_a_good_start(watch: Watch) -> None:
    """The start is what create_server returns; the report is for what comes later."""
    assert watch.listener.state is LISTENING
    assert watch.reports.empty()


@pytest.mark.meets("ssh://", "lost")
async def test_a_lost_login_is_bound_again(watch: Watch, standin: SshStandIn) -> None:
    """The loss is told with its error, then the port is there again, with its number."""
    before = tuple(watch.listener.addresses)
    standin.drop()

    error = await watch.next(RETRYING)
    assert (error.code, error.hop) == (10050, "accept")
    assert "10054" in error.detail
    assert await watch.until(LISTENING) is None
    assert watch.listener.state is LISTENING
    assert tuple(watch.listener.addresses) == before
    assert standin.requests[1] == ("127.0.0.1", before[0].port)
    assert await watch.ask(b"hello") == b"hello"


async def test_again_and_again(watch: Watch, standin: SshStandIn) -> None:
    """Each loss is like the first."""
    for _ in range(5):
        standin.drop()
        await watch.until(LISTENING)

    assert await watch.ask(b"hello") == b"hello"


async def test_sessions_of_a_lost_login_end(watch: Watch, standin: SshStandIn) -> None:
    """They end as those of a reset TCP connection do, each once."""
    address = watch.listener.addresses[0]
    peers = [await asyncio.open_connection(address.host, address.port) for _ in range(3)]
    for reader, writer in peers:
        writer.write(b"hello")
        await reader.read(100)
    standin.drop()

    ends = [await watch.ends.get() for _ in peers]
    assert [type(end) for end in ends] == [ConnectionResetError] * 3
    await watch.until(LISTENING)
    assert watch.ends.empty()
    for _, writer in peers:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_server_that_restarts(watch: Watch, standin: SshStandIn) -> None:
    """While nothing listens there, the cause is told once; then the port comes back."""
    await standin.stop()
    assert (await watch.next(RETRYING)).hop == "accept"
    assert (await watch.next(RETRYING)).hop == "connect"
    await standin.listen()

    assert await watch.until(LISTENING) is None
    assert await watch.ask(b"hello") == b"hello"


async def test_a_pause_is_cut_short(settings: SshSettings, standin: SshStandIn) -> None:
    """The pause before the next attempt is told, and needn't be waited for."""
    long = replace(QUICK, pauses=(0.001, 3600.0))
    watch = await Watch.bind(replace(settings, timing=long))
    pause = pause_of(watch.listener)
    assert pause is not None
    await standin.stop()
    assert (await watch.next(RETRYING)).hop == "accept"
    assert (await watch.next(RETRYING)).hop == "connect"
    left = pause.left
    await standin.listen()
    await pause.cut_short()

    assert left is not None
    assert left > 3000
    assert watch.listener.state is LISTENING
    assert pause.attempts == 2
    await watch.close()


async def test_who_waits_for_an_attempt_is_let_go(
    settings: SshSettings, standin: SshStandIn
) -> None:
    """A listener that is closed during an attempt tells so to whoever has asked for it."""
    long = replace(QUICK, pauses=(0.001, 3600.0))
    watch = await Watch.bind(replace(settings, timing=long))
    pause = pause_of(watch.listener)
    assert pause is not None
    await standin.asked()
    standin.answer = Answer.SILENT
    standin.drop()
    await watch.next(RETRYING)
    asking = asyncio.create_task(pause.cut_short())
    await standin.asked()
    await watch.close()

    await asking


async def test_a_rule_that_has_changed(watch: Watch, standin: SshStandIn) -> None:
    """A refusal after the start is retried, slowly: somebody may take it back."""
    standin.answer = Answer.DISABLED
    standin.drop()
    await watch.next(RETRYING)
    error = await watch.next(RETRYING)
    await standin.asked()
    standin.answer = Answer.LISTEN

    assert (error.code, error.hop) == (10050, "request")
    assert await watch.until(LISTENING) is None


async def test_a_port_that_the_lost_login_still_holds(watch: Watch, standin: SshStandIn) -> None:
    """The server may have to miss the old login first; one new login waits for that."""
    standin.answer = Answer.IN_USE
    standin.drop()
    await watch.next(RETRYING)
    error = await watch.next(RETRYING)
    for _ in range(3):
        await standin.asked()
    logins = standin.logins
    standin.answer = Answer.LISTEN

    assert (error.code, error.hop) == (10048, "bind")
    assert await watch.reports.get() == (LISTENING, None)  # the same error is told once
    assert standin.logins == logins == 2


async def test_a_port_that_somebody_else_has_taken(
    settings: SshSettings, standin: SshStandIn
) -> None:
    """After its time the listener gives up, and says so with 10048."""
    watch = await Watch.bind(replace(settings, timing=replace(QUICK, held=0.05)))
    standin.answer = Answer.IN_USE
    standin.drop()
    error = await watch.until(FAILED)

    assert error is not None
    assert error.code == 10048
    assert watch.listener.state is FAILED
    await standin.deserted()
    await watch.close()


async def test_closed_while_retrying(settings: SshSettings, standin: SshStandIn) -> None:
    """A listener that is closed while its path is gone tries no more."""
    watch = await Watch.bind(settings)
    await standin.stop()
    await watch.next(RETRYING)
    await watch.close()
    logins = standin.logins
    await standin.listen()

    assert watch.listener.state is CLOSED
    assert standin.logins == logins
    named = [repr(task) for task in asyncio.all_tasks()]
    assert [task for task in named if "_keep_bound" in task] == []


async def test_closed_while_asking(settings: SshSettings, standin: SshStandIn) -> None:
    """A listener that is closed during its request leaves no login."""
    watch = await Watch.bind(replace(settings, timing=replace(QUICK, unlisten=0.01)))
    await standin.asked()
    standin.answer = Answer.SILENT
    standin.drop()
    await standin.asked()
    await watch.close()

    await standin.deserted()


async def test_a_changed_host_key_is_never_taken(watch: Watch, standin: SshStandIn) -> None:
    """What comes back under another key is another host, however long it takes."""
    key = standin.host_key
    await standin.stop()
    standin.host_key = asyncssh.generate_private_key("ssh-ed25519")
    await standin.listen()
    while "host key" not in str(error := await watch.until(RETRYING)):
        pass
    await standin.stop()
    standin.host_key = key
    await standin.listen()

    assert error is not None
    assert error.hop == "auth"
    assert await watch.until(LISTENING) is None


class Relay:
    """Carries bytes to a server until it is told to swallow them: a black hole."""

    def __init__(self, target: Endpoint) -> None:
        self._target = target
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.swallows = False

    async def start(self) -> int:
        """Listen; gives the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """End everything."""
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers += [writer, there[1]]
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.swallows:
                    sink.write(data)
            sink.close()


async def test_a_black_hole_is_noticed(standin: SshStandIn, tmp_path: Path, clock: Clock) -> None:
    """A server whose packets no longer come is missed by the keepalives."""
    relay = Relay(standin.address)
    port = await relay.start()
    settings = standin.settings(tmp_path, replace(QUICK, keepalive=10.0, keepalive_count=2))
    line = standin.known_hosts_line.replace(f":{standin.address.port} ", f":{port} ")
    settings.known_hosts.write_text(line)
    watch = await Watch.bind(replace(settings, port=port))
    relay.swallows = True
    for _ in ("asked", "asked again", "given up"):
        await clock.move_on(10)
    error = await watch.next(RETRYING)
    relay.swallows = False
    standin.drop()  # which frees the port, as sshd's ClientAlive does

    assert "10060" in error.detail
    assert await watch.until(LISTENING) is None
    await watch.close()
    await relay.stop()


async def test_a_session_outlives_the_listener_and_no_more(
    settings: SshSettings, standin: SshStandIn
) -> None:
    """After close() a lost login is not made again, though a session was left in it."""
    watch = await Watch.bind(settings)
    address = watch.listener.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"hello")
    await reader.read(100)
    await watch.close()
    standin.drop()

    assert isinstance(await watch.ends.get(), ConnectionResetError)
    assert (standin.logins, watch.reports.empty()) == (1, True)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect((address.host, address.port))
