"""What a run found: for the table, `--json`, the report, the evidence, the API and its page."""

from __future__ import annotations

from typing import Any, Literal, Self

import msgspec

from bindpost.config.scenario import Scenario

Outcome = Literal["running", "held", "failed", "skipped", "stopped"]
"""What became of a run; `running` is one that was looked at while it went on."""


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a result."""


class Check(_Value, frozen=True, kw_only=True):
    """One expectation beside what was observed."""

    what: str
    expected: str
    observed: str
    held: bool


class LoggedEvent(_Value, frozen=True, kw_only=True):
    """An event of the catalogue as it was logged."""

    time: str
    source: str
    id: int
    level: str
    category: str
    computer: str
    message: str
    strings: tuple[str, ...] = ()
    fields: dict[str, Any] = {}


class WalkedHop(_Value, frozen=True, kw_only=True):
    """A hop of the bind path as `bindpost check` walked it; see `bindpost.proxy.provider.Hop`."""

    name: str
    target: str
    ok: bool | None
    detail: str
    milliseconds: float = 0.0
    code: int | None = None
    hint: str = ""


class Visit(_Value, frozen=True, kw_only=True):
    """One peer's attempt: who dialled what, and what it got."""

    role: str
    here: str
    there: str
    reached: str
    banner: str = ""
    transcript: tuple[str, ...] = ()


class PhaseResult(_Value, frozen=True, kw_only=True):
    """A phase: what ran, what was seen, and each expectation's verdict."""

    name: str
    title: str
    kind: str
    words: str
    folder: str
    servers: tuple[str, ...] = ()
    """What ran on each machine: `proxy: a Winsock Proxy`."""
    files: dict[str, str] = {}
    via: str = ""
    hops: tuple[WalkedHop, ...] = ()
    events: tuple[LoggedEvent, ...] = ()
    visits: tuple[Visit, ...] = ()
    checks: tuple[Check, ...] = ()
    trouble: str = ""
    """Why it could not be gone through, if it couldn't."""

    @property
    def held(self) -> bool:
        """Whether every expectation was met."""
        return not self.trouble and all(check.held for check in self.checks)


class ScenarioResult(_Value, frozen=True, kw_only=True):
    """A scenario: held when each of its phases was gone through and held."""

    name: str
    title: str
    outcome: Outcome
    reason: str = ""
    """Why it was skipped, or ended before its time."""
    articles: tuple[str, ...] = ()
    cause: str = ""
    story: str = ""
    seconds: float = 0.0
    machines: dict[str, str] = {}
    substitutes: tuple[str, ...] = ()
    """Which stand-ins took the place of programs that are not installed."""
    phases: tuple[PhaseResult, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, **found: Any) -> Self:  # Any: the fields above
        """Give a scenario's result: what its file tells, and what was found."""
        return cls(
            title=scenario.title,
            articles=scenario.articles,
            cause=scenario.cause,
            story=scenario.story.strip(),
            **found,
        )
