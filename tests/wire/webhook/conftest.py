"""The webhook bench: a real HTTP server that receives, or misbehaves, and webhooks over a store."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

import h11
import pytest

from bindpost.config.model import Webhook
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.store import MessageRow, MessageStore
from bindpost.server.webhook import Hook, Webhooks, webhooking

from ...fixtures import memory_store as memory_store

PATIENCE: Final = 10.0
"""Seconds after which something that must happen has not happened."""
HANG, CLOSE, GARBAGE = -1, -2, -3
"""What a receiver may do in place of a status."""


@dataclass(frozen=True)
class Request:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """What it tells."""
        return json.loads(self.body)["data"]

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]


class Receiver:
    """
    An HTTP server on loopback that notes each request and answers by a script, then with 204.

    `location` is the field of its redirects.
    """

    def __init__(self, *script: int, location: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.script = list(script)
        self.port = 0
        self._location = location
        self._tls = tls
        self._news = asyncio.Condition()
        self._end = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[Receiver]:
        """Run it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._end.set()
            server.close()

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    async def wait_for(self, number: int) -> list[Request]:
        """Give the requests when there are so many."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: len(self.requests) >= number)
        return self.requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            http = h11.Connection(h11.SERVER)
            request, body = None, b""
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(1 << 16))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            if request is not None and isinstance(event, h11.EndOfMessage):
                headers = {name.decode(): value.decode() for name, value in request.headers}
                async with self._news:
                    self.requests.append(Request(request.target.decode(), headers, body))
                    self._news.notify_all()
                await self._answer(http, writer)
        finally:
            writer.close()

    async def _answer(self, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        status = self.script.pop(0) if self.script else 204
        if status == HANG:
            await self._end.wait()
        elif status == GARBAGE:
            writer.write(b"220 mail.example ESMTP\r\n")
        elif status != CLOSE:
            fields = [("Location", self._location)] if self._location else []
            writer.write(
                http.send(
                    h11.Response(status_code=status, headers=[*fields, ("Connection", "close")])
                )
                or b""
            )


async def add(
    store: MessageStore,
    raw: bytes = b"Subject: Hello\r\n\r\nHi.\r\n",
    *,
    to: Sequence[str] = ("bob@example.com",),
    moved: datetime | None = None,
    node: str | None = None,
) -> MessageRow:
    """Put a message into a store, as a session would."""
    facts = SessionFacts(
        *(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "plain"), moved=moved, node=node
    )
    envelope = Envelope("alice@example.com", tuple(map(Recipient, to)))
    return await store.add(Message(new_id(), utc_now(), envelope, facts, raw), ())


class Run(Protocol):
    """Runs webhooks, each of some keys of `[[webhook]]`, over a store."""

    def __call__(
        self,
        store: MessageStore,
        *tables: dict[str, Any],
        data: str | Path = ":memory:",
        node: str | None = None,
        grace: float = 0,
    ) -> AbstractAsyncContextManager[Webhooks]:
        """Run them."""
        ...


@pytest.fixture
async def run(events: object, tmp_path: Path) -> AsyncIterator[Run]:
    """Run webhooks; events are checked against the catalogue, and nothing may be unhandled."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))

    def run(
        store: MessageStore,
        *tables: dict[str, Any],
        data: str | Path = ":memory:",
        node: str | None = None,
        grace: float = 0,
    ) -> AbstractAsyncContextManager[Webhooks]:
        hasty: dict[str, Any] = {"first_pause": 0.01, "name": "ci"}
        hooks = Hook.load_all([Webhook(**hasty | table) for table in tables], folder=tmp_path)
        return webhooking(hooks, store, data=data, node=node, grace=grace)

    yield run
    assert unhandled == []
