"""One client of the stand-in proxy: what it has bound or reached, and the bytes of both sides."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from bindpost import events
from bindpost.config.endpoint import Endpoint

from ..sockets import reset_on_close
from . import wire
from .bindsocket import prepare
from .standin_client import GARBAGE, REFUSED, Client, Fault, Manners, OverError
from .standin_ports import Ports, Slot
from .wire import NotSocksError, Reply

NEGOTIATION: Final = 30.0
"""Seconds from connection to request."""
CONNECT: Final = 10.0
"""Seconds that a connection for a client may take."""
CHUNK: Final = 65536

_WRONG_FAMILY: Final = 0x08
_HOST_UNREACHABLE: Final = 0x04
_CONNECT_CODES: Final = {errno.ENETUNREACH: 0x03, errno.ECONNREFUSED: 0x05}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Session:
    """
    One client's connection; `serve` returns when it is closed.

    `bound` is the port that is bound for it and still waits for a peer.
    """

    def __init__(self, manners: Manners, ports: Ports) -> None:
        self.bound: Endpoint | None = None
        self._manners = manners
        self._ports = ports

    async def serve(self, sock: socket.socket) -> None:
        """Talk until either side has had enough; the socket is this session's to close."""
        if self._manners.has(Fault.RESETS):
            reset_on_close(sock)
            sock.close()
            return
        try:
            prepare(sock)
            reader, writer = await asyncio.open_connection(sock=sock)
        except OSError:  # it is gone already
            sock.close()
            return
        client = Client(self._manners, reader, writer)
        try:
            self._manners.watch(events.STANDIN_SESSION, client=client.name)
            async with asyncio.timeout(NEGOTIATION):
                request = await client.request()
            serve = self._bind if request.command == wire.BIND else self._connect
            await serve(client, request.address)
        except (OSError, EOFError, NotSocksError, OverError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            self._manners.watch(events.STANDIN_ENDED, client=client.name)

    async def _connect(self, client: Client, wanted: Endpoint) -> None:
        """Connect to an address for a client, and carry its bytes."""
        external = self._ports.external
        try:
            async with asyncio.timeout(CONNECT):
                reader, writer = await asyncio.open_connection(
                    wanted.host,
                    wanted.port,
                    family=socket.AF_INET6 if ":" in external else socket.AF_INET,
                    local_addr=(external, 0),
                )
        except (OSError, ValueError) as error:  # ValueError: a name that is none
            reason = f"it cannot be reached from {external}"
            await client.refuse(_connect_code(client.version, error), reason)
        try:
            address = Endpoint(*writer.get_extra_info("sockname")[:2])
            self._manners.watch(events.STANDIN_CONNECTED, client=client.name, address=str(wanted))
            await client.grant(address)
            await _splice((client.reader, client.writer), (reader, writer))
        finally:
            writer.close()

    async def _bind(self, client: Client, wanted: Endpoint) -> None:
        if ":" in wanted.host and ":" not in self._ports.external:
            await client.refuse(_WRONG_FAMILY, "there is no IPv6 here")
        # An address that is not 0.0.0.0 is the expected peer, and then Dante ignores the port.
        chosen = wanted.is_wildcard and not self._manners.has(Fault.OTHER_PORT)
        try:
            slot = self._ports.open(wanted.port if chosen else 0)
        except OSError as error:
            reason = f"port {wanted.port} cannot be bound: {error.strerror}"
            await client.refuse(REFUSED[client.version], reason)
        try:
            self.bound = Endpoint(self._ports.external, slot.port)
            self._manners.watch(events.STANDIN_BOUND, client=client.name, address=str(self.bound))
            await client.grant(self._told(client, self.bound))
            if self._manners.has(Fault.DIES):
                raise OverError
            peer = await _accept(slot, client)
        finally:
            self.bound = None
            self._ports.release(slot)
        await self._bring(client, peer)

    def _told(self, client: Client, bound: Endpoint) -> Endpoint:
        if not self._manners.has(Fault.OTHER_PORT):
            return bound
        return bound.with_port(client.writer.get_extra_info("sockname")[1])

    async def _bring(self, client: Client, peer: socket.socket) -> None:
        """Announce a peer, and carry its bytes."""
        prepare(peer)
        try:
            host, port, *_ = peer.getpeername()
            reader, writer = await asyncio.open_connection(sock=peer)
        except OSError:  # it is gone already
            peer.close()
            raise
        try:
            if self._manners.has(Fault.NEVER_TELLS):
                await client.until_closed()
            if self._manners.second_reply is not None:
                await client.refuse(self._manners.second_reply, "by order")
            if self._manners.has(Fault.GARBLES_PEER):
                await client.say(GARBAGE)
                raise OverError
            self._manners.watch(
                events.STANDIN_ANNOUNCED, client=client.name, peer=str(Endpoint(host, port))
            )
            hidden = self._manners.has(Fault.HIDES_PEER)
            address = Endpoint("0.0.0.0", 0) if hidden else Endpoint(host, port)  # noqa: S104
            await self._announce(client, address, reader)
            await _splice((client.reader, client.writer), (reader, writer))
        finally:
            writer.close()

    async def _announce(
        self, client: Client, address: Endpoint, reader: asyncio.StreamReader
    ) -> None:
        data = wire.format_reply(client.version, Reply(wire.GRANTED[client.version], address))
        if self._manners.has(Fault.COALESCES):
            data += await reader.read(CHUNK)
        if not self._manners.has(Fault.SPLITS):
            await client.say(data)
            return
        for index in range(len(data)):
            await client.say(data[index : index + 1])
            await asyncio.sleep(0)


async def _accept(slot: Slot, client: Client) -> socket.socket:
    """Give the first connection to a port; raises `OverError` when the client hangs up before."""
    accepting = slot.accept()
    closing = asyncio.ensure_future(client.reader.read(1))
    wanted = False
    try:
        await asyncio.wait((accepting, closing), return_when=asyncio.FIRST_COMPLETED)
        wanted = not closing.done()
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        if not wanted and not accepting.cancel() and accepting.exception() is None:
            accepting.result().close()
    if not wanted:
        raise OverError
    return accepting.result()


async def _splice(one: Streams, other: Streams) -> None:
    """Copy bytes both ways until both sides have ended; a reset of one side resets the other."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(one[0], other[1]))
            both.create_task(_pump(other[0], one[1]))
    except* OSError:
        _reset(one[1])
        _reset(other[1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if not writer.transport.is_closing():
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        reset_on_close(writer.get_extra_info("socket"))
        writer.transport.abort()


def _connect_code(version: int, error: Exception) -> int:
    """Give the reply to a CONNECT that failed (RFC 1928, section 6)."""
    if version == 4:
        return REFUSED[4]
    number = error.errno if isinstance(error, OSError) else None
    return _CONNECT_CODES.get(number or 0, _HOST_UNREACHABLE)
