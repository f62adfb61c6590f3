"""
Bytes of SOCKS 4, 4a and 5 as far as a bind and the stand-in need them.

Sources: RFC 1928, RFC 1929; SOCKS4 and 4a are memos without a number. The client's requests are
PySocks' business (`bindsocket`); this is the second reply, and the stand-in's half.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

CONNECT: Final = 1
BIND: Final = 2
"""The commands, in both versions."""
GRANTED: Final = {4: 0x5A, 5: 0x00}
"""The reply code that means yes, by version."""
IPV4: Final = 1
NAME: Final = 3
IPV6: Final = 4
"""Kinds of address in SOCKS5."""

Read = Callable[[int], Awaitable[bytes]]
"""Gives exactly so many bytes; raises `EOFError` when the stream ends before."""


class NotSocksError(ValueError):
    """Bytes that are no SOCKS message."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code, and the address in it if the code means yes."""

    code: int
    address: Endpoint = Endpoint()  # noqa: RUF009 - frozen


async def read_reply(version: int, read: Read) -> Reply:
    """Read one reply and not a byte more: what follows it belongs to the peer."""
    if version == 4:
        zero, code, port, host = struct.unpack(">BBH4s", await read(8))
        if zero != 0:
            raise NotSocksError(f"a SOCKS4 reply begins with 0, not {zero}")
        return Reply(code, Endpoint(socket.inet_ntoa(host), port))
    head, code, _reserved = await read(3)
    if head != 5:
        raise NotSocksError(f"a SOCKS5 reply begins with 5, not {head}")
    return Reply(code, await read_address(read)) if code == GRANTED[5] else Reply(code)


def format_reply(version: int, reply: Reply) -> bytes:
    """Give the bytes of a reply."""
    if version == 4:
        host = socket.inet_aton(reply.address.host or "0.0.0.0")  # noqa: S104 - says nothing
        return struct.pack(">BBH4s", 0, reply.code, reply.address.port, host)
    return bytes((5, reply.code, 0)) + format_address(reply.address)


async def read_address(read: Read) -> Endpoint:
    """Read kind, address and port as SOCKS5 writes them (RFC 1928, section 5)."""
    (kind,) = await read(1)
    if kind == IPV4:
        host = socket.inet_ntop(socket.AF_INET, await read(4))
    elif kind == IPV6:
        host = socket.inet_ntop(socket.AF_INET6, await read(16))
    elif kind == NAME:
        (length,) = await read(1)
        host = text(await read(length))
    else:
        raise NotSocksError(f"{kind} is no kind of address")
    (port,) = struct.unpack(">H", await read(2))
    return Endpoint(host, port)


def format_address(address: Endpoint) -> bytes:
    """Give kind, address and port; a host that is no address is written as a name."""
    port = struct.pack(">H", address.port)
    try:
        packed = ip_address(address.host or "0.0.0.0").packed  # noqa: S104 - says nothing
    except ValueError:
        name = address.host.encode("ascii")
        return bytes((NAME, len(name))) + name + port
    return bytes((IPV4 if len(packed) == 4 else IPV6,)) + packed + port


def text(data: bytes) -> str:
    """Give bytes from the network as text that can be shown."""
    return data.decode("ascii", "backslashreplace")


def peername_of(address: Endpoint) -> tuple[object, ...] | None:
    """
    Give an address as `peername` has it; None for an unspecified one, and for a name.

    Some servers put 0.0.0.0:0 into the second reply; the peer is then unknown.
    """
    try:
        parsed = ip_address(address.host)
    except ValueError:
        return None
    if parsed.is_unspecified:
        return None
    name: tuple[object, ...] = (address.host, address.port)
    return name if parsed.version == 4 else (*name, 0, 0)
