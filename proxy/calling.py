"""Connections made as a peer makes them, from this machine; and what it means when none is made."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from types import MappingProxyType
from typing import Final, final

from bindpost.config.endpoint import Endpoint

from . import wsa
from .provider import Call, Finding, UnreachedError

NOTHING: Final = -1
"""In place of an event's code: the listener can't be reached, and `serve` would log nothing."""
UNTESTED: Final = -2
"""In place of an event's code: no fault is known, only the self-test can't be made."""
EVENTS: Final = MappingProxyType({NOTHING: "none", UNTESTED: "none, and no fault"})
"""Both in the words of the documentation's tables."""

NO_WAY: Final = Finding(
    None, "nobody can come in by this bind path from here", "connect from outside to see"
)
"""What is said of a provider that is no `Reaching`."""

_HINT: Final = "see which firewall or container of this machine closes it"
_SILENT_HINT: Final = (
    "another program may listen there too, or a container's or firewall's relay stands before it "
    "(`ss -ltnp`, as root, names the programs)"
)


@final
class SocketStream:
    """
    The peer's side of a connection, over a connected, non-blocking socket that it owns.

    Not a transport of the loop, which can be lost when its making is cancelled.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @property
    def name(self) -> Endpoint | None:
        """The address that the connection comes from; a Unix socket's has none."""
        name = self._sock.getsockname()
        return Endpoint(str(name[0]), int(name[1])) if isinstance(name, tuple) else None

    async def read(self, limit: int) -> bytes:
        """Give what has come; nothing at the end. Raises `OSError`."""
        return await asyncio.get_running_loop().sock_recv(self._sock, limit)

    def write(self, data: bytes) -> None:
        """Send data, as much as the system takes at once: enough for a line."""
        with suppress(OSError):  # of a connection that has ended, `read` tells
            self._sock.send(data)

    async def close(self) -> None:
        """Hang up."""
        self._sock.close()


async def call_here(address: Endpoint, *, seconds: float) -> Call:
    """Connect to an address of this machine. Raises `UnreachedError`."""
    try:
        stream = await connect(address, seconds=seconds)
    except OSError as error:
        raise UnreachedError(Finding(False, refusal(address, error), _HINT)) from None
    return Call(stream=stream, silent=silence(address), name=stream.name, exact=True)


async def connect(address: Endpoint, *, seconds: float) -> SocketStream:
    """Connect, to a wildcard by the loopback address of its family. Raises `OSError`."""
    target: str | tuple[str, int]
    if address.is_unix:
        family = socket.AF_UNIX
        # `address_of` writes an abstract socket's name so.
        target = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
    else:
        host = address.reachable().host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        target = (host, address.port)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return SocketStream(sock)


def refusal(address: Endpoint, error: OSError) -> str:
    """Say that a connection was not made, and why."""
    code = wsa.code_of(error)
    # asyncio puts the address in the place of the system's words.
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or "no answer in time"
    return f"no connection to {address.reachable()}: {reason} ({code} {wsa.name_of(code)})"


def silence(address: Endpoint) -> Finding:
    """Give what it means when a connection to an address is made, and no session begins."""
    detail = f"{address.reachable()} takes a connection, and no session begins"
    return Finding(False, detail, _SILENT_HINT)
