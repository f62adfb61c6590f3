"""How patient a SOCKS bind is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Keepalive = tuple[int, int, int]
"""TCP keepalive: seconds idle, seconds between probes, probes."""
KEEPALIVE: Final[Keepalive] = (60, 15, 4)
"""
A dead proxy host is noticed after two minutes.

Without it never: nothing is sent while a bind waits. It also keeps a NAT's table from forgetting.
"""
_PROBES: Final = 4
"""As far as whole seconds between them allow."""


def keepalive_of(seconds: int) -> Keepalive:
    """Give the keepalive that asks after so many silent seconds and gives up after as many more."""
    interval = max(1, seconds // _PROBES)
    return seconds, interval, -(-seconds // interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, and how soon they are tried again, in seconds."""

    step: float = 10.0
    """Each connect and each answer."""
    total: float = 30.0
    """One attempt with everything in it; a proxy that drips its answers keeps within `step`."""
    probe: float = 1.5
    """Each look at a port that does not answer SOCKS."""
    settle: tuple[float, ...] = (0.005, 0.02, 0.1)
    """Pauses before asking once more at the start for a port that may just have been given up."""
    pauses: tuple[float, ...] = (0.002, 0.005, 0.02, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    """Pauses between attempts to bind again; the last one from then on."""
    slow: float = 5.0
    """Least pause after an answer that won't change soon."""
    patience: float = 0.5
    """A port that is still taken so long after a session is trouble, and reported."""
    linger: float = 2.0
    """How long a client may take to close after its session has ended."""
    keepalive: Keepalive = KEEPALIVE
    """How soon a bind that waits misses a proxy whose host has gone."""
