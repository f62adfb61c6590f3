"""
Places: which addresses a request may go to.

What is asked may come from a mail, and what a name means comes from its owner's DNS. So nothing
private is asked unless somebody has named it: this machine, its networks, the metadata service of a
cloud. An address that carries another one is judged by that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # carriers' inside (RFC 6598)
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "168.63.129.16/32",  # Azure's own services, on a public address
        "::/96",  # IPv4-compatible (RFC 4291, 2.5.5.1)
        "64:ff9b:1::/48",  # NAT64 inside a network (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380)
        "2002::/16",  # 6to4 (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fec0::/10",  # site-local (RFC 3879)
    )
)
"""What Python's `is_global` doesn't know of, or not in every version."""
_NAT64: Final = ip_network("64:ff9b::/96")
_ISATAP: Final = 0x5EFE
"""The middle of an interface's id that has an IPv4 address behind it (RFC 5214, 6.1)."""


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public network, whatever it is written as."""
    carried = _carried(address)
    if carried is not None and not is_public(carried):
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return True  # it was judged by what it carries
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _REFUSED)


def plain(text: str) -> Address:
    """Read an address; give the IPv4 address for one that IPv6 only carries."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def may_be_asked(text: str, networks: Iterable[Network]) -> bool:
    """Say whether a request may go to this address: it is public, or in one of these networks."""
    address = plain(text)
    return any(address in network for network in networks) or is_public(address)


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks. Raises `ValueError` with a sentence."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f'"{text}" is no address and no network') from None
    return tuple(networks)


def _carried(address: Address) -> IPv4Address | None:
    """Give the IPv4 address inside an IPv6 one, where that is where the packets come out."""
    if isinstance(address, IPv4Address):
        return None
    number = int(address)
    if address.ipv4_mapped is not None or address in _NAT64:
        return IPv4Address(number & 0xFFFFFFFF)
    if number >> 32 & 0xFFFF == _ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None
