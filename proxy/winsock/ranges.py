"""Port lists and Local Address Tables as the Proxy Client writes them: values that know `in`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final, Self

MAXIMUM_PORT: Final = 65535
_NETMASK_START: Final = "255."


def parse_port(text: str) -> int:
    """Read a port, 0 to 65535; raises `ValueError` with a sentence."""
    text = text.strip()
    # Length first: int() of a very long digit string is itself an error in Python.
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAXIMUM_PORT):
        raise ValueError(f"{text!r} is not a port from 0 to {MAXIMUM_PORT}")
    return int(text)


@dataclass(frozen=True, slots=True)
class PortSet:
    """
    A port list, as in `ServerBindTcpPorts=0,1025-5000`: ranges with both ends included.

    Port 0 in it means a bind to any free port (Proxy Server 2.0's shipped `[icq]` section).
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read numbers and `low-high` ranges between commas; raises `ValueError`, a sentence."""
        if not text.strip():
            return cls()
        return cls(tuple(_parse_range(item) for item in text.split(",")))

    def overlap(self, other: PortSet) -> tuple[tuple[int, int], ...]:
        """Give the ranges that are in both sets."""
        pairs = [(max(a, c), min(b, d)) for a, b in self.ranges for c, d in other.ranges]
        return tuple((low, high) for low, high in pairs if low <= high)

    def all(self) -> frozenset[int]:
        """Give every port in it."""
        return frozenset(port for low, high in self.ranges for port in range(low, high + 1))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and any(low <= port <= high for low, high in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __str__(self) -> str:
        return format_ranges(self.ranges)


def format_ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    """Write ranges the way that a port list has them."""
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


NO_PORTS: Final = PortSet()
ALL_PORTS: Final = PortSet(((0, MAXIMUM_PORT),))


@dataclass(frozen=True, slots=True)
class LocalAddressTable:
    """
    The LAT: ranges of IPv4 addresses, both ends included; what is in it is local (KB Q253253).

    Loopback is always local. `known` is False when no LAT was given at all, which is not the
    same as an empty one.
    """

    ranges: tuple[tuple[IPv4Address, IPv4Address], ...] = ()
    known: bool = False

    def __contains__(self, address: object) -> bool:
        return isinstance(address, IPv4Address) and (
            address.is_loopback or any(low <= address <= high for low, high in self.ranges)
        )

    def united(self, other: LocalAddressTable) -> LocalAddressTable:
        """Give the table that holds what either holds, as MSPLAT.TXT and LOCALLAT.TXT are."""
        return LocalAddressTable(self.ranges + other.ranges, self.known or other.known)


NO_TABLE: Final = LocalAddressTable()


def parse_lat_line(line: str) -> tuple[IPv4Address, IPv4Address]:
    """Read one line of a LAT file, `low high`; raises `ValueError` with a sentence."""
    words = line.split()
    if len(words) != 2:
        raise ValueError("a line holds two IPv4 addresses, the lowest and the highest of a range")
    try:
        low, high = IPv4Address(words[0]), IPv4Address(words[1])
    except AddressValueError as error:
        raise ValueError(f"not an IPv4 address: {error}") from None
    if words[1].startswith(_NETMASK_START) and not words[0].startswith(_NETMASK_START):
        raise ValueError(f"{words[1]} is a netmask; the second column is the range's last address")
    if low > high:
        raise ValueError(f"{low} is higher than {high}")
    return low, high


def _parse_range(item: str) -> tuple[int, int]:
    low_text, dash, high_text = item.partition("-")
    low = parse_port(low_text)
    high = parse_port(high_text) if dash else low
    if low > high:
        raise ValueError(f"{item.strip()!r} is a range from high to low")
    return low, high
