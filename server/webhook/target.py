"""
Target: where a webhook's URL leads, and whether a request may go there.

The danger is a name that suddenly means an address inside (SSRF by DNS rebinding): a webhook for a
public service would then speak to a private one. So each address that the name resolves to is
judged, and the connection goes to that very address.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, Self
from urllib.parse import urlsplit

_FORM: Final = "write http://HOST[:PORT]/PATH or https://..."
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_PATH: Final = re.compile(r"[!-~]*")
_PORTS: Final = {"http": 80, "https": 443}

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A URL taken apart.

    `context` is what TLS trusts, for https. `networks` are the addresses, beside public ones,
    that it may lead to.
    """

    scheme: str
    host: str
    port: int
    path: str
    context: ssl.SSLContext | None = None
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, url: str, *, networks: tuple[Network, ...] = ()) -> Self:
        """Read a URL. Raises `ValueError` with a sentence."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"is no URL ({error}); {_FORM}") from None
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0:
            raise ValueError(f"is no URL of a server; {_FORM}")
        if "@" in parts.netloc:
            raise ValueError("has a name or password in it; the receiver knows us by the signature")
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        if parts.fragment or not _PATH.fullmatch(path):
            raise ValueError("has a #fragment, or something that isn't ASCII; write it as %XX")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or _PORTS[parts.scheme],
            path=path,
            networks=networks,
        )

    @property
    def authority(self) -> str:
        """Host and port as the field `Host` has them; the port is left out where it is usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Where it leads; the path is left out, since many services have a secret in it."""
        return f"{self.scheme}://{self.authority}"

    def allows(self, address: str) -> bool:
        """
        Say whether a request may go to an address that the host has.

        Public ones may be, and those of `networks`; those of loopback if the host says so itself:
        `localhost`, `127.0.0.1`.
        """
        found = _plain(ip_address(address))
        if any(found in network for network in self.networks):
            return True
        if found.is_loopback:
            return self._is_loopback
        return found.is_global and not found.is_multicast

    @property
    def _is_loopback(self) -> bool:
        try:
            return _plain(ip_address(self.host)).is_loopback
        except ValueError:
            name = self.host.lower().removesuffix(".")
            return name == "localhost" or name.endswith(".localhost")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks. Raises `ValueError` with a sentence."""
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f'"{text}" is no address and no network') from None
    return tuple(networks)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give an IPv4 address for one that IPv6 only carries."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
