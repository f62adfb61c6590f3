"""The POP3 bench: a real POP3 server over a store, and clients of it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Pop3, Settings, Tls
from bindpost.proxy.direct import DirectProvider
from bindpost.server.logins import Users
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.pop3.server import Pop3Server
from bindpost.server.smtp.service import Resources
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

from ...fixtures import trusting as trusting
from ..conftest import PATIENCE, Peer

Deliver = Callable[..., Awaitable[MessageRow]]


class Client(Peer):
    """The client's end of a connection."""

    async def line(self) -> bytes:
        """Give the next line, empty at the end."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readline()

    async def reply(self) -> bytes:
        """Give the first line of an answer, without CRLF."""
        return (await self.line()).removesuffix(b"\r\n")

    async def rest_of_answer(self) -> bytes:
        """Give what follows of a multi-line response, as it comes, the last line included."""
        data = b""
        while not data.endswith(b"\r\n.\r\n") and data != b".\r\n":
            line = await self.line()
            assert line, "the server closed in the middle of an answer"
            data += line
        return data

    async def ask(self, command: str) -> list[bytes]:
        """Send a command with a multi-line response and give its lines, the last one left out."""
        assert (await self.say(command)).startswith(b"+OK")
        return (await self.rest_of_answer()).split(b"\r\n")[:-2]

    async def login(self, name: str = "*", password: str = "any") -> bytes:
        """Log in; give the answer to PASS."""
        await self.say(f"USER {name}")
        return await self.say(f"PASS {password}")


class Bench:
    """A running POP3 server, its store, and its clients."""

    def __init__(self, server: Pop3Server, store: MemoryStore) -> None:
        self.server = server
        self.store = store
        self._clients: list[Client] = []

    @property
    def address(self) -> Endpoint:
        """Where it listens."""
        return self.server.addresses[0]

    async def connected(self, tls: ssl.SSLContext | None = None) -> Client:
        """Connect; the greeting is not read yet."""
        address = self.address
        streams = await asyncio.open_connection(
            address.host, address.port, ssl=tls, limit=1 << 20, server_hostname=tls and "localhost"
        )
        self._clients.append(Client(*streams))
        return self._clients[-1]

    async def greeted(self) -> Client:
        """Connect and read the greeting."""
        client = await self.connected()
        assert (await client.line()).startswith(b"+OK ")
        return client

    async def logged_in(self, name: str = "*") -> Client:
        """Log in."""
        client = await self.greeted()
        assert (await client.login(name)).startswith(b"+OK")
        return client

    async def close(self) -> None:
        """Let everybody go."""
        for client in self._clients:
            client.writer.close()
        await self.server.stop(PATIENCE)
        await self.store.close()


class StartPop3(Protocol):
    """Starts a POP3 server; every further argument is a key of `[pop3]`."""

    async def __call__(
        self,
        *,
        users: Users | None = None,
        certificate: bool = False,
        handshake_timeout: float = PATIENCE,
        **settings: Any,
    ) -> Bench:
        """Start it."""
        ...


@pytest.fixture
async def pop3(events: object) -> AsyncIterator[StartPop3]:
    """Start POP3 servers; events are checked against the catalogue."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with contextlib.AsyncExitStack() as stack:

        async def start(
            *,
            users: Users | None = None,
            certificate: bool = False,
            handshake_timeout: float = PATIENCE,
            **settings: Any,
        ) -> Bench:
            table = Pop3(endpoint="127.0.0.1:0", **settings)
            tls = Tls(certificate="self-signed" if certificate else "")
            resources = Resources.load(
                Settings(pop3=table, tls=tls), hostname="localhost", folder=_NOWHERE
            )
            server = Pop3Server(
                table,
                DirectProvider(),
                users=users,
                tls_context=resources.tls_context,
                hostname="mail.example",
                handshake_timeout=handshake_timeout,
            )
            store = MemoryStore()
            await server.start(store)
            bench = Bench(server, store)
            stack.push_async_callback(bench.close)
            return bench

        yield start
    assert unhandled == []


_NOWHERE: Final = Path()


async def deliver(
    bench: Bench,
    raw: bytes = b"Subject: Hello\r\n\r\nHi.\r\n",
    *,
    to: tuple[str, ...] = ("bob@example.com",),
) -> MessageRow:
    """Put a message into the store, as a session would."""
    facts = SessionFacts(
        session_id=new_id(),
        started=utc_now(),
        listener="127.0.0.1:1025",
        via="direct:",
        personality="plain",
    )
    envelope = Envelope("alice@example.com", tuple(map(Recipient, to)))
    return await bench.store.add(Message(new_id(), utc_now(), envelope, facts, raw), ())


@pytest.fixture
def put() -> Deliver:
    """Give `deliver`."""
    return deliver
