"""What is asked of the SSH server: the address to listen on, and what that means for peers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

SocketName = tuple[str, int] | tuple[str, int, int, int]
"""An address as the socket module gives it, IPv6 with flow and scope."""

_WILDCARDS: Final = {"0.0.0.0", "::", "*"}  # noqa: S104 - recognised, not bound


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A request to listen (RFC 4254 7.1) on behalf of an endpoint, which is a TCP one."""

    endpoint: Endpoint

    @property
    def host(self) -> str:
        """The address as the protocol spells it: empty for all of every family."""
        return "" if self.endpoint.host == "*" else self.endpoint.host

    @property
    def is_wildcard(self) -> bool:
        """Whether every address of the SSH host is asked for."""
        return self.endpoint.host in _WILDCARDS

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on the SSH host are meant to connect."""
        host = self.endpoint.host
        return host.lower() == "localhost" or (_is_address(host) and ip_address(host).is_loopback)

    @property
    def reached_at(self) -> str:
        """An address at which programs on the SSH host would find it."""
        if not self.is_wildcard:
            return self.endpoint.host
        return "::1" if self.endpoint.host == "::" else "127.0.0.1"

    def address(self, ssh_host: str, port: int) -> Endpoint:
        """Give what peers dial: the SSH host for a wildcard, else the endpoint's own host."""
        return Endpoint(ssh_host if self.is_wildcard else self.endpoint.host, port)

    def sockname(self, ssh_address: str, port: int, peer: SocketName | None) -> SocketName:
        """Give the bound address that a peer came to, as far as it can be known here."""
        host = self.endpoint.host
        if self.is_wildcard:
            host = ssh_address
        elif host.lower() == "localhost":
            host = "::1" if peer is not None and ":" in peer[0] else "127.0.0.1"
        return socket_name(host, port) or (host, port)


def socket_name(host: str, port: int) -> SocketName | None:
    """Give a socket's name for an address and port; None if they are none."""
    if not _is_address(host) or not 0 < port <= 65535:
        return None
    return (host, port, 0, 0) if ":" in host else (host, port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
