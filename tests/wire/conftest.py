"""
The wire bench: a real SMTP service, and clients of it on sockets or without a network.

The steps of a session are a staircase: connected, greeted, ehlo, mail, rcpt, data. When a test is
over, every session must have ended, no error may be left with the loop, and no traceback in a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

import pytest

from bindpost.config.kinds import Asking, TlsMode
from bindpost.config.model import Listener, Settings
from bindpost.log import said
from bindpost.server.faults import Faults
from bindpost.server.smtp.protocol import SmtpProtocol
from bindpost.server.smtp.protocol_log import ProtocolLog
from bindpost.server.smtp.reverse import Lookup, reverse_name
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import LiveSession, Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow, MessageStore
from bindpost.testing.logged import heard_by

from ..clock import Clock as Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop
from .heard import Events as Events
from .peer import PATIENCE as PATIENCE
from .peer import Peer as Peer
from .stores import FailingStore as FailingStore
from .stores import SlowStore as SlowStore
from .transport import Wire as Wire

HOSTNAME: Final = "exchange"
SMALL_BUFFER: Final = 1 << 14
"""Bytes that the system holds of what is not read: few, so that its end is seen soon."""


class WatchedSessions(Sessions):
    """The registry of sessions, which also tells when somebody has come or gone."""

    def __init__(self, limit: int, in_flight: int, **others: Any) -> None:
        super().__init__(limit, in_flight, **others)
        self._change = asyncio.Event()

    def enter(self, session: LiveSession, host: str | None = None) -> str:
        """Count a session in."""
        self._change.set()
        return super().enter(session, host)

    def leave(self, session: LiveSession) -> None:
        """Count a session out."""
        self._change.set()
        super().leave(session)

    async def wait_for(self, number: int) -> None:
        """Return when there are so many sessions."""
        async with asyncio.timeout(PATIENCE):
            while len(self) != number:
                self._change.clear()
                await self._change.wait()


class Bench:
    """A running SMTP service, and the clients of it."""

    def __init__(
        self,
        factory: Callable[[], SmtpProtocol],
        server: asyncio.Server,
        *,
        store: MessageStore,
        sessions: WatchedSessions,
        events: Events,
        protocol_log: ProtocolLog | None,
        faults: Faults,
    ) -> None:
        self.store = store
        self.faults = faults
        self.sessions = sessions
        self.events = events
        self.address: tuple[str, int] = server.sockets[0].getsockname()
        self._factory = factory
        self._server = server
        self._protocol_log = protocol_log
        self._peers: list[Peer] = []

    # The staircase

    async def connected(self, *, pair: bool = False, tls: ssl.SSLContext | None = None) -> Peer:
        """Connect by TCP, or over a socket pair; the banner is not read yet."""
        if pair:
            ours, theirs = socket.socketpair()
            await asyncio.get_running_loop().connect_accepted_socket(self._factory, theirs)
            peer = Peer(*await asyncio.open_connection(sock=ours, limit=1 << 20))
        else:
            peer = Peer(*await asyncio.open_connection(*self.address, ssl=tls, limit=1 << 20))
        peer.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER
        )
        self._peers.append(peer)
        return peer

    async def greeted(self, *, pair: bool = False) -> Peer:
        """Connect, and read the banner."""
        peer = await self.connected(pair=pair)
        assert (await peer.reply()).startswith(b"220 ")
        return peer

    async def ehlo(self, *, pair: bool = False) -> Peer:
        """Say EHLO."""
        peer = await self.greeted(pair=pair)
        assert (await peer.say("EHLO client")).startswith(b"250")
        return peer

    async def mail(self, *, pair: bool = False) -> Peer:
        """Say MAIL."""
        peer = await self.ehlo(pair=pair)
        assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"250 ")
        return peer

    async def rcpt(self, *, pair: bool = False) -> Peer:
        """Say RCPT."""
        peer = await self.mail(pair=pair)
        assert (await peer.say("RCPT TO:<c@d>")).startswith(b"250 ")
        return peer

    async def data(self, *, pair: bool = False) -> Peer:
        """Say DATA; the message may come."""
        peer = await self.rcpt(pair=pair)
        assert (await peer.say("DATA")).startswith(b"354 ")
        return peer

    def wire(self, **extra: object) -> Wire:
        """Open a session on a transport without a network."""
        return Wire(self._factory(), **extra)

    # What came of it

    async def rows(self) -> list[MessageRow]:
        """Give what is kept, oldest first."""
        return list(reversed(await self.store.find(limit=0)))

    async def kept(self) -> list[bytes]:
        """Give the bytes of what is kept, oldest first."""
        return [await self.store.raw(row.id) or b"" for row in await self.rows()]

    async def transcript(self, row: MessageRow) -> list[tuple[str, str]]:
        """Give who said what in the session that brought a message."""
        lines = await self.store.transcript(row.id)
        return [(line.speaker, line.text) for line in lines or ()]

    async def close_logs(self) -> None:
        """Write out what waits for the disk."""
        if self._protocol_log is not None:
            await asyncio.to_thread(self._protocol_log.close)

    def stop_listening(self) -> None:
        """Take no more connections."""
        self._server.close()

    async def close(self) -> None:
        """Let every client go; then no session may be left."""
        self.stop_listening()
        for peer in self._peers:
            # CPython 3.11.2 can't abort a TLS transport that is lost already.
            with contextlib.suppress(AttributeError):
                peer.writer.transport.abort()
        await self.sessions.wait_for(0)
        await self.sessions.drain(0)
        await self.close_logs()


class Serve(Protocol):
    """
    Starts a service; every further argument is a field of `Settings`.

    `listener` has further settings of the listener.
    """

    async def __call__(
        self,
        *,
        store: MessageStore | None = None,
        listener_tls: TlsMode = "auto",
        listener: Mapping[str, Any] = MappingProxyType({}),
        client_certificates: Literal["auto", Asking] = "auto",
        lookup: Lookup = reverse_name,
        folder: Path = Path(),
        **settings: Any,
    ) -> Bench:
        """Start it."""
        ...


@pytest.fixture(scope="session", autouse=True)
def _frozen() -> Iterator[None]:
    """Leave what is loaded already out of each test's garbage collection, which takes its time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def events() -> Iterator[Events]:
    """Take all events, and see that each is as the catalogue says."""
    events = Events()
    with heard_by(events):
        yield events
    assert events.faults == []


@pytest.fixture
async def serve(events: Events, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Serve]:
    """Start services; at the end nothing may be left of their sessions, and nothing unhandled."""
    loop = asyncio.get_running_loop()
    unhandled: list[Mapping[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: unhandled.append(context))
    async with contextlib.AsyncExitStack() as stack:

        async def serve_one(
            *,
            store: MessageStore | None = None,
            listener_tls: TlsMode = "auto",
            listener: Mapping[str, Any] = MappingProxyType({}),
            client_certificates: Literal["auto", Asking] = "auto",
            lookup: Lookup = reverse_name,
            folder: Path = Path(),
            **settings: Any,
        ) -> Bench:
            chosen = Listener(
                endpoint="127.0.0.1:0",
                tls=listener_tls,
                client_certificates=client_certificates,
                **listener,
            )
            all_settings = Settings(hostname=HOSTNAME, listener=(chosen,), **settings)
            resources = Resources.load(all_settings, hostname=HOSTNAME, folder=folder)
            limits = all_settings.limits
            sessions = WatchedSessions.within(limits, room=limits.sessions)
            kept = store or MemoryStore()
            log = all_settings.protocol_log
            protocol_log = ProtocolLog(folder / log.directory, log.level) if log.directory else None
            faults = Faults(all_settings.fault)
            factory = session_factory(
                resources,
                chosen,
                via="direct:",
                store=kept,
                sessions=sessions,
                faults=faults,
                protocol_log=protocol_log,
                lookup=lookup,
            )
            server = await loop.create_server(factory, "127.0.0.1", 0)
            server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
            bench = Bench(
                factory,
                server,
                store=kept,
                sessions=sessions,
                events=events,
                protocol_log=protocol_log,
                faults=faults,
            )
            stack.push_async_callback(kept.close)
            stack.push_async_callback(bench.close)
            return bench

        yield serve_one
    gc.collect()  # a task that failed unseen tells so when it is collected
    assert unhandled == []
    logged = [*caplog.get_records("setup"), *caplog.get_records("call"), *caplog.records]
    records = [record for record in logged if said(record) is None]  # ours are in `events`
    assert [r.getMessage() for r in records if r.exc_info or r.levelno >= logging.ERROR] == []
    assert [r.getMessage() for r in records if r.name == "asyncio" and r.levelno > 20] == []


@pytest.fixture
def failing_store() -> FailingStore:
    """Give a store that fails when it is told to."""
    return FailingStore()


@pytest.fixture
def slow_store() -> SlowStore:
    """Give a store that waits for the test."""
    return SlowStore()


@pytest.fixture
def client_tls() -> ssl.SSLContext:
    """Give a client's TLS context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_MESSAGE_ID: Final = re.compile(rb"queued as \w+")


@pytest.fixture
def without_ids() -> Callable[[bytes], bytes]:
    """Give what takes the message ids out of replies, so that two sessions can be compared."""
    return lambda replies: _MESSAGE_ID.sub(b"queued as ID", replies)
