"""One client of the stand-in proxy: its bind or connection, and the bytes of both sides."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

from . import wire
from .bindsocket import prepare
from .linger import reset_on_close
from .standin_client import GARBAGE, REFUSED, Client, Fault, Manners, OverError
from .standin_ports import Ports, Slot
from .wire import NotSocksError, Reply

NEGOTIATION: Final = 30.0
"""Seconds from connection to request."""
CHUNK: Final = 65536

_WRONG_FAMILY: Final = 0x08
_UNCONNECTED: Final = {4: 0x5B, 5: 0x05}
"""The reply code that means that a connection was not made, by version."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Session:
    """
    One client's connection; `serve` returns when it is closed.

    `bound` is the port that is bound for it and still waits for a peer; `has_bound` is set when one
    is.
    """

    def __init__(self, manners: Manners, ports: Ports, has_bound: asyncio.Event) -> None:
        self.bound: Endpoint | None = None
        self._has_bound = has_bound
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
            async with asyncio.timeout(NEGOTIATION):
                wanted = await client.request()
            if client.command == wire.CONNECT:
                await _connect(client, wanted)
            else:
                await self._bind(client, wanted)
        except (OSError, EOFError, NotSocksError, OverError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _bind(self, client: Client, wanted: Endpoint) -> None:
        if ":" in wanted.host and ":" not in self._ports.external:
            await client.refuse(_WRONG_FAMILY)
        # An address that is not 0.0.0.0 is the expected peer, and then Dante ignores the port.
        chosen = _is_unspecified(wanted.host) and not self._manners.has(Fault.OTHER_PORT)
        try:
            slot = self._ports.open(wanted.port if chosen else 0)
        except OSError:
            await client.refuse(REFUSED[client.version])
        try:
            self.bound = Endpoint(self._ports.external, slot.port)
            self._has_bound.set()
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
                await client.refuse(self._manners.second_reply)
            if self._manners.has(Fault.GARBLES_PEER):
                await client.say(GARBAGE)
                raise OverError
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


async def _connect(client: Client, to: Endpoint) -> None:
    """Connect for a client, and carry its bytes."""
    try:
        async with asyncio.timeout(NEGOTIATION):
            reader, writer = await asyncio.open_connection(to.host, to.port)
    except OSError:
        await client.refuse(_UNCONNECTED[client.version])
    try:
        await client.grant(Endpoint(*writer.get_extra_info("sockname")[:2]))
        await _splice((client.reader, client.writer), (reader, writer))
    finally:
        writer.close()


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


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
