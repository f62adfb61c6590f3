"""What the tests of the web side share: a store, mail for it, the app over it, a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime

import httpx
import pytest
from starlette.applications import Starlette

from bindpost.proxy.provider import Hop, ListenerState
from bindpost.server.eventlog import FORMATS
from bindpost.server.message.model import (
    ClientCertificate,
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.store import MessageRow, MessageStore
from bindpost.server.web.app import create_app
from bindpost.server.web.listener_objects import Decision, Listener, Path, Trouble

from ..fixtures import memory_store as memory_store

Deliver = Callable[..., Awaitable[MessageRow]]


@pytest.fixture
def deliver(store: MemoryStore) -> Deliver:
    """Give a function that puts a message into the store as a session would."""

    async def deliver(
        raw: bytes = b"Subject: Hello\r\n\r\nHi.\r\n",
        *,
        to: tuple[str, ...] = ("bob@example.com",),
        sender: str = "alice@example.com",
        parameters: Mapping[str, str | None] | None = None,
        login: str | None = None,
        xclient: Mapping[str, str] | None = None,
        certificate: ClientCertificate | None = None,
        into: MessageStore = store,
    ) -> MessageRow:
        message = Message(
            id=new_id(),
            received=utc_now(),
            envelope=Envelope(sender, tuple(map(Recipient, to)), parameters or {}),
            session=SessionFacts(
                session_id=new_id(),
                started=utc_now(),
                listener="127.0.0.1:1025",
                via="direct:",
                personality="ims-5.5",
                peer="127.0.0.1:50123",
                helo="client.example",
                esmtp=True,
                client_certificate=certificate,
                login=login,
                lmtp=xclient is not None,
                xclient=xclient or {},
            ),
            raw=raw,
        )
        lines = (TranscriptLine(0, "S", "220 ready"), TranscriptLine(5, "C", "EHLO client.example"))
        return await into.add(message, lines)

    return deliver


@pytest.fixture
async def kept() -> AsyncIterator[MemoryEventStore]:
    """Give an empty event store."""
    kept = MemoryEventStore(keep=10_000)
    yield kept
    await kept.close()


@pytest.fixture
def app(store: MemoryStore, kept: MemoryEventStore) -> Starlette:
    """Give the web app over the stores."""
    return create_app(store, ready=lambda: True, version="1.2.3", events=kept, exports=FORMATS)


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that talks to the app without a network."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


MOMENT = datetime(2026, 3, 1, 11, 31, tzinfo=UTC)
TROUBLE = Trouble(
    when=MOMENT,
    code=10050,
    name="WSAENETDOWN",
    hop="connect",
    reason="refused",
    hint="start the proxy",
    sentence="... (10050)",
)
LISTENER = Listener(
    number=0,
    endpoint="0.0.0.0:2525",
    via="winsock://10.0.0.1:1745",
    personality="ims-5.5",
    tls="auto",
    protocol="smtp",
    proxy_protocol=False,
    state=ListenerState.RETRYING,
    since=MOMENT,
    addresses=[],
    capacity=1,
    sessions=0,
    attempts=3,
    retry_in=1.5,
    last_error=TROUBLE,
)
PATH = Path(
    **{name: getattr(LISTENER, name) for name in LISTENER.__struct_fields__},
    decision=Decision(direction="remote", rule="a rule", source="KB Q181420"),
    hops=[Hop("connect", "10.0.0.1:1745", False, "refused", 1.25, code=10050, hint="start it")],
    code=10050,
    sentence="It is not bound.",
)


class Desk:
    """Knows one listener, and notes when it is to be bound again, or refuses that: a fake."""

    def __init__(self) -> None:
        self.rebound: list[int] = []
        self.refusal = ""

    def listeners(self) -> list[Listener]:
        """Give it."""
        return [LISTENER]

    async def paths(self) -> list[Path]:
        """Give its path."""
        return [PATH]

    async def rebind(self, number: int) -> Listener:
        """Note it, or refuse."""
        listener = self.listeners()[number]
        if self.refusal:
            raise ValueError(self.refusal)
        self.rebound.append(number)
        return listener


@pytest.fixture
def desk() -> Desk:
    """Give somebody who knows a listener."""
    return Desk()


@pytest.fixture
async def asking(store: MemoryStore, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the app over it."""
    app = create_app(store, ready=lambda: True, version="1", listeners=desk)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client
