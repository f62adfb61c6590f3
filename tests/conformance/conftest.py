"""What the conformance suites share: the stores, and messages to keep in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bindpost.server.message.model import (
    ClientCertificate,
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_inbox import LARGE, SEGMENT
from bindpost.server.store.store import MessageStore, Retention, SharedStore

OpenStore = Callable[..., Awaitable[MessageStore]]
"""Opens an empty store; it takes `retention` and `remembered`."""
IndexedKind = SqliteStore | PostgresStore


class IndexedStore:
    """A store whose index is made anew before it is searched; all else is the store's own."""

    def __init__(self, store: IndexedKind, make_index: Callable[[IndexedKind], None]) -> None:
        self._store = store
        self._make_index = make_index

    async def find(self, *query: Any, **page: Any) -> Any:
        """Find, by the index."""
        self._index()
        return await self._store.find(*query, **page)

    async def count(self, *query: Any) -> Any:
        """Count, by the index."""
        self._index()
        return await self._store.count(*query)

    def _index(self) -> None:
        if self._store.index.news.is_set():
            self._make_index(self._store)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture(
    params=[
        *("memory", "sqlite", "segments", "postgres"),
        *("memory mailbox", "sqlite mailbox", "segments mailbox", "postgres mailbox"),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    """Give each kind of store; a suite may have its own list."""
    return str(request.param)


@pytest.fixture
async def open_store(
    kind: str,
    tmp_path: Path,
    make_index: Callable[[IndexedKind], None],
    request: pytest.FixtureRequest,
) -> AsyncIterator[OpenStore]:
    """Give what opens a store; the test runs once with each kind."""
    async with AsyncExitStack() as stack:

        async def open_one(
            retention: Retention = Retention(),  # noqa: B008 - frozen
            *,
            remembered: int = 1000,
        ) -> MessageStore:
            store: SharedStore
            base, _, how = kind.partition(" ")
            if base == "memory":
                store = MemoryStore(retention, remembered=remembered)
            elif base == "postgres":
                url = stack.enter_context(request.getfixturevalue("postgres").inbox())
                store = await PostgresStore.open(url, retention, remembered=remembered)
                if how == "indexed":
                    store = IndexedStore(store, make_index)
            else:
                folder = tmp_path / new_id()
                store = await SqliteStore.open(
                    folder,
                    retention,
                    remembered=remembered,
                    large=1 if base == "segments" else LARGE,
                    segment=100 if base == "segments" else SEGMENT,
                )
                if base == "indexed":
                    store = IndexedStore(store, make_index)
            stack.push_async_callback(store.close)
            return MailboxView(store, "mailbox") if how == "mailbox" else store

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> MessageStore:
    """Give an empty store that keeps everything."""
    return await open_store()


def make_message(
    raw: bytes = b"Subject: hello\r\n\r\nbody\r\n",
    *,
    sender: str = "from@example.com",
    to: Sequence[str] = ("to@example.com",),
    session: str = "session-1",
    received: datetime | None = None,
) -> Message:
    """Make a message."""
    return Message(
        id=new_id(),
        received=received or utc_now(),
        envelope=Envelope(
            reverse_path=sender,
            recipients=tuple(Recipient(address, {"NOTIFY": "NEVER"}) for address in to),
            parameters={"SIZE": "100", "SMTPUTF8": None},
        ),
        session=SessionFacts(
            session_id=session,
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            peer="127.0.0.1:40000",
            helo="client.example.com",
            esmtp=True,
            client_certificate=ClientCertificate("CN=client", "CN=authority", "0" * 64, "client"),
        ),
        raw=raw,
    )


@pytest.fixture
def message() -> Callable[..., Message]:
    """Give what makes a message."""
    return make_message
