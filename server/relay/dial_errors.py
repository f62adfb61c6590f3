"""What an error of a proxy means: which hop failed, and what to do."""

from __future__ import annotations

import socket
from typing import Final

import socks  # type: ignore[import-untyped]  # PySocks has no types

from bindpost.proxy.binding import Address

from .line import Line
from .route import Route
from .trouble import Hop, Trouble, readable

_START_PROXY: Final = "see that the proxy runs, and that relay.via names it"
_START_SERVER: Final = "see that the server runs, and that relay.server names it"
_LOG_IN: Final = "correct the login in relay.via, or let the proxy admit this machine"
_ALLOW: Final = "let the proxy's rules allow the server's host and port"
_KIND: Final = "relay.via must name the kind of proxy that it is"

_SOCKS5: Final[dict[int, tuple[Hop, str]]] = {
    1: ("proxy", "see the proxy's own log; many say this too when the server cannot be reached"),
    2: ("proxy", _ALLOW),
    3: ("server", _START_SERVER),
    4: ("server", _START_SERVER),
    5: ("server", _START_SERVER),
    6: ("server", _START_SERVER),
}
"""Reply codes of RFC 1928, 6, that say more than that the proxy cannot do it."""
_REFUSED: Final = 5
"""SOCKS5's reply code "connection refused" (RFC 1928, 6)."""
_HTTP: Final[dict[int, tuple[Hop, str]]] = {
    403: ("proxy", _ALLOW + ", by CONNECT (tinyproxy: ConnectPort; squid: SSL_ports)"),
    401: ("proxy", _LOG_IN),  # tinyproxy says so, and means 407
    407: ("proxy", _LOG_IN),
    502: ("server", _START_SERVER),
    503: ("server", _START_SERVER),
    504: ("server", _START_SERVER),
}


class NotHttpError(socks.ProxyError):  # type: ignore[misc]  # PySocks has no types
    """What came is no answer of an HTTP proxy; `heard` are its first bytes."""

    def __init__(self, heard: bytes) -> None:
        self.heard = heard
        super().__init__("no HTTP answer")


class HttpRefusedError(socks.ProxyError):  # type: ignore[misc]  # PySocks has no types
    """An HTTP proxy refused to connect, with this status."""

    def __init__(self, status: int, reason: bytes) -> None:
        self.status = status
        self.reason = readable(reason)
        super().__init__(f"{status} {self.reason}")


def explain(error: OSError, route: Route, line: Line, address: Address) -> Trouble:
    """
    Say what an error of connecting means; everything here is worth another attempt.

    PySocks wraps what it raises: the original is in `socket_err`.
    """
    root = getattr(error, "socket_err", None) or error
    hint = _START_PROXY if line.hop == "proxy" else _START_SERVER
    place = _place(route, line.hop, address)
    if line.step == "connect":
        return Trouble(line.hop, f"connecting to {place}: {_reason(root)}", hint=hint)
    asked = f"{place}, asked for {route.server}"
    match root:
        case socks.SOCKS5Error():
            code = _code(root)
            hop, hint = _SOCKS5.get(code, ("proxy", _KIND))
            return Trouble(hop, f"{asked}: {_meaning(root)}", hint=hint)
        case socks.SOCKS4Error():
            # SOCKS4 has one code for whatever went wrong, the server's silence included.
            return Trouble("proxy", f"{asked}: {_meaning(root)}", hint=_SOCKS5[1][1])
        case socks.SOCKS5AuthError():
            return Trouble("proxy", f"{asked}: the login was refused", hint=_LOG_IN)
        case HttpRefusedError():
            hop, hint = _HTTP.get(root.status, ("proxy", "see the proxy's own log"))
            return Trouble(hop, f"{asked}: {root}", hint=hint)
        case NotHttpError() if root.heard:
            return Trouble("proxy", f'{asked}: no HTTP: "{readable(root.heard)}"', hint=_KIND)
        case socks.ProxyError() if "invalid" in str(root):
            return Trouble("proxy", f"{asked}: what came is no SOCKS", hint=_KIND)
        case socks.ProxyError():
            return Trouble("proxy", f"{asked}: closed without an answer", hint=_KIND)
    return Trouble("proxy", f"{asked}: {_reason(root)}", hint=hint)


def is_refusal(error: OSError, line: Line) -> bool:
    """Say whether it was the server that refused the connection; a proxy may tell us so."""
    match getattr(error, "socket_err", None) or error:
        case socks.SOCKS5Error() as told:
            return _code(told) == _REFUSED
        case ConnectionRefusedError():
            return line.hop == "server"
    return False


def _place(route: Route, hop: Hop, address: Address) -> str:
    """Name the first hop, with the address of a host that is a name."""
    name = f"proxy {route.via}" if hop == "proxy" else f"server {route.server}"
    is_same = address.host == route.first_hop.host
    return name if is_same else f"{name} ({address.host})"


def _code(error: OSError) -> int:
    """Give the reply code, which PySocks has in its text only: `0x02: Connection not ...`."""
    return int(str(error).partition(":")[0], 16)


def _meaning(error: OSError) -> str:
    code, _, text = str(error).partition(": ")
    return f"{text.lower()} ({code})"


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return f"the name is unknown ({error.strerror})"
    return error.strerror or str(error) or type(error).__name__
