"""What happens while a scenario runs, told as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from .result import Check, LoggedEvent, ScenarioResult, Visit

Kind = Literal["begun", "phase", "step", "event", "visit", "verdict", "ended"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that happened in a run; `words` tell it to a person.

    `begun`, `ended`: the run as a whole, also of one that is skipped. `phase`: a phase begins.
    `step`: something was started, ended or asked. `event`: the service logged one. `visit`: a peer
    dialled. `verdict`: a phase was judged, with its checks. `phase` is empty outside of one.
    """

    scenario: str
    kind: Kind
    phase: str = ""
    words: str
    event: LoggedEvent | None = None
    visit: Visit | None = None
    checks: tuple[Check, ...] = ()


Watch = Callable[[Progress, ScenarioResult], None]
"""Told of progress, with all that the run has found so far."""
