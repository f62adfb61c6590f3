"""The JSON objects of lab scenarios: what they are, how their last run stands, what it found."""

from __future__ import annotations

from typing import Literal

import msgspec

from bindpost.config.scenario import Expect

from ..findings.progress import Progress
from ..findings.result import ScenarioResult
from .responses import Moment

State = Literal["idle", "running", "held", "failed", "skipped", "stopped"]
"""How the last run stands; `idle` when there is none."""


class PhaseTitle(msgspec.Struct, frozen=True, kw_only=True):
    """A phase in short; `kind` is healthy, fault or cure."""

    name: str
    title: str
    kind: str


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """
    A scenario, and how its last run stands; docs/api.md tells each key.

    `obstacle` says why it can't be run on this machine, empty if it can. `since` is when the run
    began, or when it ended.
    """

    name: str
    title: str
    articles: tuple[str, ...]
    cause: str
    phases: list[PhaseTitle]
    obstacle: str
    state: State
    since: Moment | None


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """
    A phase as the scenario has it.

    `servers` says what runs on each machine, `expect` what must be observed, `expected` the same in
    words.
    """

    name: str
    title: str
    kind: str
    words: str
    servers: tuple[str, ...]
    expect: Expect
    expected: list[str]


class Told(Progress, frozen=True, kw_only=True):
    """Something that happened in a run; `sequence` is its cursor in the stream."""

    sequence: int
    when: Moment


class WholeScenario(Scenario, frozen=True, kw_only=True):
    """
    A scenario with its story, and what its last run found.

    `result` is None without a run; of one that is under way it has what was found so far.
    `progress` tells of a run since the server started. `report` is the path of its report, None
    without one.
    """

    story: str
    plan: list[Phase]
    result: ScenarioResult | None
    progress: list[Told]
    report: str | None


class Scenarios(msgspec.Struct, frozen=True, kw_only=True):
    """All scenarios; `refusal` says why this client may run none, empty if it may."""

    scenarios: list[Scenario]
    refusal: str
