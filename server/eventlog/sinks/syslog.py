"""The syslog sink: RFC 5424 messages over UDP, TCP or a Unix socket."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from ..record import EventRecord
from .syslog_form import encode

LONGEST_DATAGRAM: Final = 2048
"""Octets: what a receiver should take (RFC 5424, 6.1); what is longer is cut."""
TIMEOUT: Final = 5.0
"""Seconds that a connection, or the sending of one message, may take."""
_PORTS: Final = {"udp": 514, "tcp": 601}
"""RFC 5426, 3.3 and the port of syslog-conn (RFC 3195), which receivers use for plain TCP."""


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """Where a syslog server listens: `host` and `port`, or the `path` of a Unix socket."""

    transport: Literal["udp", "tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `udp://HOST[:PORT]`, `tcp://HOST[:PORT]` or `unix:/path`. Raises `ValueError`."""
        parts = urlsplit(text)
        if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
            return cls("unix", path=parts.path)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise ValueError("write udp://HOST:514, tcp://HOST:601 or unix:/path")
        transport: Literal["udp", "tcp"] = "udp" if parts.scheme == "udp" else "tcp"
        return cls(transport, parts.hostname, parts.port or _PORTS[transport])


class SyslogSink:
    """
    Sends each record as one message: a datagram, or over TCP counted in octets (RFC 6587, 3.4.1).

    The connection is made when it is needed, and made anew after it has failed. TCP tells nobody
    whether what was sent has arrived: what was under way when a server died is lost.
    """

    name = "syslog"
    takes_text = True

    def __init__(self, address: SyslogAddress, *, facility: int, enterprise: int) -> None:
        self._address = address
        self._facility = facility
        self._enterprise = enterprise
        self._socket: socket.socket | None = None

    def write(self, record: EventRecord) -> None:
        """Send a record. Raises `OSError`."""
        message = encode(record, facility=self._facility, enterprise=self._enterprise)
        try:
            self._socket = self._socket or self._connect()
            if self._address.transport == "tcp":
                _see_that_it_lives(self._socket)
                self._socket.sendall(b"%d %s" % (len(message), message))
            else:
                self._socket.send(_cut(message))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        address = self._address
        if address.transport == "tcp":
            return socket.create_connection((address.host, address.port), timeout=TIMEOUT)
        if address.transport == "unix":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            return _connected(sock, address.path)
        family, kind, protocol, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_DGRAM
        )[0]
        return _connected(socket.socket(family, kind, protocol), target)


def _connected(sock: socket.socket, target: object) -> socket.socket:
    try:
        sock.settimeout(TIMEOUT)
        sock.connect(target)  # type: ignore[arg-type]  # whatever getaddrinfo gave for the family
    except BaseException:
        sock.close()
        raise
    return sock


def _see_that_it_lives(sock: socket.socket) -> None:
    """
    Raise `OSError` if the server has closed the connection.

    A syslog server says nothing, so anything to read is its end; without this look the first
    message after it would go into a dead connection unnoticed.
    """
    readable, _, _ = select.select([sock], [], [], 0)
    if readable and not sock.recv(1):
        raise ConnectionResetError("the server has closed the connection")


def _cut(message: bytes) -> bytes:
    """Cut a datagram to what receivers take, not within a character."""
    if len(message) <= LONGEST_DATAGRAM:
        return message
    return message[:LONGEST_DATAGRAM].decode("utf-8", "ignore").encode()
