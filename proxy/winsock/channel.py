"""The client's half of the control channel: one session with a Winsock Proxy server over UDP."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final, TypeVar, cast

from bindpost.errors import BindError

from . import wire
from .codec import Packet
from .failures import Failures
from .messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
)
from .ntlm import Credentials, Login, LoginError
from .wire import Address, CodecError

REMEMBERED_NOTICES: Final = 256
"""Notices whose acknowledgement can be sent again; the sequence number wraps there anyway."""

_M = TypeVar("_M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    How patient a client is, in seconds and tries; no source tells Microsoft's values.

    A request is sent `tries` times, `interval` apart. `deadline` bounds resolving, greeting and
    binding together. A hello is sent every `keep_alive`, so a proxy that is lost is missed after
    that at most (Dante: 6 minutes). `pauses` stand before the attempts to bind again what was lost;
    the last one is repeated.
    """

    tries: int = 3
    interval: float = 0.5
    deadline: float = 30.0
    keep_alive: float = 30.0
    pauses: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


async def resolve(host: str, failures: Failures, timing: Timing) -> str:
    """Give the proxy's IPv4 address; raises `BindError` 10050, hop `resolve`."""
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timing.deadline):
            found = await loop.getaddrinfo(
                host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM
            )
    except TimeoutError:
        raise failures.unresolvable(host, "no answer from the name service") from None
    except (OSError, UnicodeError) as error:
        raise failures.unresolvable(host, _reason(error)) from None
    return str(found[0][4][0])


class ControlChannel(asyncio.DatagramProtocol):
    """
    A session with one server: `open`, `log_in` if the client shall, then `bind` and `listen`, then
    `keep_alive` until `close`.

    `on_notice` is called for each connection that the proxy announces, after which the proxy is
    told to go on. Every failure is a `BindError`; 10050 unless the port is taken there.
    """

    def __init__(
        self,
        server: Address,
        *,
        failures: Failures,
        timing: Timing,
        application: str,
        on_notice: Callable[[BindInfo], None],
    ) -> None:
        self.server = server
        self._name = f"{server.host}:{server.port}/udp"
        self._failures = failures
        self._timing = timing
        self._application = application
        self._on_notice = on_notice
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + timing.deadline
        self._transport: asyncio.DatagramTransport | None = None
        self._gone = asyncio.Event()
        self._gone.set()
        self._turn = asyncio.Lock()
        self._client_id = wire.FIRST_CLIENT_ID
        self._server_id: bytes | None = None
        self._server_sequence: int | None = None
        self._sequence = 0
        self._counting = False
        self._bind_id = b""
        self._acknowledged: dict[tuple[int, BindInfo], bytes] = {}
        self._waiter: asyncio.Future[Message] | None = None
        self._expected: type[Message] | tuple[type[Message], ...] = ()
        self._working = False
        self._heard = ""

    async def open(self, local_host: str = "") -> None:
        """
        Greet the server; `local_host` is the address that it shall connect back to.

        Raises `BindError` 10050, hop `connect` or `greeting`.
        """
        sock = self._connected_socket(local_host)
        try:
            await self._loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        hello = self._hello()
        await self._exchange(hello, HelloAck, "greeting")
        self._client_id = secrets.token_bytes(4)
        await self._exchange(hello, Acknowledgement, "greeting")

    async def log_in(self, credentials: Credentials) -> None:
        """Log in by NTLM; raises `BindError` 10050, hop `auth`."""
        login = Login(credentials)
        first = Authentication(sub_code=Authentication.NEGOTIATE, value=2, token=login.negotiate())
        challenge = await self._exchange(first, Authentication, "auth")
        try:
            token = login.authenticate(challenge.token)
        except LoginError as error:
            raise self._failures.no_login(self._name, str(error)) from None
        second = Authentication(sub_code=Authentication.AUTHENTICATE, token=token)
        answer = await self._exchange(second, Authentication, "auth")
        if answer.sub_code == Authentication.CHALLENGE:
            raise self._failures.no_login(self._name, "it challenges again after the answer")

    async def bind(
        self, port: int, host: str = wire.ANY_HOST, *, kill_old: bool = False
    ) -> Address:
        """
        Bind a port on the proxy and give the address that it says was bound.

        `host` is the proxy's address that is wanted (ProxyBindIp), `kill_old` asks the proxy to end
        an earlier session that holds the port (KillOldSession). Raises `BindError`: 10048 when the
        port is taken there, else 10050.
        """
        request = Bind(port=port, local_port=port, address=host, kill_old=kill_old)
        answer = await self._exchange(request, BindAck, "bind")
        self._bind_id = answer.bind_id
        return answer.external

    async def listen(self, port: int, external: Address, host: str = wire.ANY_HOST) -> None:
        """
        Listen on what was bound for the local `port`; notices come from now on.

        Raises `BindError` as `bind` does, 10048 when another port was bound than that one, and
        10050 when another address than `host`: a proxy's success is not believed before the numbers
        have been compared.
        """
        if external.port != port:
            raise self._failures.wrong_port(self._name, port, external.port)
        if host not in (wire.ANY_HOST, external.host):
            raise self._failures.wrong_address(self._name, host, external.host)
        request = TcpBind(bind_id=self._bind_id, local_port=port)
        await self._exchange(request, TcpBindAck, "accept")
        self._send(self._next(Listening(external=external)).dumps())

    async def keep_alive(self) -> None:
        """Send a hello now and then; raises `BindError` when the server has stopped answering."""
        while True:
            await asyncio.sleep(self._timing.keep_alive)
            self._until = self._loop.time() + self._timing.deadline
            try:
                await self._exchange(self._hello(), (Acknowledgement, HelloAck), "accept")
            except BindError:
                raise self._failures.lost(self._name) from None

    def close(self) -> None:
        """End the session; the proxy closes what it holds for it."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self._server_id is not None:
            transport.sendto(self._next(SessionEnd()).dumps())
        transport.close()

    async def wait_closed(self) -> None:
        """Return when the socket is closed; at once if it was never opened."""
        await self._gone.wait()

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._gone.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is closed, by us or by an error."""
        self._transport = None
        self._gone.set()
        self.error_received(exc or ConnectionAbortedError(errno.ECONNABORTED, "channel closed"))

    def error_received(self, exc: Exception) -> None:
        """Fail the request that is under way, such as after ICMP port unreachable."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take a datagram; the socket is connected, so the server sent it."""
        del addr
        try:
            packet = Packet.loads(data)
        except CodecError as error:
            self._heard = f"datagrams that are no Winsock Proxy message ({error})"
            if self._server_id is None:
                self.error_received(error)
            return
        if self._server_id is not None and packet.server_id != self._server_id:
            return
        if isinstance(packet.message, BindInfo):
            self._take_notice(packet, packet.message)
        elif not self._is_duplicate(packet):
            fresh = packet.sequence != self._server_sequence
            self._server_sequence = packet.sequence
            self._take_answer(packet, fresh)

    def _connected_socket(self, local_host: str) -> socket.socket:
        """Make the UDP socket here, because uvloop's own way hides the error number."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if local_host:
                sock.bind((local_host, 0))
            sock.connect(self.server)
        except OSError as error:
            sock.close()
            if local_host:
                raise self._failures.no_way_back(self._name, local_host, error) from None
            raise self._failures.unreachable(self._name, _reason(error)) from None
        return sock

    def _take_answer(self, packet: Packet, fresh: bool) -> None:
        message = packet.message
        if self._waiter is None or self._waiter.done():
            return
        if isinstance(message, (self._expected, Refusal, AddressInUse)):
            if isinstance(message, HelloAck) and self._server_id is None:
                self._server_id = packet.server_id
            self._waiter.set_result(message)
        elif isinstance(message, (Acknowledgement, Listening)):
            # "Received, still working": wait on, but send no more. A repeated answer to the
            # request before says nothing of the kind.
            self._working = self._working or fresh
            self._heard = f"{message.command:#06x} (working)"
        else:
            self._heard = f"unexpected {message.command:#06x}"

    def _take_notice(self, packet: Packet, notice: BindInfo) -> None:
        """Announce a connection and acknowledge it; a repeated notice is acknowledged only."""
        if notice.bind_id != self._bind_id:
            return
        key = (packet.sequence, notice)
        answer = self._acknowledged.get(key)
        if answer is None:
            self._server_sequence = packet.sequence
            answer = self._next(BindInfoAck(notice=notice)).dumps()
            if len(self._acknowledged) >= REMEMBERED_NOTICES:
                del self._acknowledged[next(iter(self._acknowledged))]
            self._acknowledged[key] = answer
            self._on_notice(notice)
        self._send(answer)

    def _is_duplicate(self, packet: Packet) -> bool:
        """Say whether a packet came before, as Dante tells it: by sequence and acknowledgement."""
        return packet.sequence == self._server_sequence and packet.ack != self._sequence

    async def _exchange(
        self, message: Message, expected: type[_M] | tuple[type[_M], ...], hop: str
    ) -> _M:
        """Send a request until it is answered; raises `BindError` when it never is."""
        async with self._turn:
            self._waiter = waiter = self._loop.create_future()
            self._expected = cast("type[Message]", expected)
            self._working, self._heard = False, ""
            try:
                await self._send_until_answered(self._next(message).dumps(), waiter)
                if not waiter.done():
                    raise self._failures.silent(self._name, hop, self._heard)
                answer = waiter.result()
            except CodecError as error:
                raise self._failures.junk(self._name, str(error)) from None
            except BindError:
                raise
            except OSError as error:
                raise self._failures.unreachable(self._name, _reason(error)) from None
            finally:
                self._waiter = None
                _forget(waiter)
        if isinstance(answer, expected):
            return answer
        if isinstance(answer, AddressInUse):
            port = message.local_port if isinstance(message, (Bind, TcpBind)) else 0
            raise self._failures.in_use(self._name, port)
        raise self._failures.refused(self._name, hop, answer.command)

    async def _send_until_answered(self, data: bytes, waiter: asyncio.Future[Message]) -> None:
        for _ in range(self._timing.tries):
            self._send(data)
            left = self._until - self._loop.time()
            await asyncio.wait({waiter}, timeout=max(0.0, min(self._timing.interval, left)))
            if waiter.done() or self._working:
                break
        if self._working:
            await asyncio.wait({waiter}, timeout=max(0.0, self._until - self._loop.time()))

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    def _next(self, message: Message) -> Packet:
        """
        Number a packet.

        The own number stays 0 until a server's number of 2 or more is acknowledged, then each
        packet has the next one; so Dante does it.
        """
        seen = self._server_sequence or 0
        self._counting = self._counting or seen >= 2
        if self._counting:
            self._sequence = (self._sequence + 1) & 0xFF
        return Packet(
            message=message,
            client_id=self._client_id,
            server_id=self._server_id or bytes(4),
            ack=seen,
            sequence=self._sequence,
            application=self._application[: wire.APPLICATION_LENGTH - 1],
        )

    def _hello(self) -> Hello:
        return Hello(user="bindpost", executable=self._application, computer="BINDPOST")


def _forget(waiter: asyncio.Future[Message]) -> None:
    """Let go of a future, so that nobody asks why its error was not looked at."""
    if not waiter.cancel() and not waiter.cancelled():
        waiter.exception()


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
