"""One client of the stand-in server: what it has bound, and how its connections are handed over."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ..background import Acceptor, Background
from ..binding import BACKLOG
from ..sockets import move
from ..splice import splice
from .codec import Packet
from .messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    Message,
    Refusal,
    TcpBind,
    TcpBindAck,
)
from .standin_login import AUTHENTICATE, Accounts, LoginAcceptor, TokenError, kind_of
from .standin_rules import BindRequest, Rule, application_name
from .wire import ANY_HOST, Address

ANNOUNCE_TRIES: Final = 5
"""How often a notice is sent before its connection is given up."""
CALLBACK_TIMEOUT: Final = 10.0
"""Seconds that the connection to the client may take."""

_BIND: Final = Bind.code & 0xFF
_LISTEN: Final = TcpBind.code & 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """
    What the sessions of one stand-in share.

    `external` are the addresses on which it binds, the first unless a client asks for another.
    `holder_of` gives the session that holds an address, `end_session` ends one. A notice is
    repeated after `announce_interval` seconds. `splices` runs what has been handed over, at most
    `connections` at once.
    """

    internal: str
    external: Sequence[str]
    rules: Sequence[Rule]
    accounts: Accounts
    send: Callable[[bytes, Address], None]
    holder_of: Callable[[Address], Session | None]
    end_session: Callable[[Session], None]
    announce_interval: float
    splices: Background
    connections: int


class Session:
    """
    A client that has completed the hello exchange.

    It may bind one port. A request that comes again, byte for byte, gets its answer again and does
    nothing. `end` closes what it holds outside; connections that were handed over live on.
    """

    def __init__(self, proxy: Proxy, client: Address, hello: Packet) -> None:
        self.client = client
        self.client_id = hello.client_id
        self.application = application_name(_executable(hello.message))
        self.account = ""
        self._proxy = proxy
        self._login = LoginAcceptor(proxy.accounts)
        self.server_id = hello.server_id
        self._sequence = 0  # the greeting's answer had it
        self._client_sequence = 0
        self._last: tuple[bytes, bytes] | None = None
        self._sock: socket.socket | None = None
        self._acceptor: Acceptor | None = None
        self._bind_id = b""
        self._local_port = 0
        self._external = Address("", 0)
        self._unanswered: dict[int, asyncio.Event] = {}
        self._handovers = Background()

    @property
    def bound(self) -> Address | None:
        """The external address that the session holds."""
        return None if self._sock is None else self._external

    def receive(self, packet: Packet, data: bytes) -> None:
        """Take a datagram of this session."""
        if self._last is not None and self._last[0] == data:
            self._proxy.send(self._last[1], self.client)
            return
        self._client_sequence = packet.sequence
        match packet.message:
            case Hello():
                self._answer(data, Acknowledgement())
            case Authentication() as request:
                self._answer(data, self._authenticate(request))
            case Bind() as request:
                self._answer(data, self._bind(request))
            case TcpBind() as request:
                self._answer(data, self._listen(request))
            case BindInfoAck(notice=notice):
                self._go_on(notice)
            case _:
                pass  # 0x0406 wants no answer, the rest is not offered

    def end(self) -> None:
        """Close the external port and forget the connections that were not yet handed over."""
        self._handovers.cancel()
        if self._acceptor is not None:
            self._acceptor.close()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    async def wait_ended(self) -> None:
        """Return when nothing of the session is left but what was handed over."""
        await self._handovers.join()

    def _answer(self, request: bytes, message: Message) -> None:
        reply = self._packet(message)
        self._last = (request, reply)
        self._proxy.send(reply, self.client)

    def _packet(self, message: Message) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFF
        return Packet(
            message=message,
            client_id=self.client_id,
            server_id=self.server_id,
            ack=self._client_sequence,
            sequence=self._sequence,
        ).dumps()

    def _authenticate(self, request: Authentication) -> Message:
        """Take a step of a login by what the token is; the sub-code is a leftover [B]."""
        self.account = ""
        try:
            if kind_of(request.token) == AUTHENTICATE:
                self.account = self._login.accept(request.token)
                return Authentication(sub_code=Authentication.DONE)
            challenge = self._login.challenge(request.token)
        except TokenError:
            return Refusal(operation=request.sub_code)
        return Authentication(sub_code=Authentication.CHALLENGE, token=challenge)

    def _bind(self, request: Bind) -> Message:
        wanted = Address(self._external_host(request), request.port)
        if self._sock is not None or not wanted.host or self._objection(request):
            return Refusal(operation=_BIND)
        if wanted.port and not self._make_room(wanted, kill_old=request.kill_old):
            return AddressInUse()
        sock = _new_socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(wanted)
        except OSError as error:
            sock.close()
            in_use = error.errno == errno.EADDRINUSE
            return AddressInUse() if in_use else Refusal(operation=_BIND)
        self._sock = sock
        self._bind_id = secrets.token_bytes(4)
        self._local_port = request.local_port
        self._external = Address(*sock.getsockname())
        return BindAck(bind_id=self._bind_id, external=self._external)

    def _make_room(self, wanted: Address, *, kill_old: bool) -> bool:
        """Say whether no session holds an address, after KillOldSession if that was asked for."""
        holder = self._proxy.holder_of(wanted)
        if holder is None:
            return True
        if not kill_old or not self._is_later_than(holder):
            return False
        self._proxy.end_session(holder)
        return True

    def _is_later_than(self, other: Session) -> bool:
        """Say whether the other was an earlier instance: same machine, program and account."""
        return (self.client.host, self.application, self.account) == (
            other.client.host,
            other.application,
            other.account,
        )

    def _external_host(self, request: Bind) -> str:
        """Give the address to bind: the one that is asked for, `""` if it is none of ours."""
        if request.address == ANY_HOST:
            return self._proxy.external[0]
        return request.address if request.address in self._proxy.external else ""

    def _objection(self, request: Bind) -> str:
        """Give the first access rule's objection, `""` if the bind is allowed."""
        wanted = BindRequest(port=request.port, application=self.application, account=self.account)
        return next(filter(None, (rule(wanted) for rule in self._proxy.rules)), "")

    def _listen(self, request: TcpBind) -> Message:
        if self._sock is None or self._acceptor is not None or request.bind_id != self._bind_id:
            return Refusal(operation=_LISTEN)
        try:
            # Not the client's backlog, which is Winsock 1.1's 5: clients of a full queue may wait
            # for a banner for ever, since SYN cookies let them think that they are connected.
            self._sock.listen(BACKLOG)
        except OSError:
            return AddressInUse()
        self._acceptor = Acceptor(self._sock, self._accept)
        return TcpBindAck(bind_id=self._bind_id, external=self._external)

    def _accept(self, outside: socket.socket, peer: tuple[str, int]) -> None:
        if len(self._handovers) + len(self._proxy.splices) >= self._proxy.connections:
            outside.close()
            return
        self._handovers.spawn(self._hand_over(outside, Address(*peer)), outside)

    async def _hand_over(self, outside: socket.socket, peer: Address) -> None:
        """Announce a connection, connect to the client when it is ready, and carry the bytes."""
        with suppress(OSError), _new_socket() as inside:
            inside.bind((self._proxy.internal, 0))
            if not await self._announce(peer, inside.getsockname()[1]):
                return
            async with asyncio.timeout(CALLBACK_TIMEOUT):
                address = (self.client.host, self._local_port)
                await asyncio.get_running_loop().sock_connect(inside, address)
            for sock in (outside, inside):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            both = move(outside), move(inside)
            self._proxy.splices.spawn(splice(*both), *both)

    async def _announce(self, peer: Address, internal_port: int) -> bool:
        """Send a notice until the client acknowledges it; says whether it did."""
        notice = self._packet(
            BindInfo(
                bind_id=self._bind_id,
                peer=peer,
                internal_port=internal_port,
                external=self._external,
            )
        )
        self._unanswered[internal_port] = acknowledged = asyncio.Event()
        try:
            for _ in range(ANNOUNCE_TRIES):
                self._proxy.send(notice, self.client)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._proxy.announce_interval):
                        await acknowledged.wait()
                        return True
            return False
        finally:
            del self._unanswered[internal_port]

    def _go_on(self, notice: BindInfo) -> None:
        """Take the acknowledgement of a notice; Dante's client waits for an answer to it."""
        acknowledged = self._unanswered.get(notice.internal_port)
        if acknowledged is not None and not acknowledged.is_set():
            acknowledged.set()
            self._proxy.send(self._packet(Acknowledgement()), self.client)


def _executable(hello: Message) -> str:
    return hello.executable if isinstance(hello, Hello) else ""


def _new_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    return sock
