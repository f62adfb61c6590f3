"""Holds what was observed against what a phase expects; decides, and touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bindpost.config.scenario import NOT_ASKED, RUNS, Expect, ExpectedEvent, Role
from bindpost.config.scenario_file import fill

from ..findings.result import Check, LoggedEvent, Visit

ROLES: Final[Mapping[Role, str]] = {
    "exchange": "from the machine itself",
    "proxy": "from the proxy",
    "internet": "from outside",
}
"""Who dials, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """
    What a phase showed.

    `exit` is None while the service runs. `foretold` is the code that `bindpost check` gave, 0 for
    none, None if it was not asked. `stopped` is the exit status after SIGTERM, None if it was left
    running.
    """

    exit: int | None
    stopped: int | None = None
    foretold: int | None = None
    events: Sequence[LoggedEvent]
    visits: Sequence[Visit]


def judge(expect: Expect, seen: Observed, values: Mapping[str, str]) -> tuple[Check, ...]:
    """Give a check for each expectation; `values` are the scenario's variables."""
    return tuple(_checks(expect, seen, values))


def find(
    expected: Sequence[ExpectedEvent], events: Sequence[LoggedEvent], values: Mapping[str, str]
) -> list[LoggedEvent | None]:
    """Give the event that meets each expectation, in order; None for one that hasn't come."""
    found: list[LoggedEvent | None] = []
    at = 0
    for wanted in expected:
        here = [n for n in range(at, len(events)) if _is(events[n], wanted, values)]
        found.append(events[here[0]] if here else None)
        at = here[0] + 1 if here else at
    return found


def _checks(expect: Expect, seen: Observed, values: Mapping[str, str]) -> Iterator[Check]:
    if expect.check != NOT_ASKED:
        yield _check("bindpost check foretells", in_words(expect.check), in_words(seen.foretold))
    yield _check(
        "service", _status(None if expect.exit == RUNS else expect.exit), _status(seen.exit)
    )
    yield from _event_checks(expect, seen, values)
    visits = {visit.role: visit for visit in seen.visits}
    for role, words in ROLES.items():
        wanted = getattr(expect.reach, role)
        if wanted != "untried":
            yield _check(
                words, wanted, visits[role].reached if role in visits else "nobody dialled"
            )
    if seen.stopped is not None:
        yield _check("service, asked to stop", _status(0), _status(seen.stopped))


def _event_checks(expect: Expect, seen: Observed, values: Mapping[str, str]) -> Iterator[Check]:
    found = find(expect.event, seen.events, values)
    for wanted, event in zip(expect.event, found, strict=True):
        came = any(_is(other, wanted, values) for other in seen.events)
        missing = "came too early" if came else "did not come"
        if event is None and wanted.optional:
            continue
        yield Check(
            what=f"event {wanted.id}",
            expected=_wanted(wanted, values),
            observed=missing if event is None else _event(event, wanted.fields),
            held=event is not None,
        )
    for event in seen.events:
        if event.level == "Error" and not any(_is(event, w, values) for w in expect.event):
            yield Check(
                what=f"event {event.id}",
                expected="no other error",
                observed=_event(event, {}),
                held=False,
            )


def _is(event: LoggedEvent, wanted: ExpectedEvent, values: Mapping[str, str]) -> bool:
    strings = tuple(fill(text, values) for text in wanted.strings)
    return (
        (event.source, event.id) == (wanted.source, wanted.id)
        and (not strings or event.strings == strings)
        and all(
            any(fill(text, values) in str(event.fields.get(name, "")) for text in texts)
            for name, texts in wanted.alternatives().items()
        )
    )


def _check(what: str, expected: str, observed: str) -> Check:
    return Check(what=what, expected=expected, observed=observed, held=expected == observed)


def in_words(code: int | None) -> str:
    """Say what `bindpost check` foretells: with which code a bind would fail, 0 for none."""
    if code is None:
        return "was not asked"
    return f"it would fail with {code}" if code else "it would bind"


def _status(status: int | None) -> str:
    return "runs" if status is None else f"ends with exit status {status}"


def _wanted(wanted: ExpectedEvent, values: Mapping[str, str]) -> str:
    strings = f" ({', '.join(fill(text, values) for text in wanted.strings)})"
    fields = {
        name: fill(" or ".join(texts), values) for name, texts in wanted.alternatives().items()
    }
    return f"{wanted.source} {wanted.id}{strings if wanted.strings else ''}{_fields(fields)}"


def _event(event: LoggedEvent, fields: Mapping[str, object]) -> str:
    strings = f" ({', '.join(event.strings)})" if event.strings else ""
    shown = {name: event.fields.get(name, "none") for name in fields}
    return f"{event.source} {event.id}{strings}{_fields(shown)}"


def _fields(fields: Mapping[str, object]) -> str:
    return "".join(f", {name} {value}" for name, value in fields.items())
