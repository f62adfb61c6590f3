"""Writes control datagrams as a capture file that Wireshark opens: classic pcap, raw IPv4, UDP."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import BinaryIO, Final

from .wire import Address, packed

LONGEST: Final = 65535 - 20 - 8
"""Bytes of the longest datagram that fits into an IPv4 packet."""
_MAGIC: Final = 0xA1B2C3D4
"""Times in microseconds; the byte order is the writer's (draft-ietf-opsawg-pcap)."""
_LINKTYPE_RAW: Final = 101
"""Packets begin with the IP header."""
_SNAPSHOT: Final = 65535
_DONT_FRAGMENT: Final = 0x4000
_TTL: Final = 64
_UDP: Final = 17


def file_header() -> bytes:
    """Give what a capture file begins with."""
    return struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPSHOT, _LINKTYPE_RAW)


def packet_record(when: float, source: Address, destination: Address, datagram: bytes) -> bytes:
    """
    Give one packet of a capture file; `when` is in seconds since 1970.

    Raises `ValueError` for a datagram that no IPv4 packet holds, or what is no IPv4 address.
    """
    packet = ipv4_packet(source, destination, datagram)
    microseconds = round(when * 1_000_000)
    seconds, fraction = divmod(microseconds, 1_000_000)
    return struct.pack("<4I", seconds, fraction, len(packet), len(packet)) + packet


def ipv4_packet(source: Address, destination: Address, datagram: bytes) -> bytes:
    """Put a datagram into UDP (RFC 768) and IPv4 (RFC 791), with the checksums of both."""
    if len(datagram) > LONGEST:
        raise ValueError(f"a datagram of {len(datagram)} bytes; {LONGEST} fit into a packet")
    addresses = packed(source.host) + packed(destination.host)
    length = 8 + len(datagram)
    udp = struct.pack(">4H", source.port, destination.port, length, 0) + datagram
    # 0 would say that there is no checksum; its other form in ones' complement says the same sum.
    checksum = _checksum(addresses + struct.pack(">2H", _UDP, length) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack(">H", checksum) + udp[8:]
    ip = struct.pack(">2B3H2BH", 0x45, 0, 20 + length, 0, _DONT_FRAGMENT, _TTL, _UDP, 0) + addresses
    return ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:] + udp


def _checksum(data: bytes) -> int:
    """Give the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Recorder:
    """
    Writes a capture file as datagrams come and go; `record` is a stand-in's tap.

    `stream` stays the caller's. Each packet is flushed, so that a reader can follow. The first
    write that fails is told to `failed`, and is the last: a full disk must not stop the proxy.
    """

    def __init__(
        self,
        stream: BinaryIO,
        *,
        failed: Callable[[OSError], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stream: BinaryIO | None = stream
        self._failed = failed
        self._clock = clock
        self._write(file_header())

    def record(
        self, _direction: object, source: Address, destination: Address, datagram: bytes
    ) -> None:
        """Write one datagram."""
        self._write(packet_record(self._clock(), source, destination, datagram))

    def _write(self, data: bytes) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            self._stream = None
            self._failed(error)
