"""Which path a bind takes, and by which rule: the first rule of a list that fits (pure, no I/O)."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address

from bindpost.config.endpoint import Endpoint


class Direction(StrEnum):
    """Where a bind is made."""

    LOCAL = "local"
    """On this machine; the proxy is not asked anything."""
    REMOTE = "remote"
    """On the proxy, which hands the connections over."""
    REFUSED = "refused"
    """Nowhere: the proxy should be asked, and there is none that could be; 10050 at once."""
    OPEN = "open"
    """Undecided: the proxy is greeted first, then the bind is made on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One line of a bind policy: where binds go that meet every condition, and who says so.

    `words` is the rule as a person reads it, `source` the article or section that it comes from.
    Conditions, each None or False when it does not matter: `ports` holds the endpoint's port
    (0 = any free port); `outside` does not hold the endpoint's address, which is a specific IPv4
    address, not a wildcard; `not_ipv4` says that the endpoint is something else than IPv4.
    """

    direction: Direction
    words: str
    source: str
    ports: Container[int] | None = None
    outside: Container[IPv4Address] | None = None
    not_ipv4: bool = False

    def fits(self, endpoint: Endpoint) -> bool:
        """Say whether a bind to this endpoint meets every condition of the rule."""
        if self.not_ipv4 and _is_ipv4(endpoint):
            return False
        if self.ports is not None and endpoint.port not in self.ports:
            return False
        return self.outside is None or _is_outside(endpoint, self.outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class BindPath:
    """The decision for one bind: the path that it takes and the rule that decided."""

    endpoint: Endpoint
    direction: Direction
    rule: str
    source: str

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.direction}, because {self.rule} ({self.source})"


def decide(endpoint: Endpoint, rules: Iterable[Rule]) -> BindPath:
    """
    Give the path of a bind: the first rule that fits decides, and no rule means local.

    The endpoint's host is best an address: a host name fits no rule about addresses.
    """
    for rule in rules:
        if rule.fits(endpoint):
            return BindPath(
                endpoint=endpoint, direction=rule.direction, rule=rule.words, source=rule.source
            )
    return BindPath(
        endpoint=endpoint,
        direction=Direction.LOCAL,
        rule="no rule says otherwise",
        source="bindpost",
    )


def _is_ipv4(endpoint: Endpoint) -> bool:
    """Say whether the endpoint can be IPv4: an IPv4 address or a name, which may be one."""
    return not endpoint.is_unix and ":" not in endpoint.host


def _is_outside(endpoint: Endpoint, table: Container[IPv4Address]) -> bool:
    """Say whether the endpoint is a specific IPv4 address that the table does not hold."""
    try:
        address = IPv4Address(endpoint.host)
    except AddressValueError:
        return False
    return not address.is_unspecified and address not in table
