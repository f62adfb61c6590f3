"""Dial: the connection to the server, direct or by PySocks through a proxy; for a worker thread."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Sequence
from typing import Final

import socks  # type: ignore[import-untyped]  # PySocks has no types

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.binding import Address
from bindpost.proxy.socks.bindsocket import prepare

from .dial_errors import HttpRefusedError, NotHttpError, explain, is_refusal
from .line import Line
from .route import Route
from .trouble import Trouble

_TYPES: Final = {
    "socks5": socks.SOCKS5,
    "socks4": socks.SOCKS4,
    "socks4a": socks.SOCKS4,
    "http": socks.HTTP,
}
HTTP_ANSWER_LIMIT: Final = 16 * 1024
"""Bytes of a proxy's answer to CONNECT."""


def dial(
    route: Route, target: str, addresses: Sequence[Address], line: Line, *, timeout: float
) -> socket.socket:
    """
    Give a blocking connection to the server, by the first of the first hop's addresses that works.

    `target` is the server's host as the first hop is to be told. `timeout` is for each step, in
    seconds; `line.stop` ends the whole. Raises `Trouble`.
    """
    line.outcome = "failed"  # until it isn't
    for number, address in enumerate(addresses, start=1):
        line.host = target if route.proxy else address.host
        is_last = number == len(addresses)
        try:
            sock = ProxySocket(address.family)
            try:
                line.hold(sock)
                prepare(sock)
                sock.settimeout(timeout if is_last else timeout / len(addresses))
                sock.open(route, target, address, line)
                line.hop, line.outcome = "server", "made"
                return sock.take(timeout)
            except BaseException:
                sock.close()
                raise
        except (OSError, socks.ProxyError) as error:
            if is_last or line.step != "connect":
                line.outcome = "refused" if is_refusal(error, line) else "failed"
                raise explain(error, route, line, address) from None
    raise Trouble("server", f"{route.first_hop} has no address", hint="check the name")


class ProxySocket(socks.socksocket):  # type: ignore[misc]  # PySocks has no types
    """
    A blocking socket that reaches a server through a proxy, or directly.

    PySocks looks up what to say to the proxy by `_proxy_negotiators`. Its own way with HTTP reads
    ahead, and swallows the banner of a server that speaks first, so HTTP has one of ours.
    """

    default_proxy = None  # what somebody may have set for the whole process is not for us

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)

    def open(self, route: Route, target: str, address: Address, line: Line) -> None:
        """Connect. Raises what PySocks raises."""
        proxy = route.proxy
        if proxy is None:
            socket.socket.settimeout(self, self.gettimeout())
            socket.socket.connect(self, address.sockaddr)
            return
        self._line = line
        self.set_proxy(
            _TYPES[proxy.scheme],
            *address.sockaddr[:2],
            username=proxy.user,
            password=proxy.password,
        )
        self.connect((target, route.server.port))

    def take(self, timeout: float) -> socket.socket:
        """Give the connection as a plain socket; this one is closed then."""
        plain = socket.socket(self.family, self.type, self.proto, fileno=self.detach())
        plain.settimeout(timeout)
        return plain

    # What PySocks calls

    def _negotiate_socks5(self, host: str, port: int) -> None:
        self._line.step = "request"
        self._negotiate_SOCKS5(host, port)

    def _negotiate_socks4(self, host: str, port: int) -> None:
        self._line.step = "request"
        self._negotiate_SOCKS4(host, port)

    def _negotiate_http(self, host: str, port: int) -> None:
        """Ask for a tunnel (RFC 9110, 9.3.6), and read exactly what answers that."""
        self._line.step = "request"
        _, _, _, _, user, password = self.proxy
        authority = Endpoint(host, port)
        request = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if user and password:
            login = b64encode(user + b":" + password).decode("ascii")
            request.append(f"Proxy-Authorization: Basic {login}")
        self.sendall("".join(f"{line}\r\n" for line in (*request, "")).encode("ascii"))
        words = self._read_answer().split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise NotHttpError(b" ".join(words))
        if not 200 <= int(words[1]) < 300:
            raise HttpRefusedError(int(words[1]), words[2] if len(words) > 2 else b"")

    _proxy_negotiators = {  # noqa: RUF012 - PySocks' name
        socks.SOCKS5: _negotiate_socks5,
        socks.SOCKS4: _negotiate_socks4,
        socks.HTTP: _negotiate_http,
    }

    def _read_answer(self) -> bytes:
        """Give the first line of an HTTP answer; the header is read to its end and no further."""
        answer = b""
        while not answer.endswith((b"\r\n\r\n", b"\n\n")):
            piece = socket.socket.recv(self, 1)
            if not piece or len(answer) > HTTP_ANSWER_LIMIT:
                raise NotHttpError(answer)
            answer += piece
        return answer.partition(b"\n")[0].strip()
