"""What the tests of the web side share: a store, mail for it, the app over it, a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
import pytest
from starlette.applications import Starlette

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow, MessageStore, Retention
from bindpost.server.web.app import create_app

Deliver = Callable[..., Awaitable[MessageRow]]


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """Give an empty store."""
    store = MemoryStore(retention=Retention())
    yield store
    await store.close()


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
                login=login,
            ),
            raw=raw,
        )
        lines = (TranscriptLine(0, "S", "220 ready"), TranscriptLine(5, "C", "EHLO client.example"))
        return await into.add(message, lines)

    return deliver


@pytest.fixture
def app(store: MemoryStore) -> Starlette:
    """Give the web app over the store."""
    return create_app(store, ready=lambda: True, version="1.2.3")


@pytest.fixture
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that talks to the app without a network."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client
