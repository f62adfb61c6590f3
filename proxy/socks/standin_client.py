"""The stand-in proxy's talk with one of its clients: greeting, login, request, replies."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn, Self

from bindpost import events
from bindpost.config.endpoint import Endpoint

from ..watch import Watch
from . import wire
from .wire import Reply

LONGEST_TEXT: Final = 255
"""Bytes of a SOCKS4 user id or name."""
GARBAGE: Final = b"\xde\xad\xbe\xef this is no SOCKS\r\n"
REFUSED: Final = {4: 0x5B, 5: 0x02}
"""The reply code that means that the rules or the port don't allow it, by version."""

_CHUNK: Final = 65536
_UNKNOWN_COMMAND: Final = {4: 0x5B, 5: 0x07}


class Fault(StrEnum):
    """Something wrong on purpose: the name that it is asked for by, and what it does."""

    words: str

    def __new__(cls, name: str, words: str) -> Self:
        """Make a member that is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.words = words
        return member

    RESETS = "reset", "resets a connection as soon as it is made"
    SILENT = "silent", "never says anything"
    GARBAGE = "garbage", "answers with bytes that are no SOCKS"
    DRIPS = "slow", "answers a byte at a time, and far too slowly"
    CLOSES_GREETING = "close-greeting", "closes instead of answering the first message"
    NO_METHOD = "no-method", "accepts no method of authentication"
    CLOSES_LOGIN = "close-login", "closes instead of answering the login"
    STALLS = "stall", "answers the greeting, and then nothing more"
    CLOSES_REQUEST = "close-request", "closes instead of answering the request"
    REFUSES = "refuse", "refuses every request by its rules"
    NO_BIND = "no-bind", "knows CONNECT only, as most SOCKS servers do"
    OTHER_PORT = "other-port", "binds any port, and tells its own control port"
    DIES = "die", "closes when it has bound"
    NEVER_TELLS = "never-tell", "never tells that a peer has connected"
    GARBLES_PEER = "garble-peer", "tells it with bytes that are no SOCKS"
    SPLITS = "split", "tells it in single bytes"
    COALESCES = "coalesce", "tells it together with the peer's first bytes"
    HIDES_PEER = "hide-peer", "tells the peer as 0.0.0.0:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How a stand-in behaves to all of its clients; see `standin.SocksServer`."""

    users: Mapping[str, str]
    faults: frozenset[Fault]
    reply: int | None
    second_reply: int | None
    connect_reply: int | None
    versions: frozenset[int]
    drip: float
    watch: Watch

    def has(self, fault: Fault) -> bool:
        """Say whether this is among what is wrong."""
        return fault in self.faults


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for: `wire.BIND` or `wire.CONNECT`, and an address."""

    command: int
    address: Endpoint


class OverError(Exception):
    """There is nothing more to say to this client."""


class Client:
    """
    A connection from a client.

    What it does wrong, and what is wrong on purpose, raises `OverError`; the end of the connection
    `OSError` or `EOFError`.
    """

    def __init__(
        self, manners: Manners, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.version = 5
        peername = writer.get_extra_info("peername") or ("", 0)  # None: it is gone already
        self.name = str(Endpoint(*peername[:2]))
        self.reader = reader
        self.writer = writer
        self._manners = manners

    async def request(self) -> Request:
        """Greet, have the client log in if it must, and give what it asks for."""
        (self.version,) = await self._read(1)
        if self._manners.has(Fault.SILENT):
            await self.until_closed()
        if self._manners.has(Fault.CLOSES_GREETING):
            raise OverError
        if self._manners.has(Fault.GARBAGE):
            await self.say(GARBAGE)
            raise OverError
        if self.version not in self._manners.versions:
            self._refused("SOCKS is spoken here, but not that version")
            if self.version == 5:  # a SOCKS4 server takes it for a bad request
                await self.say(wire.format_reply(4, Reply(REFUSED[4])))
            raise OverError
        if self.version == 5:
            await self._greet()
        return await (self._request4() if self.version == 4 else self._request5())

    async def grant(self, address: Endpoint) -> None:
        """Say yes, with the address that was bound."""
        await self._reply(Reply(wire.GRANTED[self.version], address))

    async def refuse(self, code: int, reason: str) -> NoReturn:
        """Say no; the reason is for the log."""
        self._refused(reason)
        await self._reply(Reply(code))
        raise OverError

    async def until_closed(self) -> NoReturn:
        """Say nothing until the client has had enough."""
        while await self.reader.read(_CHUNK):
            pass
        raise OverError

    async def say(self, data: bytes) -> None:
        """Send something, in the way that the fault has it."""
        if not self._manners.has(Fault.DRIPS):
            self.writer.write(data)
            await self.writer.drain()
            return
        for index in range(len(data)):
            self.writer.write(data[index : index + 1])
            await self.writer.drain()
            await asyncio.sleep(self._manners.drip)

    async def _reply(self, reply: Reply) -> None:
        await self.say(wire.format_reply(self.version, reply))

    async def _greet(self) -> None:
        methods = await self._read((await self._read(1))[0])
        method = 2 if self._manners.users else 0
        if method not in methods or self._manners.has(Fault.NO_METHOD):
            self._refused("it offers no method of authentication that is accepted")
            await self.say(b"\x05\xff")
            raise OverError
        await self.say(bytes((5, method)))
        if method:
            await self._log_in()

    async def _log_in(self) -> None:
        await self._read(1)
        user = await self._read((await self._read(1))[0])
        password = await self._read((await self._read(1))[0])
        if self._manners.has(Fault.CLOSES_LOGIN):
            raise OverError
        known = self._manners.users.get(wire.text(user)) == wire.text(password)
        await self.say(b"\x01\x00" if known else b"\x01\x01")
        if not known:
            self._refused("wrong user name or password")
            raise OverError

    async def _request4(self) -> Request:
        command, port, address = struct.unpack(">BH4s", await self._read(7))
        await self._read_text()
        if address[:3] == bytes(3) and address[3]:  # 4a: a name follows
            host = await self._read_text()
        else:
            host = socket.inet_ntoa(address)
        if self._manners.users:
            await self.refuse(REFUSED[4], "SOCKS4 has no passwords")
        return await self._considered(Request(command, Endpoint(host, port)))

    async def _request5(self) -> Request:
        _version, command, _reserved = await self._read(3)
        return await self._considered(Request(command, await wire.read_address(self._read)))

    async def _considered(self, request: Request) -> Request:
        if self._manners.has(Fault.STALLS):
            await self.until_closed()
        if self._manners.has(Fault.CLOSES_REQUEST):
            raise OverError
        known = (wire.CONNECT,) if self._manners.has(Fault.NO_BIND) else (wire.CONNECT, wire.BIND)
        if request.command not in known:
            await self.refuse(_UNKNOWN_COMMAND[self.version], "the command is not known here")
        if request.command == wire.CONNECT and self._manners.connect_reply is not None:
            await self.refuse(self._manners.connect_reply, "by order")
        if self._manners.reply is not None:
            await self.refuse(self._manners.reply, "by order")
        if self._manners.has(Fault.REFUSES):
            await self.refuse(REFUSED[self.version], "the rules do not allow it")
        return request

    def _refused(self, reason: str) -> None:
        self._manners.watch(events.STANDIN_REFUSED, reason=reason, client=self.name)

    async def _read(self, count: int) -> bytes:
        return await self.reader.readexactly(count)

    async def _read_text(self) -> str:
        """Read up to a zero."""
        data = b""
        while (byte := await self._read(1)) != b"\0":
            data += byte
            if len(data) > LONGEST_TEXT:
                raise OverError
        return wire.text(data)
