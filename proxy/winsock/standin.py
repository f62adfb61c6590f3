"""A stand-in for the Winsock Proxy's server half, for labs and tests."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self, cast

from ..background import Background
from . import standin_rules
from .codec import Packet
from .messages import Hello, HelloAck, Message, SessionEnd
from .standin_faults import Misbehaviour
from .standin_login import Accounts
from .standin_rules import Rule
from .standin_session import Proxy, Session
from .standin_table import SESSIONS, SessionTable
from .wire import Address, CodecError

CONNECTIONS: Final = 1024
"""Connections from outside at once, unless told otherwise."""
_NO_ID: Final = bytes(4)

Tap = Callable[[Literal["in", "out"], Address, Address, bytes], None]
"""Sees a datagram: direction as the server sees it, source, destination, bytes. Never raises."""

__all__ = ["CONNECTIONS", "SESSIONS", "Misbehaviour", "Tap", "WinsockProxyServer"]


def _untapped(_way: object, _source: object, _destination: object, _datagram: object) -> None:
    """Show datagrams to nobody."""


class WinsockProxyServer(asyncio.DatagramProtocol):
    """
    The server of a Winsock Proxy, as much of it as a listening client needs; `async with` runs it.

    `internal` is the IPv4 address that clients see, `external` the one on which it binds for them,
    `also_external` are further ones, which a client gets that asks for them. `port` is the UDP port
    of the control channel, 0 for any.

    What may be bound: `ports`, if given, and none of `deny_ports`, by the programs `applications`,
    if given; the rest is refused with 0x0804. `accounts` maps `USER` or `DOMAIN\\USER` to
    passwords; with any, a client must log in before it may bind. `misbehaviour` is what is wrong on
    purpose. `tap` is shown every datagram.

    At most `sessions` clients have a session. When there is no room the one that has been silent
    longest and holds no port is forgotten; so is one that says nothing for `idle_after` seconds
    (Dante's says hello every 6 minutes). `announce_interval` is how long, in seconds, a notice may
    remain unanswered before it is sent again. Connections beyond `connections` at once are closed.

    What lacks `RWSP` or comes from its own address and port is dropped (MS03-012). Nothing but one
    datagram, no longer than the hello that it answers, goes to an address that has not shown by
    the second hello that it gets what is sent there. Raises `ValueError` for a wildcard address,
    which could not be told from a client's.
    """

    def __init__(
        self,
        internal: str,
        external: str,
        port: int = 0,
        *,
        also_external: Sequence[str] = (),
        ports: Collection[int] | None = None,
        deny_ports: Collection[int] = (),
        applications: Collection[str] | None = None,
        accounts: Mapping[str, str] = MappingProxyType({}),
        misbehaviour: Misbehaviour | None = None,
        tap: Tap = _untapped,
        idle_after: float = 900.0,
        announce_interval: float = 0.5,
        sessions: int = SESSIONS,
        connections: int = CONNECTIONS,
    ) -> None:
        for address in (internal, external, *also_external):
            if IPv4Address(address).is_unspecified:
                raise ValueError(f"{address} is no address of a proxy: give one of this machine's")
        self._here = Address(internal, port)
        self._misbehaviour = misbehaviour or Misbehaviour()
        self._tap = tap
        self._secret = secrets.token_bytes(16)
        self._transport: asyncio.DatagramTransport | None = None
        self._gone = asyncio.Event()
        self._sessions = SessionTable(sessions, idle_after)
        self._splices = Background()
        self._proxy = Proxy(
            internal=internal,
            external=(external, *also_external),
            rules=(
                *_rules(ports, deny_ports, applications, login=bool(accounts)),
                *self._misbehaviour.rules,
            ),
            accounts=Accounts(accounts),
            send=self._send,
            holder_of=self._holder_of,
            end_session=lambda session: self._sessions.end(session.client),
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
        self.die()
        await self._sessions.wait_ended()
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
        return [bound for session in self._sessions if (bound := session.bound)]

    async def idle(self) -> None:
        """Return when no client has a session, and so nothing is bound."""
        await self._sessions.idle()

    async def gone(self) -> None:
        """Return when the control port is closed, as after `die`."""
        await self._gone.wait()

    def die(self) -> None:
        """End as a process that is killed: all sockets close, and no client is told."""
        self._sessions.end_all()
        self._splices.cancel()
        if self._transport is not None:
            self._transport.close()

    def forget(self) -> None:
        """Forget all sessions, as a service that was restarted; what they carried is cut."""
        self._sessions.end_all()
        self._splices.cancel()
        self._secret = secrets.token_bytes(16)  # so that no old session can be taken up again

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
        self._tap("in", client, self._here, data)
        if client == self._here:
            return
        try:
            packet = Packet.loads(data)
        except CodecError:
            return
        self._misbehaviour.receive(packet.message, lambda: self._take(packet, data, client), self)

    def _take(self, packet: Packet, data: bytes, client: Address) -> None:
        """Have a client's session take a datagram; a hello may begin one."""
        session = self._sessions.get(client)
        if session is None or packet.client_id != session.client_id:
            if isinstance(packet.message, Hello):
                self._greet(packet, data, client)
        elif packet.server_id != session.server_id:
            pass  # somebody who only knows the client's id
        elif isinstance(packet.message, SessionEnd):
            self._sessions.end(client)
        else:
            self._sessions.heard(session)
            session.receive(packet, data)

    def _greet(self, hello: Packet, data: bytes, client: Address) -> None:
        """Answer the first hello, which leaves no trace here, or open a session by the second."""
        if hello.server_id == _NO_ID:
            answer = self._packet_for(hello, HelloAck(control=self._here), client)
            self._send(answer, client)
        elif hello.server_id == self._id_for(client) and not (hello.sequence or hello.ack):
            # A hello with numbers is the keep-alive of a session that was forgotten here: no
            # answer tells its client that the bind is lost.
            session = Session(self._proxy, client, hello)
            if self._sessions.add(session):
                session.receive(hello, data)

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

    def _holder_of(self, wanted: Address) -> Session | None:
        return next((one for one in self._sessions if one.bound == wanted), None)

    def _send(self, data: bytes, client: Address) -> None:
        self._misbehaviour.send(data, lambda data: self._send_now(data, client))

    def _send_now(self, data: bytes, client: Address) -> None:
        if self._transport is not None:
            self._tap("out", self._here, client, data)
            self._transport.sendto(data, client)


def _rules(
    ports: Collection[int] | None,
    deny_ports: Collection[int],
    applications: Collection[str] | None,
    *,
    login: bool,
) -> Iterator[Rule]:
    """Give the access rules that the server's arguments stand for."""
    if ports is not None:
        yield standin_rules.only_ports(frozenset(ports))
    if deny_ports:
        yield standin_rules.no_ports(frozenset(deny_ports))
    if applications is not None:
        yield standin_rules.only_applications(applications)
    if login:
        yield standin_rules.only_logged_in
