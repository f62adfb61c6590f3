"""Policy: who may connect, relay and log in. Pure decisions, by IMS's own rules."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Self

from bindpost.config.model import Ims
from bindpost.errors import ConfigError

from .grammar import domain_of

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RelayFlags(IntFlag):
    """Bits of the registry value RelayFlags (KB Q193922)."""

    DENY_LIST = 1
    ALLOW_LIST = 2
    LOCAL_IP_LIST = 4
    AUTHENTICATED = 8


@dataclass(frozen=True, slots=True)
class Net:
    """One row `NET` or `NET;MASK`: it matches when (address AND mask) = net (KB Q193922)."""

    version: int
    net: int
    mask: int

    @classmethod
    def parse(cls, row: str) -> Self:
        """Read a row; the default mask is all ones. Raises `ValueError`."""
        net_text, _, mask_text = row.partition(";")
        net = ipaddress.ip_address(net_text.strip())
        all_ones = type(net)((1 << net.max_prefixlen) - 1)
        mask = ipaddress.ip_address(mask_text.strip()) if mask_text else all_ones
        if mask.version != net.version:
            raise ValueError("its net and its mask are of two address families")
        return cls(net.version, int(net), int(mask))

    def matches(self, address: Address) -> bool:
        """Tell whether an address is in the row."""
        return address.version == self.version and int(address) & self.mask == self.net

    @property
    def specificity(self) -> int:
        """How many bits of the address the row fixes."""
        return self.mask.bit_count()


def parse_rows(key: str, rows: Iterable[str]) -> tuple[Net, ...]:
    """Read the rows of a setting. Raises `ConfigError` that names the row."""
    nets = []
    for row in rows:
        try:
            nets.append(Net.parse(row))
        except ValueError as error:
            raise ConfigError(
                key, f"{row!r}: {error}", hint="write NET or NET;MASK, as 10.0.0.0;255.0.0.0"
            ) from error
    return tuple(nets)


@functools.lru_cache(maxsize=1024)
def address_of(host: str | None) -> Address | None:
    """Give a peer's address, an IPv4-mapped one as IPv4; None for a name, a socket, the unknown."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one service, read from the settings once."""

    ims: Ims
    accept: tuple[Net, ...]
    reject: tuple[Net, ...]
    relay_deny: tuple[Net, ...]
    relay_allow: tuple[Net, ...]
    relay_local_ip: tuple[Net, ...]
    free_domains: frozenset[str]
    """Domains that relay rules don't apply to: local ones and override domains."""

    @classmethod
    def from_settings(cls, ims: Ims) -> Self:
        """Read the rules. Raises `ConfigError`."""
        return cls(
            ims=ims,
            accept=parse_rows("ims.AcceptHosts", ims.accept_hosts),
            reject=parse_rows("ims.RejectHosts", ims.reject_hosts),
            relay_deny=parse_rows("ims.RelayDenyList", ims.relay_deny_list),
            relay_allow=parse_rows("ims.RelayAllowList", ims.relay_allow_list),
            relay_local_ip=parse_rows("ims.RelayLocalIPList", ims.relay_local_ip_list),
            free_domains=frozenset(
                domain.lower().lstrip("@")
                for domain in (*ims.local_domains, *ims.relay_override_domains)
            ),
        )

    def admits(self, peer: Address | None) -> bool:
        """
        Tell whether a host may connect: the more specific row wins, accept on a tie (KB Q155920).

        A peer without an address (a Unix socket) is always admitted.
        """
        if peer is None:
            return True
        rejected = _best(self.reject, peer)
        accepted = _best(self.accept, peer)
        return rejected is None or (accepted is not None and accepted >= rejected)

    def may_relay(
        self, recipient: str, *, peer: Address | None, local: Address | None, authenticated: bool
    ) -> bool:
        """
        Tell whether a recipient is taken, in the order of KB Q193922.

        RelayFlags 0 takes every recipient: this is a test listener.
        """
        flags = self.ims.relay_flags
        if not flags:
            return True
        domain = domain_of(recipient)
        if not domain or domain in self.free_domains:
            return True
        if flags & RelayFlags.DENY_LIST and _in(self.relay_deny, peer):
            return False
        if flags & RelayFlags.ALLOW_LIST and _in(self.relay_allow, peer):
            return True
        if flags & RelayFlags.LOCAL_IP_LIST and _in(self.relay_local_ip, local):
            return True
        if flags & RelayFlags.AUTHENTICATED and authenticated:
            return True
        return flags == RelayFlags.DENY_LIST


def _in(rows: Iterable[Net], address: Address | None) -> bool:
    return address is not None and any(row.matches(address) for row in rows)


def _best(rows: Iterable[Net], address: Address) -> int | None:
    """Give the specificity of the most specific matching row, None if none matches."""
    return max((row.specificity for row in rows if row.matches(address)), default=None)


LISTENING_MODES: Final = frozenset({"Inbound & Outbound", "Inbound Only"})
"""Transfer modes in which IMS listens (SP1 help, xog05006)."""
