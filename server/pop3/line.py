"""Line: a POP3 client's connection, on a transport of any kind; bounds what is read and waited."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast, final

from ..handshake import ClosedHereError, begin_handshake
from .grammar import LINE_LIMIT

_FAREWELL: Final = 5.0
"""Seconds that a client is given to take the last reply."""


class LineError(Exception):
    """The session can't go on; the text is what the client is told, empty if it can't be."""


class HandshakeError(Exception):
    """There is no TLS with this client; its cause is an `OSError`."""


@final
class Line(asyncio.Protocol):
    """
    Reads command lines and writes replies.

    `made` is called when the connection is there. `timeout` is how many seconds the client may take
    for a command, and to read what is sent (RFC 1939, section 3: ten minutes or more),
    `handshake_timeout` for TLS. With `tls_first` that begins with the first byte: wait for it by
    `end_handshake`.
    """

    def __init__(
        self,
        made: Callable[[Line], None],
        *,
        timeout: float,
        handshake_timeout: float,
        tls_first: ssl.SSLContext | None = None,
    ) -> None:
        self._made = made
        self._timeout = timeout
        self._handshake_timeout = handshake_timeout
        self._tls_first = tls_first
        self._handshake: asyncio.Future[None]
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._below: asyncio.Transport
        self._reader: asyncio.StreamReader
        self._has_room = asyncio.Event()
        self._lost = asyncio.Event()
        self._is_upgrading = False
        self.tls = False
        self.peer: str | None = None

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or go on inside TLS."""
        self._transport = cast("asyncio.Transport", transport)
        self._reader = asyncio.StreamReader(limit=LINE_LIMIT - 1, loop=self._loop)
        self._reader.set_transport(transport)
        self._has_room.set()
        if self._is_upgrading:
            self.tls = True
            return
        self._below = self._transport
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else None
        if self._tls_first is not None:
            self._begin_handshake(self._tls_first)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._reader.feed_data(data)

    def eof_received(self) -> bool:
        """Let a client that has closed its sending side read its replies; TLS can't have that."""
        self._reader.feed_eof()
        return not self.tls

    def pause_writing(self) -> None:
        """Let writers wait: the client doesn't read."""
        self._has_room.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._has_room.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Wake whoever waits."""
        self._lost.set()
        self._has_room.set()
        self._reader.feed_eof()

    # What the session asks for

    async def read(self) -> bytes:
        """Give the next command line, empty at the end. Raises `LineError`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return b""
        except asyncio.LimitOverrunError:
            raise LineError(f"a line may have {LINE_LIMIT} octets; goodbye") from None
        except TimeoutError:
            raise LineError(f"no command in {self._timeout:g} seconds; goodbye") from None

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client has too much to read. Raises `LineError`."""
        if self._lost.is_set():
            raise LineError
        self._transport.write(data)
        try:
            async with asyncio.timeout(self._timeout):
                await self._has_room.wait()
        except TimeoutError:
            raise LineError from None

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """
        Go on inside TLS. Raises `HandshakeError`.

        What the client sent in clear behind STLS is thrown away with the reader that has it, so
        nobody in between can put commands into the session.
        """
        self._begin_handshake(context)
        await self.end_handshake()

    def _begin_handshake(self, context: ssl.SSLContext) -> None:
        self._is_upgrading = True
        seconds = self._handshake_timeout
        self._handshake = begin_handshake(self._below, self, context, seconds=seconds)

    async def end_handshake(self) -> None:
        """Return when the session goes on inside TLS. Raises `HandshakeError`."""
        try:
            await self._handshake
        except OSError as error:
            self.abort()
            raise HandshakeError from error
        if not self.tls:  # closed here meanwhile, of which asyncio tells nothing
            self._lost.set()
            raise HandshakeError from ClosedHereError("closed during the handshake")

    async def close(self) -> None:
        """Close when all is sent, and see that it ends; returns when it has."""
        if not self._lost.is_set():
            self._transport.close()
            try:
                async with asyncio.timeout(_FAREWELL):
                    await self._lost.wait()
            except TimeoutError:
                self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._lost.set()
        self._below.abort()
