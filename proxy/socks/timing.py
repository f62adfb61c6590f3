"""How patient a SOCKS bind is, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """
    How long things may take and how soon they are tried again, in seconds.

    `step` bounds each connect and each answer, `total` an attempt to bind with everything in it
    (a server that drips its answers keeps within `step`). `probe` bounds each look at a port that
    doesn't answer SOCKS. `settle` are the pauses after which a port that is taken is asked for again
    at the start: it may be one that was given up a moment ago. `linger` is how long a client may take to close after its session has
    ended. `pauses` come between attempts to bind again, the last one from then on; `slow` is the
    least pause after an answer that won't change soon. A port that is still taken after a session
    is no trouble, and not reported, before `patience` is over.
    """

    step: float = 10.0
    total: float = 30.0
    probe: float = 1.5
    settle: tuple[float, ...] = (0.005, 0.02, 0.1)
    linger: float = 2.0
    pauses: tuple[float, ...] = (0.002, 0.005, 0.02, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    slow: float = 5.0
    patience: float = 0.5
