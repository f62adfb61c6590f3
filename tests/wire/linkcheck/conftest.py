"""The link check's bench: a real HTTP server on loopback, and a checker that may ask it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

import h11
import pytest

from bindpost.server.linkcheck.checker import LinkChecker
from bindpost.server.linkcheck.rules import Rules
from bindpost.server.outgoing.places import read_networks

LOOPBACK: Final = read_networks(["127.0.0.1"])

Handler = Callable[[str, str], Awaitable[bytes]]


@dataclass
class Site:
    """
    A web site: what it answers to a path, and what it was asked.

    An answer is a status line's rest and header lines, `404 Not Found`, or bytes as they are.
    """

    answers: dict[str, str | bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    together: int = 0
    most_together: int = 0
    waits: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        """Give the URL of a path."""
        return f"http://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection."""
        self.connections += 1
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        try:
            with contextlib.suppress(OSError, h11.RemoteProtocolError):
                await self._answer(reader, writer)
        finally:
            self.together -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER)
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(65536))
        if not isinstance(event, h11.Request):
            return
        method, path = event.method.decode(), event.target.decode()
        self.asked.append(
            (method, path, {name.decode(): value.decode() for name, value in event.headers})
        )
        answer = self.answers.get(f"{method} {path}", self.answers.get(path, "404 Not Found"))
        if answer == "wait":
            self.waits.put_nowait(path)
            await self.gate.wait()
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            writer.write(f"HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()


Sites = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def serve() -> Sites:
    """Give a function that runs a site on loopback."""

    @contextlib.asynccontextmanager
    async def run(
        answers: dict[str, str | bytes] | None = None,
        *,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[Site]:
        site = Site(answers=answers or {})
        server = await asyncio.start_server(site.serve, address, 0, ssl=tls)
        site.port = server.sockets[0].getsockname()[1]
        try:
            yield site
        finally:
            site.gate.set()
            server.close()

    return run


@pytest.fixture
def checker() -> LinkChecker:
    """Give a checker that may ask 127.0.0.1."""
    return LinkChecker(Rules(networks=LOOPBACK))
