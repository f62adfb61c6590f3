"""What a version 2 header tells beside the addresses: type, length, value, and a checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Self

LONGEST_UNIQUE_ID: Final = 128
"""Bytes; section 2.2.5."""

_HEAD: Final = struct.Struct(">BH")
_SSL_HEAD: Final = struct.Struct(">BI")
_CHECKSUM_LENGTH: Final = 4
_POLYNOMIAL: Final = 0x82F63B78
"""CRC32C's (RFC 4960, appendix B), bits reversed."""


class HeaderError(ValueError):
    """These bytes are no PROXY protocol header; `str()` says what is wrong with them."""


class Kind(IntEnum):
    """The registered types, those inside SSL too (2.2; 0x26 to 0x28: HAProxy 3.2)."""

    ALPN = 0x01
    AUTHORITY = 0x02
    CRC32C = 0x03
    NOOP = 0x04
    UNIQUE_ID = 0x05
    SSL = 0x20
    SSL_VERSION = 0x21
    SSL_CN = 0x22
    SSL_CIPHER = 0x23
    SSL_SIG_ALG = 0x24
    SSL_KEY_ALG = 0x25
    SSL_GROUP = 0x26
    SSL_SIG_SCHEME = 0x27
    SSL_CLIENT_CERT = 0x28
    NETNS = 0x30


_NAMES: Final = MappingProxyType({int(kind): kind.name for kind in Kind})


@dataclass(frozen=True, slots=True)
class Tlv:
    """One piece: its type, 0 to 255, registered (`Kind`) or not, and at most 65535 bytes."""

    kind: int
    value: bytes

    @property
    def name(self) -> str:
        """The registered name, or the number: `0xEA`."""
        return _NAMES.get(self.kind, f"0x{self.kind:02X}")

    @property
    def text(self) -> str:
        """The value as UTF-8; bytes that are none stand there as `\\xNN`."""
        return self.value.decode("utf-8", "backslashreplace")

    def dumps(self) -> bytes:
        """Give it as it is sent."""
        return _HEAD.pack(self.kind, len(self.value)) + self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssl:
    """
    What an SSL piece tells of TLS between the peer and the proxy (2.2.6).

    `client` has bits: 1 = over TLS, 2 = with a certificate in this connection, 4 = in this session.
    `verify` is 0 when the certificate was good; HAProxy says 0 when there was none, too.
    """

    client: int
    verify: int
    tlvs: tuple[Tlv, ...] = ()

    @classmethod
    def loads(cls, value: bytes) -> Self:
        """Read the value of an SSL piece. Raises `HeaderError`."""
        if len(value) < _SSL_HEAD.size:
            raise HeaderError("the SSL piece is too short")
        client, verify = _SSL_HEAD.unpack_from(value)
        return cls(client=client, verify=verify, tlvs=_split(value[_SSL_HEAD.size :]))

    def dumps(self) -> Tlv:
        """Give the piece that it makes."""
        return Tlv(Kind.SSL, _SSL_HEAD.pack(self.client, self.verify) + write_tlvs(self.tlvs))


def read_tlvs(data: bytes) -> tuple[Tlv, ...]:
    """
    Read pieces up to the end of the data; the checksum isn't compared (`check`).

    Raises `HeaderError` if one is cut off or has a value that its type doesn't allow.
    """
    found = _split(data)
    for tlv in found:
        _check_value(tlv)
    if sum(tlv.kind == Kind.CRC32C for tlv in found) > 1:
        raise HeaderError("there are several checksums")
    return found


def write_tlvs(tlvs: Iterable[Tlv]) -> bytes:
    """Give pieces as they are sent."""
    return b"".join(tlv.dumps() for tlv in tlvs)


def by_name(tlvs: Iterable[Tlv]) -> Mapping[str, str | int]:
    """
    Give what the pieces tell, by name; the first of a type counts.

    SSL becomes `SSL_CLIENT` and `SSL_VERIFY`, both numbers, and what is inside it. Padding and the
    checksum are left out.
    """
    told: dict[str, str | int] = {}
    for tlv in tlvs:
        for name, value in _told(tlv):
            told.setdefault(name, value)
    return MappingProxyType(told)


def check(header: bytes, tlvs: Iterable[Tlv], *, start: int) -> None:
    """
    Compare the checksum with the whole header, if its pieces, from `start` on, have one.

    Raises `HeaderError` (2.2.3).
    """
    at = start
    for tlv in tlvs:
        at += _HEAD.size
        if tlv.kind == Kind.CRC32C:
            end = at + _CHECKSUM_LENGTH
            blank = header[:at] + bytes(_CHECKSUM_LENGTH) + header[end:]
            if crc32c(blank).to_bytes(_CHECKSUM_LENGTH, "big") != tlv.value:
                raise HeaderError("the checksum is wrong")
        at += len(tlv.value)


def crc32c(data: bytes) -> int:
    """Give the CRC32C of some bytes: 0xE3069283 for `123456789`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _split(data: bytes) -> tuple[Tlv, ...]:
    """Cut data into pieces; the values are anything. Raises `HeaderError`."""
    found = []
    at = 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise HeaderError("the last piece is cut off")
        kind, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        tlv = Tlv(kind, data[at : at + length])
        if len(tlv.value) < length:
            raise HeaderError(f"the piece {tlv.name} is cut off")
        found.append(tlv)
        at += length
    return tuple(found)


def _told(tlv: Tlv) -> Iterator[tuple[str, str | int]]:
    if tlv.kind == Kind.SSL:
        ssl = Ssl.loads(tlv.value)
        yield "SSL_CLIENT", ssl.client
        yield "SSL_VERIFY", ssl.verify
        yield from ((inner.name, inner.text) for inner in ssl.tlvs)
    elif tlv.kind not in (Kind.NOOP, Kind.CRC32C):
        yield tlv.name, tlv.text


def _check_value(tlv: Tlv) -> None:
    match tlv.kind:
        case Kind.CRC32C if len(tlv.value) != _CHECKSUM_LENGTH:
            raise HeaderError("the checksum must have 4 bytes")
        case Kind.UNIQUE_ID if len(tlv.value) > LONGEST_UNIQUE_ID:
            raise HeaderError(f"UNIQUE_ID has more than {LONGEST_UNIQUE_ID} bytes")
        case Kind.SSL:
            Ssl.loads(tlv.value)


def _row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_row(byte) for byte in range(256))
