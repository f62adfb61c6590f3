"""
PySocks made to speak BIND: request and first reply. The second one is read by `pending`.

CONNECT differs in the command alone, so a self-test comes back in by the same socket.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Final, Protocol

import socks  # type: ignore[import-untyped]  # PySocks has no types

from bindpost.config.endpoint import Endpoint

from ..sockets import move
from . import wire
from .address import SocksProxy
from .naming import name_of
from .symptom import REACH, Sign, Symptom, sign_of
from .timing import KEEPALIVE, Keepalive

OVERHEARD: Final = 256
"""Bytes that are kept of an answer that is no SOCKS."""
_METHODS: Final = {0: "request", 2: "auth"}
"""The hop after the greeting, by the method that the proxy chose."""


class ClosedError(socks.GeneralProxyError):  # type: ignore[misc]  # PySocks has no types
    """The proxy closed the connection where an answer should have come."""


class _Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


class BindSocket(socks.socksocket):  # type: ignore[misc]  # PySocks has no types
    """
    A blocking socket whose `ask` has a SOCKS proxy bind a port, or connect to one.

    It notes how far it got (`hop`) and what it heard, because PySocks hides its own errors: only
    two classes ever leave `connect`. PySocks looks up what to say by `_proxy_negotiators` and sends
    any command by `_SOCKS5_request`; both names are there since 2014, and its version is pinned.
    """

    default_proxy = None  # what somebody may have set for the whole process is not for us

    def __init__(
        self,
        proxy: SocksProxy,
        family: int,
        target: str,
        keepalive: Keepalive = KEEPALIVE,
        *,
        command: int = wire.BIND,
    ) -> None:
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.hop = "connect"
        self.heard = bytearray()
        self._bindpost_proxy = proxy
        self._target = target
        self._command = command
        self._farewell = socket.SHUT_WR
        prepare(self, keepalive)

    def ask(self, sockaddr: tuple[str | int, ...], wanted: Endpoint, *, timeout: float) -> Endpoint:
        """
        Connect to the proxy and have it do what is wanted; gives the address that it did it with.

        For BIND that is the one that it has bound, for CONNECT the one that it connects from.

        Blocks; `timeout` is for each connect and receive, in seconds. Raises `socks.ProxyError`;
        `symptom` tells what of it.
        """
        proxy = self._bindpost_proxy
        kind = socks.SOCKS5 if proxy.version == 5 else socks.SOCKS4
        self.set_proxy(kind, *sockaddr[:2], username=proxy.user, password=proxy.password)
        self.settimeout(timeout)
        self.connect((wanted.host, wanted.port))
        host, port = self.proxy_sockname
        return Endpoint(wire.text(host) if isinstance(host, bytes) else host, port)

    def hang_up(self) -> None:
        """
        End an `ask` that runs in another thread; does nothing when none has begun.

        The first time politely: a proxy that works lets go of the port, then hangs up too.
        """
        how, self._farewell = self._farewell, socket.SHUT_RDWR
        with suppress(OSError):
            socket.socket.shutdown(self, how)

    def take(self) -> socket.socket:
        """Give the connection as a plain, non-blocking socket; this one is closed then."""
        return move(self)

    def symptom(self, error: OSError) -> Symptom:
        """Give what an error of `ask`, or a `TimeoutError` of its caller, means."""
        root = getattr(error, "socket_err", None) or error
        sign, code = self._sign(root)
        return Symptom(
            version=self._bindpost_proxy.version,
            hop=self._hop_of(sign),
            sign=sign,
            target=self._target,
            code=code,
            text=root.strerror or "",
            heard=bytes(self.heard),
            named=name_of(bytes(self.heard)),
        )

    def _hop_of(self, sign: Sign) -> str:
        """Give the hop that failed; all that comes of a CONNECT's request is its own."""
        if sign in (Sign.LOGIN_WANTED, Sign.NO_METHOD):
            return "auth"
        if self._command == wire.CONNECT and (sign is Sign.REPLY or self.hop == "request"):
            return REACH
        return "bind" if sign is Sign.REPLY else self.hop

    def _sign(self, root: OSError) -> tuple[Sign, int | None]:
        match root:
            case socks.SOCKS5Error() | socks.SOCKS4Error():
                return Sign.REPLY, int(str(root).partition(":")[0], 16)
            case socks.SOCKS5AuthError() if self.hop == "auth" and self._bindpost_proxy.user:
                return Sign.LOGIN_REFUSED, self.heard[-1]
            case socks.SOCKS5AuthError():
                given = bool(self._bindpost_proxy.user)
                return (Sign.NO_METHOD if given else Sign.LOGIN_WANTED), None
            case ClosedError():
                return Sign.CLOSED, None
            case socks.ProxyError():
                return Sign.INVALID, None
        return sign_of(root)

    # What PySocks calls

    def _ask5(self, host: str, port: int) -> None:
        self.hop = "greeting"
        try:
            command = bytes((self._command,))
            _, self.proxy_sockname = self._SOCKS5_request(self, command, (host, port))
        except socks.GeneralProxyError:
            self._overhear()
            raise

    def _ask4(self, host: str, port: int) -> None:
        self.hop = "request"
        user = self._bindpost_proxy.user.encode()
        request = (
            struct.pack(">BBH", 4, self._command, port) + socket.inet_aton(host) + user + b"\0"
        )
        self.sendall(request)
        with self.makefile("rb", 0) as reader:
            zero, code, bound, address = struct.unpack(">BBH4s", self._readall(reader, 8))
        if zero != 0:
            self._overhear()
            raise socks.GeneralProxyError("SOCKS4 proxy server sent invalid data")
        if code != wire.GRANTED[4]:
            raise socks.SOCKS4Error(f"{code:#04x}: {socks.SOCKS4_ERRORS.get(code, 'Unknown')}")
        self.proxy_sockname = (socket.inet_ntoa(address), bound)

    _proxy_negotiators = {socks.SOCKS5: _ask5, socks.SOCKS4: _ask4}  # noqa: RUF012 - PySocks' name

    def _readall(self, file: _Readable, count: int) -> bytes:
        """Read exactly so many bytes, as PySocks does, and note them and the hop."""
        data = b""
        while len(data) < count:
            piece = file.read(count - len(data))
            if not piece:
                raise ClosedError("closed by the proxy")
            data += piece
            self.heard += piece
        if self.hop == "greeting" and data[0] == 5:
            self.hop = _METHODS.get(data[1], "greeting")
        elif self.hop == "auth" and data == b"\x01\x00":
            self.hop = "request"
        return data

    def _overhear(self) -> None:
        """Take what else has come: it may tell what the other side is."""
        with suppress(OSError):
            socket.socket.settimeout(self, 0)
            self.heard += socket.socket.recv(self, OVERHEARD)


def prepare(sock: socket.socket, keepalive: Keepalive = KEEPALIVE) -> None:
    """Set what a connection to a proxy needs: no delay of small writes, keepalive."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle, interval, count = keepalive
    for name, value in (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPALIVE", idle),  # its name on macOS
        ("TCP_KEEPINTVL", interval),
        ("TCP_KEEPCNT", count),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
