"""A stand-in for the Winsock Proxy's server half, for labs and tests."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Final, Self, cast

from ..background import Background
from .codec import Packet
from .messages import Hello, HelloAck, Message, SessionEnd
from .standin_session import Proxy, Session
from .wire import Address, CodecError

SESSIONS: Final = 64
"""Clients at once; a hello beyond them gets no second answer."""
CONNECTIONS: Final = 1024
"""Connections from outside at once, unless told otherwise."""
GARBAGE: Final = b"220 this is no Winsock Proxy\r\n"
_NO_ID: Final = bytes(4)


class WinsockProxyServer(asyncio.DatagramProtocol):
    """
    The server of a Winsock Proxy, as much of it as a listening client needs; `async with` runs it.

    `internal` is the address that clients see, `external` the one on which it binds for them,
    `port` the UDP port of the control channel, 0 for any. `deny_ports` are refused with 0x0804.
    `silent` answers nothing; `garbage` answers a hello with bytes that are no message. A client
    that says nothing for `idle_after` seconds is forgotten; Dante's says hello every 6 minutes.
    `announce_interval` is how long, in seconds, a notice may remain unanswered before it is sent
    again. Connections beyond `connections` at once are closed.

    Not there: NTLM, Persistent and KillOldSession, ProxyBindIp, the TCP control channel.

    What lacks `RWSP` or comes from its own address and port is dropped (MS03-012). Nothing but one
    datagram, no longer than the hello that it answers, goes to an address that has not shown by
    the second hello that it gets what is sent there.
    """

    def __init__(
        self,
        internal: str,
        external: str,
        port: int = 0,
        *,
        deny_ports: Collection[int] = (),
        silent: bool = False,
        garbage: bool = False,
        idle_after: float = 900.0,
        announce_interval: float = 0.5,
        connections: int = CONNECTIONS,
    ) -> None:
        self._here = Address(internal, port)
        self._silent = silent
        self._garbage = garbage
        self._idle_after = idle_after
        self._secret = secrets.token_bytes(16)
        self._transport: asyncio.DatagramTransport | None = None
        self._gone = asyncio.Event()
        self._sessions: dict[Address, Session] = {}
        self._timers: dict[Address, asyncio.TimerHandle] = {}
        self._ended = Background()
        self._idle = asyncio.Event()
        self._idle.set()
        self._splices = Background()
        self._proxy = Proxy(
            internal=internal,
            external=external,
            deny_ports=frozenset(deny_ports),
            send=self._send,
            is_taken=self._is_taken,
            announce_interval=announce_interval,
            splices=self._splices,
            connections=connections,
        )

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=self._here)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in list(self._sessions):
            self._end(client)
        self._splices.cancel()
        if self._transport is not None:
            self._transport.close()
        await self._ended.join()
        await self._splices.join()
        await self._gone.wait()

    @property
    def address(self) -> Address:
        """Address and UDP port of the control channel."""
        return self._here

    @property
    def url(self) -> str:
        """The bind path that leads here."""
        return f"winsock://{self._here.host}:{self._here.port}"

    @property
    def bound(self) -> Sequence[Address]:
        """The external addresses that are bound for clients."""
        return [bound for session in self._sessions.values() if (bound := session.bound)]

    async def idle(self) -> None:
        """Return when no client has a session, and so nothing is bound."""
        await self._idle.wait()

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._here = Address(*transport.get_extra_info("sockname")[:2])

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is closed."""
        del exc
        self._transport = None
        self._gone.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram from anybody."""
        client = Address(addr[0], addr[1])
        if self._silent or client == self._here:
            return
        try:
            packet = Packet.loads(data)
        except CodecError:
            return
        session = self._sessions.get(client)
        if session is None or packet.client_id != session.client_id:
            if isinstance(packet.message, Hello):
                self._greet(packet, data, client)
        elif packet.server_id == self._id_for(client):
            self._take(session, packet, data, client)

    def _greet(self, hello: Packet, data: bytes, client: Address) -> None:
        """Answer the first hello, which leaves no trace here, or open a session by the second."""
        if self._garbage:
            self._send(GARBAGE, client)
        elif hello.server_id == _NO_ID:
            answer = self._packet_for(hello, HelloAck(control=self._here), client)
            self._send(answer, client)
        elif hello.server_id == self._id_for(client):
            self._end(client)  # of an earlier program with the same port
            if len(self._sessions) < SESSIONS:
                self._sessions[client] = session = Session(self._proxy, client, hello)
                self._idle.clear()
                self._take(session, hello, data, client)

    def _take(self, session: Session, packet: Packet, data: bytes, client: Address) -> None:
        if isinstance(packet.message, SessionEnd):
            self._end(client)
            return
        if (timer := self._timers.get(client)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[client] = loop.call_later(self._idle_after, self._end, client)
        session.receive(packet, data)

    def _end(self, client: Address) -> None:
        session = self._sessions.pop(client, None)
        if session is None:
            return
        self._timers.pop(client).cancel()
        session.end()
        self._ended.spawn(session.wait_ended())
        if not self._sessions:
            self._idle.set()

    def _packet_for(self, hello: Packet, message: Message, client: Address) -> bytes:
        return Packet(
            message=message,
            client_id=hello.client_id,
            server_id=self._id_for(client),
            ack=hello.sequence,
        ).dumps()

    def _id_for(self, client: Address) -> bytes:
        """Give the server id of an address: unguessable, and the same without remembering it."""
        text = f"{client.host}:{client.port}".encode()
        return hashlib.blake2b(text, key=self._secret, digest_size=4).digest()

    def _is_taken(self, port: int) -> bool:
        return any(bound.port == port for bound in self.bound)

    def _send(self, data: bytes, client: Address) -> None:
        if self._transport is not None:
            self._transport.sendto(data, client)
