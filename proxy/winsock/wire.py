"""
Bytes of the Winsock Proxy's control messages: offsets and the primitives that read and write them.

Marks here and in `messages.py` say how sure a statement is: [A] read in a Microsoft text, [B] read
in the two public decoders (Dante's client, Wireshark's dissector), [I] inferred, [U] unknown and
chosen here. Offsets count from 0 in the UDP payload. `sin` is Winsock's `sockaddr_in`: family u16
LE (2), port u16 BE, IPv4 address, 8 zero bytes.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import Final, NamedTuple

TAG: Final = b"RWSP"
"""What every datagram must carry [B]; perhaps Remote WinSock Protocol [I]."""
VERSION: Final = bytes((0x00, 0x01, 0x02, 0x00))
"""Protocol version of Proxy Server 2.0 over UDP [B]."""
FIRST_CLIENT_ID: Final = bytes((0x0A, 0, 0, 0))
"""Client id of the first hello; a random one follows [B]."""

KILL_OLD_SESSION: Final = b"LABK"
"""Lab convention in a BIND [U]."""
ANY_HOST: Final = "0.0.0.0"  # noqa: S104 - the wire's "any", nothing is bound
"""The address that stands for none in particular."""

MINIMUM_LENGTH: Final = 172
"""Shortest datagram, both ways; a real client rejects shorter ones [B]."""
MAXIMUM_LENGTH: Final = 2048
"""Longest datagram that is read [U]; the longest known is under 500 bytes."""
APPLICATION_LENGTH: Final = 16
"""Room for the application's name, its final NUL included [I]."""

# The part that all datagrams share.
AT_CLIENT_ID: Final = 0
AT_VERSION: Final = 4
AT_SERVER_ID: Final = 8
AT_ACK: Final = 12
AT_SEQUENCE: Final = 16
AT_TAG: Final = 24
AT_COMMAND: Final = 36
AT_APPLICATION: Final = 156
# Bodies. The same numbers mean different things in different messages.
AT_COPIED: Final = 38
AT_ONE: Final = 42
AT_BIND_ID: Final = 44
AT_SECOND_ONE: Final = 50
AT_SECOND_BIND_ID: Final = 52
AT_FIRST: Final = 56
AT_PORT: Final = 60
AT_SECOND: Final = 64
AT_INTERNAL_PORT: Final = 72
AT_EXTERNAL: Final = 74
AT_CONTROL: Final = 96
AT_LAB: Final = 172
AT_SYSTEM: Final = 172
AT_TOKEN: Final = 172
AT_NAMES: Final = 220

_FAMILY_INET: Final = 2


class CodecError(ValueError):
    """Bytes that are no Winsock Proxy message, or a value that has no bytes."""


class Address(NamedTuple):
    """An IPv4 address and a port, shaped like `socket.getpeername()`."""

    host: str
    port: int


def put_sin(buffer: bytearray, offset: int, address: Address) -> None:
    """Write a sin; raises `CodecError` or `struct.error` for what is no address."""
    struct.pack_into("<H", buffer, offset, _FAMILY_INET)
    struct.pack_into(">H", buffer, offset + 2, address.port)
    buffer[offset + 4 : offset + 8] = packed(address.host)


def get_sin(data: bytes, offset: int) -> Address:
    """Read port and address of a sin; the family is not looked at."""
    return Address(get_host(data, offset + 4), get_u16(data, offset + 2))


def get_host(data: bytes, offset: int) -> str:
    """Read an IPv4 address."""
    return str(IPv4Address(data[offset : offset + 4]))


def packed(host: str) -> bytes:
    """Give an IPv4 address as 4 bytes; raises `CodecError`."""
    try:
        return IPv4Address(host).packed
    except ValueError as error:
        raise CodecError(str(error)) from None


def get_id(data: bytes, offset: int) -> bytes:
    """Read 4 opaque bytes."""
    return bytes(data[offset : offset + 4])


def four_bytes(value: bytes) -> bytes:
    """Give the bytes back if they are 4; raises `CodecError`."""
    if len(value) != 4:
        raise CodecError(f"an id of {len(value)} bytes; it has 4")
    return value


def get_u16(data: bytes, offset: int) -> int:
    """Read a u16 in network order."""
    return data[offset] << 8 | data[offset + 1]


def get_u16_le(data: bytes, offset: int) -> int:
    """Read a u16, low byte first."""
    return data[offset + 1] << 8 | data[offset]


def with_sub_code(command: int, sub_code: int) -> int:
    """Put a sub-code into a command; raises `CodecError` when it is more than a byte."""
    if not 0 <= sub_code <= 0xFF:
        raise CodecError(f"sub-code {sub_code}; it is one byte")
    return command | sub_code


def text_bytes(text: str) -> bytes:
    """Give a string's bytes, one per character; raises `CodecError` for what has none."""
    try:
        encoded = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise CodecError(str(error)) from None
    if b"\0" in encoded:
        raise CodecError(f"{text!r} holds a NUL")
    return encoded
