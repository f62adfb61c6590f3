"""The relay bench: a mail server and a proxy, mail to send through them, and the relay."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay as RelaySettings
from bindpost.events import EventType
from bindpost.server.message.job import Job
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

from ...fixtures import memory_store as memory_store
from ..heard import Heard
from .mta import PATIENCE, Mta
from .proxy import ProxyDouble

RAW: Final = b"Subject: Hi\r\nTo: b@example.org\r\n\r\n.dot\r\n..dots\r\n\xe9 8bit\r\nbare\nLF\r\n"


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
        moved: datetime | None = None,
        node: str | None = None,
    ) -> MessageRow:
        """Put it there."""
        ...


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
        node: str | None = None,
    ) -> MessageRow:
        facts = SessionFacts(
            session_id=new_id(),
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="ims-5.5",
            helo=helo,
            moved=moved,
            node=node,
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
        node: str | None = None,
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
        node: str | None = None,
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
            node=node,
            listeners=lambda: listeners,
            grace=grace,
        ) as relay:
            assert relay is not None
            yield relay

    return run


async def the_job(relay: Relay, row: MessageRow) -> Job:
    """Give the only job of a message."""
    (job,) = await relay.jobs(row.id)
    return job
