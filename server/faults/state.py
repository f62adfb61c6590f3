"""A rule with what it remembers: how often it was met, how often it fired, whom it has seen."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, final

from bindpost.config.fault import Fault, octets_of, seconds_of

from .condition import Condition
from .facts import Facts

REMEMBERED: Final = 10_000
"""Clients, and triples of greylisting, that a rule remembers; the oldest are forgotten."""
Origin = Literal["file", "api", "chaos", "jim"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule that fired: when, which, on whom. `number` counts all firings of the app."""

    number: int
    when: datetime
    name: str
    stage: str
    action: str
    listener: str
    peer: str
    sender: str | None
    recipients: tuple[str, ...]
    session: str


@final
class Armed:
    """
    A rule in force. Raises `ValueError` with a sentence for a pattern that is none.

    Times are monotonic, in seconds. `met` counts how often its conditions held, `fired` how often
    it struck. What chance decides comes from a generator of its own, begun with its seed.
    """

    def __init__(self, fault: Fault, *, now: float, origin: Origin = "api") -> None:
        self.fault = fault
        self.origin: Origin = origin
        self.ends = now + fault.expires if fault.expires else float("inf")
        self._condition = Condition(fault.when)
        self.reset()

    def reset(self) -> None:
        """Begin to count, to throw dice and to remember from the start."""
        self.met = 0
        self.fired = 0
        self._dice = random.Random(self.fault.seed)  # noqa: S311 - to be foreseen is the point
        self._seen: OrderedDict[object, float] = OrderedDict()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def strikes(self, facts: Facts, now: float) -> bool:
        """Say whether it strikes now, and take note that it was asked."""
        fault = self.fault
        if fault.count and self.fired >= fault.count:
            return False
        if fault.stage == "idle" and seconds_of(fault) != facts.idle:
            return False
        if fault.stage == "in-data" and octets_of(fault) != facts.came:
            return False
        if not self._condition.holds(facts):
            return False
        self.met += 1
        if fault.nth and self.met != fault.nth:
            return False
        if fault.every and self.met % fault.every:
            return False
        if fault.probability < 1 and self._dice.random() >= fault.probability:
            return False
        if not self._is_due(facts, now):
            return False
        self.fired += 1
        return True

    def _is_due(self, facts: Facts, now: float) -> bool:
        if self.fault.action == "greylist":
            return self._is_grey(facts, now)
        if self.fault.action == "rate-limit":
            return self._is_too_much(facts.peer, now)
        return True

    def _is_grey(self, facts: Facts, now: float) -> bool:
        triple = (facts.peer, facts.sender, facts.recipients)
        first = self._seen.setdefault(triple, now)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return now - first < seconds_of(self.fault)

    def _is_too_much(self, peer: str, now: float) -> bool:
        times = self._times.setdefault(peer, deque())
        self._times.move_to_end(peer)
        while len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        while times and now - times[0] >= seconds_of(self.fault):
            times.popleft()
        if len(times) >= self.fault.limit:
            return True
        times.append(now)
        return False
