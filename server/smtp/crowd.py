"""Crowd: how many sessions each address has, and how often it comes."""

from __future__ import annotations

import functools
import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from bindpost.config.model import Limits
from bindpost.errors import ConfigError

from .policy import address_of

MINUTE: Final = 60.0
"""Seconds for which connections are counted; then all begin anew."""
_INTERFACE_BITS: Final = 64
"""Bits of an IPv6 address that a machine may choose for itself (RFC 4291, 2.5.1)."""
_REMEMBERED: Final = 4096
"""Addresses of which is known where they belong."""

Place = tuple[int, int]
"""A version of IP, and an address or network of it."""


class Crowd:
    """
    Counts the sessions and the connections of each address; exempt ones are never counted.

    An IPv6 address counts with all of its /64. What is remembered is bounded by the sessions that
    live, and by the connections of a minute. Raises `ConfigError` for a network that is none.
    """

    def __init__(self, limits: Limits, *, now: Callable[[], float] = time.monotonic) -> None:
        self._most_sessions = limits.sessions_per_address
        self._most_connections = limits.connections_per_minute
        self._exempt = tuple(_networks(limits.exempt))
        self._place_of = functools.lru_cache(maxsize=_REMEMBERED)(self._find_place)
        self._sessions: Counter[Place] = Counter()
        self._came: Counter[Place] = Counter()
        self._now = now
        self._minute_ends = 0.0

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._sessions.keys() | self._came.keys())

    def enter(self, host: str | None) -> str:
        """Count a session in; gives why there is no room for it, empty if there is."""
        place = self._place_of(host)
        if place is None:
            return ""
        self._sessions[place] += 1
        self._begin_minute()
        self._came[place] += 1
        if 0 < self._most_sessions < self._sessions[place]:
            return "too many sessions of its address"
        if 0 < self._most_connections < self._came[place]:
            return "too many connections of its address in a minute"
        return ""

    def _begin_minute(self) -> None:
        """Count connections anew when a minute is over."""
        now = self._now()
        if now >= self._minute_ends:
            self._came.clear()
            self._minute_ends = now + MINUTE

    def leave(self, host: str | None) -> None:
        """Count a session out that was counted in."""
        place = self._place_of(host)
        if place is None:
            return
        self._sessions[place] -= 1
        if not self._sessions[place]:
            del self._sessions[place]

    def _find_place(self, host: str | None) -> Place | None:
        """Give what an address counts as, None if it isn't counted."""
        address = address_of(host)
        if address is None or any(address in network for network in self._exempt):
            return None
        if isinstance(address, ipaddress.IPv6Address):
            return (6, int(address) >> _INTERFACE_BITS)
        return (4, int(address))


def _networks(texts: Iterable[str]) -> Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in texts:
        try:
            yield ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                "limits.exempt", str(error), hint="write an address or a network, as 192.0.2.0/24"
            ) from error
