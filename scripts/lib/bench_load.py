"""Runs the generator of scripts/bench against a server, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_GENERATOR: Final = Path(__file__).with_name("bench_generator.py")


class Stream(NamedTuple):
    """Mail that comes at a rate, over so many sessions at once."""

    rate: float
    """Messages a second; 0 is a closed loop."""
    size: int
    """Bytes of each."""
    sessions: int
    each: int = 0
    """Messages of a session until another takes its place; 0 for no end."""

    def __str__(self) -> str:
        return ":".join(map(str, self))


class Latency(NamedTuple):
    """Latencies in ms from when a message was due: of half, of 99 in 100, of all."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Latency:
        """Read what the generator printed."""
        return cls(*(1000 * facts[name] for name in ("p50", "p99", "max")))


class Found(NamedTuple):
    """What the generator found of one stream."""

    brought: int
    open: Sequence[int]
    """Numbers of those that were begun and not answered: they may have been taken."""
    unanswered: int
    """Those, and those that were due and never begun."""
    rate: float
    """Answered a second, until the last was."""
    latency: Latency
    minutes: Sequence[tuple[int, Latency]]
    """Of each minute: how many were answered, and how soon."""
    late: float
    """ms that 99 in 100 were not behind by at the generator itself."""
    busy: float
    """The part of a processor that the generator took."""


def generate(port: int, seconds: float, *streams: Stream, first: int = 0) -> list[Found]:
    """Bring streams of mail for so many seconds. Ends this program when the generator fails."""
    command = [sys.executable, str(_GENERATOR), str(port), str(seconds), str(first)]
    done = subprocess.run(  # noqa: S603
        [*command, *map(str, streams)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        sys.exit("the generator failed (see above)")
    facts = json.loads(done.stdout)
    return [
        Found(
            stream["brought"],
            stream["open"],
            stream["unanswered"],
            (stream["brought"] - len(stream["open"])) / facts["seconds"],
            Latency.of(stream),
            [(minute["count"], Latency.of(minute)) for minute in stream["minutes"]],
            1000 * stream["late_p99"],
            facts["busy"],
        )
        for stream in facts["streams"]
    ]
