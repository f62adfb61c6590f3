"""Reads the PROXY protocol header of a connection, then gives the connection to its protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, cast, final

from bindpost.config.endpoint import Endpoint
from bindpost.log import get_logger

from ..feeding import feed
from ..provider import ProtocolFactory
from ..tls import inside_tls
from ..transport import ProxiedTransport
from .codec import Header, TcpRoute, UnixRoute, read
from .matrix import ROWS
from .tlv import HeaderError, by_name
from .trusted import TrustedSenders, plain_address

_LOG: Final = get_logger("bindpost.proxy.haproxy")
_SHOWN: Final = 40
"""Bytes of what came instead of a header that the log shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What holds for all connections of a listener. `timeout` is in seconds, for a whole header."""

    listener: str
    via: str
    trusted: TrustedSenders
    timeout: float
    tls: ssl.SSLContext | None


@final
class HeaderReceiver(asyncio.Protocol):
    """
    Stands in for the real protocol until the header has come, then steps out of the way.

    The protocol gets a transport that tells the real peer and, in this order, `connection_made` and
    what came right behind the header. With `gate.tls` a TLS handshake stands between the header and
    all that. A connection whose header is missing, late or bad, or whose sender isn't trusted, is
    closed with one warning, and no protocol is ever made for it. `waiting` holds the receivers that
    still wait.
    """

    def __init__(
        self, protocol_factory: ProtocolFactory, gate: Gate, waiting: set[HeaderReceiver]
    ) -> None:
        self._protocol_factory = protocol_factory
        self._gate = gate
        self._waiting = waiting
        self._data = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, unless the sender isn't trusted."""
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._gate.timeout, self._on_timeout)
        self._waiting.add(self)
        if not self._gate.trusted.trust(transport.get_extra_info("peername")):
            self._refuse("untrusted")

    def data_received(self, data: bytes) -> None:
        """Go on with the header; when it is complete, hand the connection over."""
        if self not in self._waiting:
            return
        self._data += data
        try:
            found = read(self._data)
        except HeaderError as error:
            self._refuse("none", problem=error)
            return
        if found is not None:
            header, length = found
            self._step_aside()
            self._hand_over(header, self._data[length:])

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of a connection that ended before its header did."""
        if self in self._waiting:
            self._refuse("cut-off" if self._data else "left", error=f" ({exc})" if exc else "")

    def stop(self) -> None:
        """Close a connection that still waits for its header."""
        self._step_aside()
        self._transport.close()

    def _on_timeout(self) -> None:
        self._refuse("late" if self._data else "silent", seconds=f"{self._gate.timeout:g}")

    def _refuse(self, key: str, **facts: object) -> None:
        row = ROWS[key]
        _LOG.warning(
            "a connection without a usable PROXY protocol header was closed",
            listener=self._gate.listener,
            sender=_shown_name(self._transport.get_extra_info("peername")),
            reason=row.reason.format(**facts),
            received=_shown_bytes(self._data),
            hint=row.hint,
        )
        self.stop()

    def _step_aside(self) -> None:
        self._timer.cancel()
        self._waiting.discard(self)

    def _hand_over(self, header: Header, behind: bytes) -> None:
        protocol = inside_tls(self._protocol_factory(), self._gate.tls)
        facts = {"via": self._gate.via, "proxy_tlvs": by_name(header.tlvs), **_names(header.route)}
        BegunTransport(self._transport, facts).begin(protocol, behind)


class BegunTransport(ProxiedTransport):
    """A proxied transport some of whose data has come already: that is given before all other."""

    _behind = b""
    _paused = False

    def begin(self, protocol: asyncio.BaseProtocol, behind: bytes) -> None:
        """Make the protocol the one that is told what happens, beginning with the connection."""
        self._behind = behind
        self.set_protocol(protocol)
        protocol.connection_made(self)
        if not self._paused:
            self._give()

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        self._paused = True
        super().pause_reading()

    def resume_reading(self) -> None:
        """Receive again, what has come already first; the protocol may pause anew meanwhile."""
        self._paused = False
        self._give()
        if not self._paused:
            super().resume_reading()

    def _give(self) -> None:
        behind, self._behind = self._behind, b""
        if not self.is_closing():
            feed(self.get_protocol, behind)


def _names(route: TcpRoute | UnixRoute | None) -> Mapping[str, object]:
    """Give both ends' names as sockets have them; nothing where the connection's own count."""
    match route:
        case TcpRoute():
            return {
                "peername": _socket_name(route.source, route.source_port),
                "sockname": _socket_name(route.destination, route.destination_port),
            }
        case UnixRoute():
            return {
                "peername": route.source.decode("utf-8", "surrogateescape"),
                "sockname": route.destination.decode("utf-8", "surrogateescape"),
            }
    return {}


def _socket_name(address: IPv4Address | IPv6Address, port: int) -> tuple[str | int, ...]:
    # HAProxy writes both ends as IPv6 where one of them is.
    address = plain_address(address)
    return (str(address), port) if address.version == 4 else (str(address), port, 0, 0)


def _shown_name(name: object) -> str:
    if isinstance(name, tuple):
        return str(Endpoint(*name[:2]))
    return "a local socket" if isinstance(name, str | bytes) else "unknown"


def _shown_bytes(data: bytes) -> str:
    shown = data[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"{shown}..." if len(data) > _SHOWN else shown or "nothing"
