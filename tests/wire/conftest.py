"""
The wire bench: a real SMTP service, clients on sockets, and a transport that notes each write.

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
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, cast

import pytest

from bindpost.config.kinds import Asking, TlsMode
from bindpost.config.model import Listener, Settings
from bindpost.events import EventType
from bindpost.log import said
from bindpost.server.faults import Faults
from bindpost.server.message.model import Message, Transcript
from bindpost.server.smtp.protocol import SmtpProtocol
from bindpost.server.smtp.protocol_log import ProtocolLog
from bindpost.server.smtp.reverse import Lookup, reverse_name
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import LiveSession, Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow, MessageStore
from bindpost.testing.logged import heard_by

from .heard import Heard

PATIENCE: Final = 10.0
"""Seconds after which something that must happen has not happened."""
HOSTNAME: Final = "exchange"
SMALL_BUFFER: Final = 1 << 14
"""Bytes that the system holds of what is not read: few, so that its end is seen soon."""


class Events(Heard):
    """The events that were logged, to be waited for by their kind."""

    def of(self, event: EventType) -> list[dict[str, Any]]:
        """Give the fields of all events of a kind."""
        return [fields for seen, fields in self.seen if seen is event]

    async def wait_for(self, event: EventType) -> dict[str, Any]:
        """Give the fields of the first event of a kind, past or to come."""
        return (await self.wait_for_all(event, 1))[0]

    async def wait_for_all(self, event: EventType, number: int) -> list[dict[str, Any]]:
        """Give the fields of all events of a kind, when there are so many."""
        await self.until(lambda: len(self.of(event)) >= number)
        return self.of(event)


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


class Peer:
    """The client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def flood(self, piece: bytes, times: int) -> None:
        """Send the same bytes again and again, as fast as the server takes them."""
        for _ in range(times):
            self.writer.write(piece)
            async with asyncio.timeout(PATIENCE):
                await self.writer.drain()

    async def reply(self) -> bytes:
        """Give the next reply, all its lines; what there is of it when the server closes."""
        reply = b""
        async with asyncio.timeout(PATIENCE):
            while line := await self.reader.readline():
                reply += line
                if line[3:4] != b"-":
                    break
        return reply

    async def say(self, command: str | bytes) -> bytes:
        """Send a command with CRLF and give the reply."""
        self.send((command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return await self.reply()

    async def rest(self) -> bytes:
        """Give all that the server still says until it closes, in whatever way it does."""
        data = b""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(1 << 16):
                    data += piece
        return data

    def stop_reading(self) -> None:
        """Take no more replies, until told otherwise."""
        cast("asyncio.ReadTransport", self.writer.transport).pause_reading()

    def go_on_reading(self) -> None:
        """Take replies again."""
        cast("asyncio.ReadTransport", self.writer.transport).resume_reading()

    def half_close(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close in good order (FIN)."""
        self.writer.close()

    def reset(self) -> None:
        """Close with a reset (RST), dropping what is under way."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


_REPLY: Final = re.compile(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n")


class Wire(asyncio.Transport):
    """A transport without a network: notes each write, and hands over what a test sends."""

    def __init__(self, protocol: asyncio.Protocol, **extra: object) -> None:
        super().__init__({"peername": ("127.0.0.1", 4007), "sockname": ("127.0.0.1", 25), **extra})
        self.writes: list[bytes] = []
        self._protocol = protocol
        self._closing = False
        self._news = asyncio.Event()
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note a write."""
        if not self._closing:
            self.writes.append(bytes(data))
            self._news.set()

    def close(self) -> None:
        """Close; the protocol hears of it in the next round of the loop."""
        if not self._closing:
            self._closing = True
            self._news.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """Close."""
        self.close()

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def pause_reading(self) -> None:
        """Take no notice; a test's input is small."""

    def resume_reading(self) -> None:
        """Take no notice."""

    def pause_writing(self) -> None:
        """Tell the server that its writes wait."""
        self._protocol.pause_writing()

    @property
    def output(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)

    @property
    def replies(self) -> list[bytes]:
        """The replies that were written, whether in one write each or together."""
        return _REPLY.findall(self.output)

    async def feed(self, data: bytes) -> None:
        """Hand over a piece of input, and let the server have a look at it."""
        if not self._closing:
            self._protocol.data_received(data)
        for _ in range(3):
            await asyncio.sleep(0)

    async def half_close(self) -> None:
        """Say that nothing more will come."""
        if not self._protocol.eof_received():
            self.close()
        for _ in range(3):
            await asyncio.sleep(0)

    async def wait_for_close(self) -> None:
        """Return when the server has closed."""
        async with asyncio.timeout(PATIENCE):
            while not self._closing:
                self._news.clear()
                await self._news.wait()

    async def wait_for_replies(self, number: int) -> None:
        """Return when there have been so many replies."""
        async with asyncio.timeout(PATIENCE):
            while len(self.replies) < number:
                self._news.clear()
                await self._news.wait()


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


class FailingStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that fails when it is told to: a fake, with the real thing inside."""

    failure: Exception | None = None

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message, or fail."""
        if self.failure is not None:
            raise self.failure
        return await super().add(message, transcript, mailbox=mailbox)


@pytest.fixture
def failing_store() -> FailingStore:
    """Give a store that fails when it is told to."""
    return FailingStore()


class SlowStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that takes its time, as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message when the test says so."""
        self.asked.set()
        await self.go_on.wait()
        return await super().add(message, transcript, mailbox=mailbox)


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
