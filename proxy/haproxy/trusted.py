"""Who may say who the client is, by a PROXY protocol header or by XCLIENT: it may claim anybody."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, final

from bindpost.errors import ConfigError

KEY: Final = "listener.proxy_trusted"
"""The setting that an error names."""


@final
class TrustedSenders:
    """
    A list of addresses and networks: `127.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`.

    `key` is the setting that it is from. Raises `ConfigError` for an entry that is neither, and for
    an empty list: nobody could connect.
    """

    def __init__(self, entries: Sequence[str], *, key: str = KEY) -> None:
        if not entries:
            raise ConfigError(
                key,
                "no sender is trusted, so nobody could connect",
                hint="name the addresses of the load balancers",
            )
        try:
            self._networks = tuple(ip_network(entry.strip()) for entry in entries)
        except ValueError as error:
            raise ConfigError(
                key, str(error), hint="write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
            ) from None

    def trust(self, peername: object) -> bool:
        """
        Say whether a connection's peer is on the list.

        A Unix socket's is always: who may connect to it is for the file's mode to say. A peer that
        isn't known (None), or only by a name, never is.
        """
        if isinstance(peername, str | bytes):
            return True
        if not isinstance(peername, tuple):
            return False
        try:
            address = plain_address(ip_address(str(peername[0])))
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def __str__(self) -> str:
        return ", ".join(
            str(net.network_address if net.num_addresses == 1 else net) for net in self._networks
        )


def plain_address(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that an IPv6 one stands for on a socket of both kinds, else itself."""
    return (address.ipv4_mapped or address) if address.version == 6 else address
