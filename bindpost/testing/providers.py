"""The suite that every bind provider passes, built in or plugged in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.held import as_held
from bindpost.proxy.provider import (
    BindProvider,
    Listener,
    ListenerState,
    Reaching,
    UnreachedError,
)
from bindpost.proxy.wsa import EADDRINUSE


@dataclass
class Bench:
    """
    A provider, and an endpoint that it can bind (with port 0 where there are ports).

    `public_host` is where peers find it, if that isn't the endpoint's host. `queue_outlives`: peers
    of a closed listener wait for the next one, instead of being refused. `foresees_taken`:
    `diagnose` can tell that the port is taken. `tls`: the provider does implicit TLS.
    """

    provider: BindProvider
    endpoint: Endpoint
    public_host: str | None = None
    queue_outlives: bool = False
    foresees_taken: bool = True
    tls: bool = True

    def again(self, listener: Listener) -> Endpoint:
        """Give the endpoint that binds what a listener has bound, its free port included."""
        address = listener.addresses[0]
        return self.endpoint if address.is_unix else self.endpoint.with_port(address.port)


class Session(asyncio.Protocol):
    """Echoes; `swap` has a transport's data go to another protocol from then on."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.log.transports.append(self.transport)
        self.log.begun.set()

    def data_received(self, data: bytes) -> None:
        """Echo, or put a `Shouter` in this protocol's place."""
        if data == b"swap":
            self.transport.set_protocol(Shouter(self.transport))
            self.transport.write(b"swapped")
        else:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count."""
        self.log.lost += 1
        self.log.ended.set()


class Shouter(asyncio.Protocol):
    """Answers in capitals."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self.transport.write(data.upper())


@dataclass
class Log:
    """What the sessions of a listener saw."""

    transports: list[asyncio.Transport] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0

    def session(self) -> Session:
        """Make a session; the protocol factory."""
        return Session(self)


class Peer:
    """A client: connects to what a listener says is its address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def name(self) -> object:
        """The peer's own address, as the kernel gives it."""
        return self._writer.get_extra_info("sockname")

    async def ask(self, data: bytes) -> bytes:
        """Send something and give the first part of the answer."""
        self._writer.write(data)
        return await self._reader.read(1000)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def connect(address: Endpoint, *, context: ssl.SSLContext | None = None) -> Peer:
    """Connect to where a listener says that peers connect."""
    name = "localhost" if context else None
    if address.is_unix:
        streams = await asyncio.open_unix_connection(
            address.path, ssl=context, server_hostname=name
        )
    else:
        streams = await asyncio.open_connection(
            address.host, address.port, ssl=context, server_hostname=name
        )
    return Peer(*streams)


class BindProviderSuite:
    """
    What every bind provider keeps to (`bindpost.proxy.provider`), on asyncio's loop and on uvloop.

    Derive from it in a test module of your own and give the fixture `bench`; the tests run with
    anyio's pytest plugin and `anyio_mode = "auto"`.
    """

    @pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
        """Run every test on both loops."""
        if request.param:
            pytest.importorskip("uvloop")
        return "asyncio", {"use_uvloop": request.param}

    @pytest.fixture
    async def bench(self) -> Bench:
        """Give the provider on trial; to be overridden."""
        raise NotImplementedError("give a fixture `bench`")

    @pytest.fixture
    async def log(self) -> Log:
        """Give what the sessions saw."""
        return Log()

    @pytest.fixture
    async def listener(self, bench: Bench, log: Log) -> AsyncIterator[Listener]:
        """Give a listener that is closed again, with its sessions."""
        made = await bench.provider.create_server(log.session, bench.endpoint)
        yield made
        made.close()
        await made.wait_closed()
        for transport in log.transports:
            transport.abort()

    async def test_it_is_bound_when_create_server_returns(self, listener: Listener) -> None:
        """A peer is served at once on the address that the listener tells."""
        peer = await connect(listener.addresses[0])

        assert await peer.ask(b"hello") == b"hello"
        await peer.close()

    async def test_the_free_port_is_told(self, bench: Bench, listener: Listener) -> None:
        """Port 0 becomes the port that was really bound."""
        told = listener.addresses[0]

        assert told.is_unix or told.port != 0
        assert told.host == (bench.public_host or bench.endpoint.host)
        assert told.path == bench.endpoint.path

    async def test_addresses_are_stable(self, listener: Listener) -> None:
        """A session changes nothing in what the listener tells."""
        before = tuple(listener.addresses)
        peer = await connect(before[0])
        await peer.ask(b"hello")

        assert tuple(listener.addresses) == before
        await peer.close()

    async def test_peername_is_the_real_peer(self, listener: Listener, log: Log) -> None:
        """The transport tells the peer's own address, or nothing where peers have none."""
        peer = await connect(listener.addresses[0])
        await log.begun.wait()

        told = log.transports[0].get_extra_info("peername")

        assert (told or None) == (peer.name or None)
        await peer.close()

    async def test_a_protocol_can_be_exchanged(self, listener: Listener) -> None:
        """set_protocol works in the middle of a session, as STARTTLS needs it."""
        peer = await connect(listener.addresses[0])
        await peer.ask(b"swap")

        assert await peer.ask(b"hello") == b"HELLO"
        await peer.close()

    async def test_connection_lost_comes_once(self, listener: Listener, log: Log) -> None:
        """The end of a session is told exactly once."""
        peer = await connect(listener.addresses[0])
        await log.begun.wait()
        await peer.close()
        await log.ended.wait()
        await asyncio.sleep(0)

        assert log.lost == 1

    async def test_as_many_peers_as_it_says(self, listener: Listener) -> None:
        """A listener carries peers side by side, up to its capacity."""
        count = min(20, listener.capacity or 20)
        peers = [await connect(listener.addresses[0]) for _ in range(count)]

        answers = await asyncio.gather(*(peer.ask(b"%d" % n) for n, peer in enumerate(peers)))

        assert answers == [b"%d" % n for n in range(count)]
        for peer in peers:
            await peer.close()

    async def test_small_writes_are_not_held_back(self, listener: Listener, log: Log) -> None:
        """Nagle's algorithm is off wherever there is a TCP socket to look at."""
        peer = await connect(listener.addresses[0])
        await log.begun.wait()
        sock = log.transports[0].get_extra_info("socket")
        is_tcp = sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6)

        assert not is_tcp or sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await peer.close()

    async def test_the_state_follows(self, listener: Listener) -> None:
        """A bound listener says so, and a closed one too."""
        before = listener.state
        listener.close()

        assert (before, listener.state) == (ListenerState.LISTENING, ListenerState.CLOSED)

    async def test_close_leaves_live_sessions(self, listener: Listener) -> None:
        """A session goes on after its listener is closed and gone."""
        peer = await connect(listener.addresses[0])
        await peer.ask(b"hello")

        listener.close()
        await listener.wait_closed()

        assert await peer.ask(b"still here") == b"still here"
        await peer.close()

    async def test_nobody_gets_in_after_close(
        self, bench: Bench, listener: Listener, log: Log
    ) -> None:
        """Peers are refused once the listener is closed, or wait for the next one."""
        listener.close()
        await listener.wait_closed()

        if bench.queue_outlives:
            await (await connect(listener.addresses[0])).close()
        else:
            with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                await connect(listener.addresses[0])
        assert log.transports == []

    async def test_close_twice(self, listener: Listener) -> None:
        """A second close does no harm."""
        listener.close()
        listener.close()
        await listener.wait_closed()
        await listener.wait_closed()

    async def test_a_closed_endpoint_can_be_bound_again(
        self, bench: Bench, listener: Listener, log: Log
    ) -> None:
        """Nothing of a closed listener is in the way of the next one."""
        listener.close()
        await listener.wait_closed()

        again = await bench.provider.create_server(log.session, bench.again(listener))

        assert again.addresses == listener.addresses
        again.close()
        await again.wait_closed()

    async def test_a_taken_endpoint_is_refused(
        self, bench: Bench, listener: Listener, log: Log
    ) -> None:
        """The second to bind gets 10048, with the endpoint, the path and something to do."""
        with pytest.raises(BindError) as caught:
            await bench.provider.create_server(log.session, bench.again(listener))

        error = caught.value
        assert error.code == EADDRINUSE
        assert (error.endpoint, error.path) == (str(bench.again(listener)), bench.provider.url)
        assert error.hint

    @pytest.mark.parametrize("steps", range(8))
    async def test_cancelling_leaves_nothing(self, bench: Bench, log: Log, steps: int) -> None:
        """A bind that is cancelled, at whatever point, holds no endpoint afterwards."""
        probe = await bench.provider.create_server(log.session, bench.endpoint)
        endpoint = bench.again(probe)
        probe.close()
        await probe.wait_closed()
        task = asyncio.create_task(bench.provider.create_server(log.session, endpoint))
        for _ in range(steps):
            await asyncio.sleep(0)

        task.cancel()
        with suppress(asyncio.CancelledError):
            finished = await task
            finished.close()
            await finished.wait_closed()

        again = await bench.provider.create_server(log.session, endpoint)
        again.close()
        await again.wait_closed()

    async def test_diagnosis_of_what_can_be_bound(self, bench: Bench, log: Log) -> None:
        """Every hop is fine, and nothing was bound."""
        probe = await bench.provider.create_server(log.session, bench.endpoint)
        endpoint = bench.again(probe)
        probe.close()
        await probe.wait_closed()

        hops = await bench.provider.diagnose(endpoint)

        assert hops
        assert all(hop.ok and hop.code is None for hop in hops), hops
        bound = await bench.provider.create_server(log.session, endpoint)
        bound.close()
        await bound.wait_closed()

    async def test_diagnosis_of_what_is_taken(self, bench: Bench, listener: Listener) -> None:
        """The hop that would fail says so, with the code of event 4007 and something to do."""
        if not bench.foresees_taken:
            return
        hops = await bench.provider.diagnose(bench.again(listener))

        failed = [hop for hop in hops if hop.ok is False]
        assert [hop.code for hop in failed] == [EADDRINUSE]
        assert failed[0].hint

    async def test_reach_comes_in_as_a_peer(
        self, bench: Bench, listener: Listener, log: Log
    ) -> None:
        """A provider with the add-on `reach` gets into its own listener, or says that it can't."""
        if not isinstance(bench.provider, Reaching):
            return
        call, finding = None, None
        try:
            call = await bench.provider.reach(listener.addresses[0], seconds=10)
        except UnreachedError as error:
            finding = error.finding
        if call is None:
            assert finding is not None
            assert finding.ok is None, finding
            assert finding.hint
            return
        call.stream.write(b"hello")

        assert await call.stream.read(1000) == b"hello"
        assert len(log.transports) == 1
        await call.stream.close()
        await call.stream.close()
        await log.ended.wait()

    async def test_a_port_of_its_own_is_no_fault(self, bench: Bench, listener: Listener) -> None:
        """For a listener that is bound a walk tells no fault, and leaves it as it was."""
        asked = bench.again(listener)
        hops = as_held(await bench.provider.diagnose(asked), asked, listener.addresses)

        assert all(hop.ok and hop.code is None for hop in hops), hops
        assert listener.state is ListenerState.LISTENING
        peer = await connect(listener.addresses[0])
        assert await peer.ask(b"hello") == b"hello"
        await peer.close()

    async def test_implicit_tls(self, bench: Bench, log: Log, tmp_path: Path) -> None:
        """With a context, sessions are inside TLS and their peer is still the real one."""
        if not bench.tls:
            return
        from bindpost.server.smtp.tls import self_signed_pem

        pem = tmp_path / "pem"
        pem.write_bytes(self_signed_pem("localhost"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        listener = await bench.provider.create_server(log.session, bench.endpoint, ssl=context)
        peer = await connect(
            listener.addresses[0], context=ssl.create_default_context(cafile=str(pem))
        )

        assert await peer.ask(b"hello") == b"hello"
        assert (log.transports[0].get_extra_info("peername") or None) == (peer.name or None)
        await peer.close()
        await log.ended.wait()
        listener.close()
        await listener.wait_closed()
