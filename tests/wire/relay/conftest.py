"""
The relay bench: a mail server and a proxy that do as they are told, and mail to send through them.

The server takes all mail unless a rule says otherwise; the proxy speaks SOCKS 4, 4a, 5 and HTTP
CONNECT, whichever it is asked in.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay as RelaySettings
from bindpost.events import EventType
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.relay import Relay, Route, relaying
from bindpost.server.relay.delivery import Shipment
from bindpost.server.relay.sender import Result, Sender
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow, MessageStore
from bindpost.testing.logged import heard_by

from ..heard import Heard

PATIENCE: Final = 20.0
"""Seconds after which something that must happen has not happened."""
RAW: Final = b"Subject: Hi\r\nTo: b@example.org\r\n\r\n.dot\r\n..dots\r\n\xe9 8bit\r\nbare\nLF\r\n"


@dataclass
class Mail:
    """What the server took: sender and recipients as said, dots unstuffed."""

    sender: str
    recipients: list[str]
    raw: bytes


@dataclass
class Rule:
    """A reply to whatever command begins with `prefix`, so many times."""

    prefix: str
    reply: str
    times: int


@dataclass
class Mta:
    """A mail server. Commands are told from `CONNECT` (the greeting) to `END` (of the message)."""

    address: tuple[str, int] = ("", 0)
    extensions: list[str] = field(default_factory=lambda: ["SIZE 100000000", "8BITMIME", "DSN"])
    tls: ssl.SSLContext | None = None
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, prefix: str, reply: str, *, times: int = 1_000_000) -> None:
        """Give this reply in place of the usual one; see `_Session.reply`."""
        self.rules.append(Rule(prefix, reply, times))

    async def wait_for(self, count: int) -> list[Mail]:
        """Give the mail when there is so much."""
        async with asyncio.timeout(PATIENCE):
            while len(self.mails) < count:
                self.news.clear()
                await self.news.wait()
        return self.mails

    async def wait_for_command(self, prefix: str) -> None:
        """Return when a command was said."""
        async with asyncio.timeout(PATIENCE):
            while not any(command.startswith(prefix) for command in self.commands):
                self.news.clear()
                await self.news.wait()

    def reply_to(self, command: str, usual: str) -> str:
        """Note a command and give the reply."""
        self.commands.append(command)
        self.news.set()
        for rule in self.rules:
            if rule.times and command.startswith(rule.prefix):
                rule.times -= 1
                return rule.reply
        return usual

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a session."""
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _Session(self, reader, writer).run()
        finally:
            self.at_once -= 1
            writer.close()


class _Session:
    def __init__(
        self, mta: Mta, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.mta, self.reader, self.writer = mta, reader, writer
        self.mail = Mail("", [], b"")

    async def run(self) -> None:
        await self.reply("CONNECT", "220 mta.example ESMTP")
        while line := await self.reader.readline():
            await self.command(line.decode("utf-8", "replace").rstrip("\r\n"))

    async def reply(self, command: str, usual: str) -> str:
        """Reply; `close` closes, `silence` says nothing, `hold` waits for the gate."""
        reply = self.mta.reply_to(command, usual)
        if reply == "hold":
            await self.mta.gate.wait()
            reply = usual
        if reply == "close":
            raise ConnectionError
        if reply == "silence":
            await self.reader.read()
            raise ConnectionError
        self.writer.write(reply.encode("latin-1") + b"\r\n")
        await self.writer.drain()
        return reply

    async def command(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        usual = "250 OK"
        if verb == "EHLO":
            lines = ["mta.example", *self.mta.extensions]
            usual = "\r\n".join(
                f"250{'-' if n < len(lines) else ' '}{text}" for n, text in enumerate(lines, 1)
            )
        elif verb == "DATA":
            usual = "354 go on"
        elif verb in ("STARTTLS", "QUIT"):
            usual = "220 go on" if verb == "STARTTLS" else "221 bye"
        elif verb == "AUTH":
            usual = "235 welcome"
        reply = await self.reply(line, usual)
        if verb == "MAIL":
            self.mail = Mail(line.partition(":")[2], [], b"")
        elif verb == "RCPT" and reply.startswith("2"):
            self.mail.recipients.append(line.partition(":")[2])
        elif verb == "DATA" and reply.startswith("354"):
            await self.data()
        elif verb == "STARTTLS" and reply.startswith("2"):
            assert self.mta.tls is not None
            await self.writer.start_tls(self.mta.tls)
            self.mta.extensions.remove("STARTTLS")
        elif verb == "QUIT":
            raise ConnectionError

    async def data(self) -> None:
        """Take a message, strictly: only CRLF ends a line, only CRLF.CRLF the message."""
        body = bytearray()
        while body != b".\r\n" and not body.endswith(b"\r\n.\r\n"):
            body += await self.reader.readuntil(b"\n")
        self.mail.raw = re.sub(rb"(\A|\r\n)\.", rb"\1", bytes(body[:-3]))
        if (await self.reply("END", "250 taken")).startswith("2"):
            self.mta.mails.append(self.mail)
            self.mta.news.set()


@dataclass
class ProxyDouble:
    """
    A proxy. `names` are resolved by it; `refusal` is the code that it answers with, if not 0.

    With `login` (name and password) it wants one. `eager` makes it send the server's first bytes
    together with its own answer, as a proxy may when the server speaks first.
    """

    address: tuple[str, int] = ("", 0)
    names: dict[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    refusal: int = 0
    answer: bytes | None = None
    eager: bool = False
    asked: list[tuple[str, int]] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(1)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            else:
                kinds = {b"\x05": self._socks5, b"\x04": self._socks4}
                await kinds.get(first, self._http)(reader, writer)
        writer.close()

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self.login else 0
        if wanted not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes((5, wanted)))
        if self.login:
            await reader.readexactly(1)
            given = [(await _counted(reader)).decode(), (await _counted(reader)).decode()]
            writer.write(b"\x01\x00" if tuple(given) == self.login else b"\x01\x01")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await _counted(reader)).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, await reader.readexactly(size))
        (port,) = struct.unpack(">H", await reader.readexactly(2))
        await self._connect(
            host, port, reader, writer, lambda code: bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))
        )

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, port, address = struct.unpack(">BH4s", await reader.readexactly(7))
        await reader.readuntil(b"\0")
        host = socket.inet_ntoa(address)
        if host.startswith("0.0.0."):
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        await self._connect(
            host, port, reader, writer, lambda code: bytes((0, code or 90, 0, 0, 0, 0, 0, 0))
        )

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.headers.append(request)
        host, _, port = request.split()[1].decode().rpartition(":")

        def answer(code: int) -> bytes:
            line = f"HTTP/1.0 {code or 200} {'Not today' if code else 'Connection established'}"
            return f"{line}\r\nProxy-Agent: double\r\n\r\n".encode()

        await self._connect(host.strip("[]"), int(port), reader, writer, answer)

    async def _connect(
        self,
        host: str,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: Callable[[int], bytes],
    ) -> None:
        self.asked.append((host, port))
        if self.refusal:
            writer.write(answer(self.refusal))
            return
        there, back = await asyncio.open_connection(self.names.get(host, host), port)
        first = await there.read(1 << 16) if self.eager else b""
        writer.write(answer(0) + first)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _counted(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly((await reader.readexactly(1))[0])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def mta() -> AsyncIterator[Mta]:
    """Run a mail server."""
    mta = Mta()
    async with _listening(mta.serve) as mta.address:
        yield mta


@pytest.fixture
async def proxy() -> AsyncIterator[ProxyDouble]:
    """Run a proxy."""
    proxy = ProxyDouble()
    async with _listening(proxy.serve) as proxy.address:
        yield proxy


Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def _listening(serve: Serving) -> AsyncIterator[tuple[str, int]]:
    """Listen on a free port; at the end whatever is still served is cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(reader, writer)
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, limit=1 << 23)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)


class Send(Protocol):
    """Makes one attempt; further arguments are of `[relay]`."""

    async def __call__(
        self,
        raw: bytes = RAW,
        *,
        to: Sequence[str | Recipient] = ("b@example.org",),
        sender: str = "a@example.com",
        parameters: Mapping[str, str | None] | None = None,
        listeners: Sequence[Endpoint] = (),
        **settings: Any,
    ) -> Result:
        """Make it."""
        ...


@pytest.fixture
def send(mta: Mta, tmp_path: Path) -> Send:
    """Give a function that makes one attempt at the mail server."""

    async def send(
        raw: bytes = RAW,
        *,
        to: Sequence[str | Recipient] = ("b@example.org",),
        sender: str = "a@example.com",
        parameters: Mapping[str, str | None] | None = None,
        listeners: Sequence[Endpoint] = (),
        **settings: Any,
    ) -> Result:
        given: dict[str, Any] = {"server": str(Endpoint(*mta.address)), "timeout": PATIENCE}
        all_settings = RelaySettings(**given | settings)
        route = Route.load(all_settings, folder=tmp_path)
        assert route is not None
        recipients = tuple(one if isinstance(one, Recipient) else Recipient(one) for one in to)
        return await Sender(
            route,
            name="bindpost-relay.test",
            timeout=all_settings.timeout,
            listeners=lambda: listeners,
        ).send(Shipment(Envelope(sender, recipients, parameters or {}), raw))

    return send


class Deliver(Protocol):
    """Puts a message into a store as a session would."""

    async def __call__(
        self,
        raw: bytes = RAW,
        *,
        to: Sequence[str] = ("b@example.org",),
        sender: str = "a@example.com",
        helo: str = "client.example",
        into: MessageStore | None = None,
    ) -> MessageRow:
        """Put it there."""
        ...


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """Give an empty store."""
    store = MemoryStore()
    yield store
    await store.close()


@pytest.fixture
def deliver(store: MemoryStore) -> Deliver:
    """Give a function that puts a message into the store."""

    async def deliver(
        raw: bytes = RAW,
        *,
        to: Sequence[str] = ("b@example.org",),
        sender: str = "a@example.com",
        helo: str = "client.example",
        into: MessageStore | None = None,
        moved: datetime | None = None,
    ) -> MessageRow:
        facts = SessionFacts(
            session_id=new_id(),
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="ims-5.5",
            helo=helo,
            moved=moved,
        )
        envelope = Envelope(sender, tuple(map(Recipient, to)))
        return await (into or store).add(Message(new_id(), utc_now(), envelope, facts, raw), ())

    return deliver


class Log(Heard):
    """The events that were logged, to be waited for by kind and message."""

    def of(self, event: EventType, row: MessageRow | None = None) -> list[dict[str, Any]]:
        """Give the fields of all events of a kind, of one message or of any."""
        return [
            fields
            for seen, fields in self.seen
            if seen is event and (row is None or fields.get("message_id") == row.id)
        ]

    async def wait_for(
        self, event: EventType, row: MessageRow | None = None, *, count: int = 1
    ) -> dict[str, Any]:
        """Give the fields of the event when there are so many of the kind."""
        await self.until(lambda: len(self.of(event, row)) >= count)
        return self.of(event, row)[count - 1]


@pytest.fixture
def log() -> Iterator[Log]:
    """Take all events, and see that each is as the catalogue says."""
    log = Log()
    with heard_by(log):
        yield log
    assert log.faults == []


class Run(Protocol):
    """Runs a relay to the mail server; further arguments are of `[relay]`."""

    def __call__(
        self,
        *,
        data: str | Path = ":memory:",
        over: MessageStore | None = None,
        listeners: Sequence[Endpoint] = (),
        grace: float = PATIENCE,
        **settings: Any,
    ) -> contextlib.AbstractAsyncContextManager[Relay]:
        """Run it."""
        ...


@pytest.fixture
def run(mta: Mta, store: MemoryStore, tmp_path: Path, log: Log) -> Run:
    """Give a function that runs a relay to the mail server, with pauses of a hundredth second."""

    @contextlib.asynccontextmanager
    async def run(
        *,
        data: str | Path = ":memory:",
        over: MessageStore | None = None,
        listeners: Sequence[Endpoint] = (),
        grace: float = PATIENCE,
        **settings: Any,
    ) -> AsyncIterator[Relay]:
        given: dict[str, Any] = {"server": str(Endpoint(*mta.address)), "first_pause": 0.01}
        all_settings = RelaySettings(**given | settings)
        route = Route.load(all_settings, folder=tmp_path)
        async with relaying(
            route,
            all_settings,
            over or store,
            data=data,
            hostname="test.example",
            listeners=lambda: listeners,
            grace=grace,
        ) as relay:
            assert relay is not None
            yield relay

    return run
