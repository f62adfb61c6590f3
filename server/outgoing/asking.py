"""
Asking: one HTTP/1.1 request to an address that was judged first.

The danger is a name that suddenly means an address inside (SSRF by DNS rebinding). So each address
that the name resolves to is judged, and the connection goes to that very address. No redirect is
followed, no proxy asked, no cookie kept, and no body is read.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Literal, final

import h11

from bindpost.errors import BindpostError

_PIECE: Final = 16 * 1024
_ANSWER_LIMIT: Final = 64 * 1024
"""Bytes that are read of an answer before its status is known."""

Problem = Literal["name", "refused", "tls", "connection", "answer"]


class AskError(BindpostError):
    """No answer came; `problem` says at which step, and `reason` why."""

    def __init__(self, problem: Problem, reason: str) -> None:
        self.problem = problem
        self.reason = reason
        super().__init__(reason)


@final
class Asking:
    """
    A request that is made.

    `context` is what TLS trusts, None for plain HTTP. `step` says what it is at, for who sets it a
    time limit: none is set here.
    """

    def __init__(self, host: str, port: int, *, context: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._context = context
        self.step = "looking up the host"

    async def ask(
        self, request: h11.Request, body: bytes = b"", *, may_be_asked: Callable[[str], bool]
    ) -> h11.Response:
        """Make the request, and give the answer without its body. Raises `AskError`."""
        addresses = await self._look_up(may_be_asked)
        self.step = "connecting"
        reader, writer = await self._connect(addresses)
        self.step = "waiting for the answer"
        try:
            return await _exchange(reader, writer, request, body)
        finally:
            writer.transport.abort()

    async def _look_up(self, may_be_asked: Callable[[str], bool]) -> list[str]:
        """Give the addresses of the host to which a request may go."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise AskError("name", getattr(error, "strerror", None) or str(error)) from None
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [address for address in addresses if may_be_asked(address.partition("%")[0])]
        if not allowed:
            raise AskError("refused", ", ".join(addresses))
        return allowed

    async def _connect(
        self, addresses: Sequence[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that takes it."""
        problem = ""
        for address in addresses:
            try:
                return await asyncio.open_connection(
                    address,
                    self._port,
                    ssl=self._context,
                    server_hostname=self._host if self._context is not None else None,
                )
            except ssl.SSLError as error:
                reason = getattr(error, "verify_message", "") or error.reason or str(error)
                raise AskError("tls", reason) from None
            except OSError as error:
                # asyncio puts the address in place of the system's words.
                words = os.strerror(error.errno) if error.errno else str(error)
                problem = f"at {address}: {words}"
        raise AskError("connection", problem)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
) -> h11.Response:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_ANSWER_LIMIT)
    for event in (request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()):
        writer.write(http.send(event) or b"")
    try:
        return await _answer(http, reader)
    except (OSError, h11.RemoteProtocolError) as error:
        raise AskError("answer", str(error)) from None


async def _answer(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    """Give the head of the answer; its body is nobody's concern."""
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_PIECE))
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionResetError("the connection ended before there was one")
