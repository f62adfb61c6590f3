"""How often an address may fail to log in: a few times at once, then slowly."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST: Final = 10
"""Failures that an address may have at once."""
PAUSE: Final = 6.0
"""Seconds after which it may fail once more."""
ADDRESSES: Final = 10_000
"""Addresses that are remembered; the one that failed longest ago is forgotten first."""


class Attempts:
    """Counts the failures of each address; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()
        """When each address will have all its failures back; the latest to fail is the last."""

    def __len__(self) -> int:
        return len(self._full)

    def wait(self, address: str) -> int:
        """Give the whole seconds until an address may try again; 0 if it may now."""
        owed = self._full.get(address, 0.0) - self._clock()
        return max(0, math.ceil(owed - (BURST - 1) * PAUSE))

    def fail(self, address: str) -> None:
        """Take note of a failure."""
        now = self._clock()
        self._full[address] = max(self._full.get(address, now), now) + PAUSE
        self._full.move_to_end(address)
        while len(self._full) > ADDRESSES or next(iter(self._full.values())) <= now:
            self._full.popitem(last=False)


def address_of(client: tuple[str, int] | None) -> str:
    """Give what the failures of a client are counted under: its address, for IPv6 its /64."""
    if client is None:
        return "unix"
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
