"""What the tests of SSH listeners share: sessions that echo, and clients that connect."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.ssh.listener import SshListener

HERE = Endpoint.parse("127.0.0.1:0")
MEGABYTE = 1024 * 1024


class Session(asyncio.Protocol):
    """Echoes; says `HOST:PORT` of its peer when asked `who`."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.log.sessions.append(self)
        self.log.begun.set()

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if data == b"who":
            host, port, *_ = self.transport.get_extra_info("peername")
            data = f"{host}:{port}".encode()
        self.log.received += len(data)
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note."""
        self.log.ends.append(exc)
        self.log.ended.set()


@dataclass
class Log:
    """What the sessions of a listener saw."""

    sessions: list[Session] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[Exception | None] = field(default_factory=list)
    received: int = 0

    def session(self) -> Session:
        """Make a session; the protocol factory."""
        return Session(self)


def sockets() -> set[str]:
    """Give the sockets that this process has open, but for Unix ones: those are the loop's own."""
    if not Path("/proc/net/unix").exists():
        return set()  # a system that doesn't tell
    found = set()
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the folder's own descriptor is gone again
            found.add(os.readlink(link))
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return {name for name in found if name.startswith("socket:") and name[8:-1] not in unix}


Bind = Callable[..., Any]


@dataclass
class Peer:
    """A client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def name(self) -> str:
        """Its own address."""
        host, port = self.writer.get_extra_info("sockname")
        return f"{host}:{port}"

    async def ask(self, data: bytes) -> bytes:
        """Send something and give the first part of the answer."""
        self.writer.write(data)
        return await self.reader.read(1000)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


async def connect(listener: SshListener, **options: Any) -> Peer:
    """Connect to where the listener says that peers connect."""
    address = listener.addresses[0]
    return Peer(*await asyncio.open_connection(address.host, address.port, **options))
