"""
The PROXY protocol's header, versions 1 and 2, as a value: read and written without I/O.

Source: "The PROXY protocol", haproxy.org, proxy-protocol.txt; the section numbers are its own.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final, Literal

from .signature import SIGNATURE
from .tlv import HeaderError, Tlv, check, read_tlvs, write_tlvs

LONGEST_V1: Final = 107
"""Bytes of version 1's line, CRLF included (2.1)."""
LONGEST_V2: Final = 4096
"""Bytes of a version 2 header that we take; the field would allow 65551."""
LONGEST_UNIX_PATH: Final = 108
"""Bytes of a Unix socket's path in version 2."""

_V1: Final = b"PROXY "
_HEAD: Final = struct.Struct(">12sBBH")
_VERSION_2: Final = 0x20
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")


class Command(IntEnum):
    """On whose behalf the connection is there."""

    LOCAL = 0
    """The proxy's own, for a health check."""
    PROXY = 1


@dataclass(frozen=True, slots=True)
class TcpRoute:
    """The peer's address and the one that it dialled, both IPv4 or both IPv6; ports 0 to 65535."""

    source: IPv4Address | IPv6Address
    source_port: int
    destination: IPv4Address | IPv6Address
    destination_port: int


@dataclass(frozen=True, slots=True)
class UnixRoute:
    """Paths of Unix sockets, 108 bytes at most; an abstract one begins with a zero byte."""

    source: bytes
    destination: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """
    What a proxy says of a connection.

    Without `route` the connection's own addresses count: version 1's UNKNOWN, version 2's LOCAL,
    and what is no stream. `tlvs` come with a route of version 2 only.
    """

    version: Literal[1, 2]
    command: Command = Command.PROXY
    route: TcpRoute | UnixRoute | None = None
    tlvs: tuple[Tlv, ...] = ()


def read(data: bytes) -> tuple[Header, int] | None:
    """
    Give the header that the data begins with, and its length in bytes; None if more is needed.

    Raises `HeaderError` when no bytes that may follow could make a header of it.
    """
    if SIGNATURE.startswith(data[: len(SIGNATURE)]):
        return _read_v2(data)
    if _V1.startswith(data[: len(_V1)]):
        return _read_v1(data)
    raise HeaderError("it begins like no header")


def loads(data: bytes) -> Header:
    """Read a header, all of it and nothing else. Raises `HeaderError`."""
    found = read(data)
    if found is None:
        raise HeaderError("it is cut off")
    header, length = found
    if length < len(data):
        raise HeaderError(f"{len(data) - length} bytes follow it")
    return header


def dumps(header: Header) -> bytes:
    """Write a header. Raises `HeaderError` for what its version can't say."""
    if header.tlvs and (header.version == 1 or header.route is None):
        raise HeaderError("pieces come with a route of version 2 only")
    if header.command is Command.LOCAL and (header.version == 1 or header.route is not None):
        raise HeaderError("LOCAL is version 2's and has no route")
    _check_route(header.route)
    return _dump_v1(header) if header.version == 1 else _dump_v2(header)


def _check_route(route: TcpRoute | UnixRoute | None) -> None:
    match route:
        case TcpRoute():
            if route.source.version != route.destination.version:
                raise HeaderError("a route has one address family")
            if not all(0 <= port <= 0xFFFF for port in (route.source_port, route.destination_port)):
                raise HeaderError("a port is from 0 to 65535")
        case UnixRoute():
            if max(len(route.source), len(route.destination)) > LONGEST_UNIX_PATH:
                raise HeaderError(f"a path has at most {LONGEST_UNIX_PATH} bytes")


# Version 1


def _read_v1(data: bytes) -> tuple[Header, int] | None:
    line, newline, _ = data[:LONGEST_V1].partition(b"\n")
    if not newline:
        if len(data) >= LONGEST_V1:
            raise HeaderError(f"no CRLF in the first {LONGEST_V1} bytes")
        return None
    if not line.endswith(b"\r"):
        raise HeaderError("a bare LF ends the line")
    fields = line.removesuffix(b"\r").split(b" ")
    match fields:
        case [_, b"UNKNOWN", *_]:  # whatever follows is ignored
            route = None
        case [_, b"TCP4", *addresses]:
            route = _tcp_route(addresses, IPv4Address)
        case [_, b"TCP6", *addresses]:
            route = _tcp_route(addresses, IPv6Address)
        case _:
            raise HeaderError("the protocol is none of TCP4, TCP6, UNKNOWN")
    return Header(version=1, route=route), len(line) + 1


def _tcp_route(fields: list[bytes], family: type[IPv4Address | IPv6Address]) -> TcpRoute:
    if len(fields) != 4:
        raise HeaderError("it has not two addresses and two ports")
    source, destination = (_address(text, family) for text in fields[:2])
    source_port, destination_port = (_port(text) for text in fields[2:])
    return TcpRoute(source, source_port, destination, destination_port)


def _address(text: bytes, family: type[IPv4Address | IPv6Address]) -> IPv4Address | IPv6Address:
    try:
        if b"%" in text:
            raise AddressValueError("a scope says nothing on another machine")
        return family(text.decode("ascii", "replace"))
    except AddressValueError:
        raise HeaderError(f"a field is no {family.__name__[:4]} address") from None


def _port(text: bytes) -> int:
    if _PORT.fullmatch(text) is None or int(text) > 0xFFFF:
        raise HeaderError("a field is no port number")
    return int(text)


def _dump_v1(header: Header) -> bytes:
    match header.route:
        case None:
            return b"PROXY UNKNOWN\r\n"
        case TcpRoute() as route:
            text = (
                f"PROXY TCP{route.source.version} {route.source} {route.destination}"
                f" {route.source_port} {route.destination_port}\r\n"
            )
            return text.encode("ascii")
    raise HeaderError("version 1 knows no Unix sockets")


# Version 2: family and protocol in one byte

_UNSPEC: Final = 0x00
_TCP4: Final = 0x11
_TCP6: Final = 0x21
_UNIX: Final = 0x31
_WITHOUT_ROUTE: Final = (_UNSPEC, 0x12, 0x22, 0x32)
"""The last three are datagrams': what a receiver doesn't support counts as UNSPEC."""
_ROUTES: Final = MappingProxyType(
    {
        _TCP4: struct.Struct(">4s4sHH"),
        _TCP6: struct.Struct(">16s16sHH"),
        _UNIX: struct.Struct(">108s108s"),
    }
)


def _read_v2(data: bytes) -> tuple[Header, int] | None:
    if len(data) < _HEAD.size:
        return None
    _, version_and_command, family, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if version_and_command & 0xF0 != _VERSION_2:
        raise HeaderError(f"version {version_and_command >> 4} is unknown")
    if version_and_command & 0x0F not in tuple(Command):
        raise HeaderError(f"command {version_and_command & 0x0F} is unknown")
    if end > LONGEST_V2:
        raise HeaderError(f"it would have {end} bytes; {LONGEST_V2} are taken")
    if len(data) < end:
        return None
    command = Command(version_and_command & 0x0F)
    if command is Command.LOCAL or family in _WITHOUT_ROUTE:
        return Header(version=2, command=command), end  # the rest is to be skipped unread
    if family not in _ROUTES:
        raise HeaderError(f"family and protocol 0x{family:02X} are unknown")
    route, tlvs = _read_block(data[:end], family)
    return Header(version=2, command=command, route=route, tlvs=tlvs), end


def _read_block(header: bytes, family: int) -> tuple[TcpRoute | UnixRoute, tuple[Tlv, ...]]:
    form = _ROUTES[family]
    start = _HEAD.size + form.size
    if len(header) < start:
        raise HeaderError("it is too short for its addresses")
    fields = form.unpack_from(header, _HEAD.size)
    tlvs = read_tlvs(header[start:])
    check(header, tlvs, start=start)
    if family == _UNIX:
        return UnixRoute(*map(_unix_path, fields)), tlvs
    kind = IPv4Address if family == _TCP4 else IPv6Address
    source, destination, source_port, destination_port = fields
    return TcpRoute(kind(source), source_port, kind(destination), destination_port), tlvs


def _unix_path(field: bytes) -> bytes:
    """Cut the padding off; an abstract path may have zeros in it, another ends at the first."""
    return field.rstrip(b"\0") if field.startswith(b"\0") else field.partition(b"\0")[0]


def _dump_v2(header: Header) -> bytes:
    match header.route:
        case None:
            family, block = _UNSPEC, b""
        case TcpRoute() as route:
            family = _TCP4 if route.source.version == 4 else _TCP6
            block = _ROUTES[family].pack(
                route.source.packed,
                route.destination.packed,
                route.source_port,
                route.destination_port,
            )
        case UnixRoute() as route:
            family, block = _UNIX, _ROUTES[_UNIX].pack(route.source, route.destination)
    block += write_tlvs(header.tlvs)
    if _HEAD.size + len(block) > LONGEST_V2:
        raise HeaderError(f"it would have more than {LONGEST_V2} bytes")
    return _HEAD.pack(SIGNATURE, _VERSION_2 | header.command, family, len(block)) + block
