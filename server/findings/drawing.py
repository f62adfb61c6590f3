"""How a phase is drawn: three machines, the two networks between them, and the hops of a bind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bindpost import events

from .result import LoggedEvent, PhaseResult, Visit, WalkedHop

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Has drawing.html, a macro that shows a `Drawing`."""
STATIC: Final = Path(__file__).parent / "static"
"""Has drawing.css for it."""

State = Literal["good", "bad", "idle"]
_FAILURES: Final = (events.BIND_FAILED.id, events.PROTOCOL_INFORMATION_FAILED.id)
_GOOD: Final = ("mail", "banner")
_AT_HOME: Final = ("services", "decision", "resolve")
"""Hops on the Exchange machine itself."""
_AT_THE_PROXY: Final = ("bind",)
_REACHED: Final = {
    "mail": "mail delivered",
    "banner": "our banner",
    "other banner": "another server's banner",
    "closed": "closed without a word",
    "silent": "silence",
    "refused": "refused",
    "unreachable": "unreachable",
}
_ROLES: Final = {"exchange": "dials itself", "proxy": "dials Exchange", "internet": "dials in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A box: a machine, what runs there, what it got when it dialled, the fault if it is there."""

    role: str
    name: str
    addresses: tuple[str, ...]
    runs: tuple[str, ...]
    visit: str
    state: State
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network between two boxes, and how it went there."""

    name: str
    state: State
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A hop of the bind path: good, bad, or not reached."""

    name: str
    state: State
    label: str
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Everything that is drawn of a phase, from left to right."""

    exchange: Machine
    inner: Link
    proxy: Machine
    outer: Link
    internet: Machine
    steps: tuple[Step, ...]
    via: str


def draw(phase: PhaseResult, addresses: Mapping[str, str]) -> Drawing:
    """
    Draw a phase on machines of these addresses, also one that is under way.

    The broken hop is the one that the last event 4007 or 4003 names.
    """
    failure = None if _recovered(phase) else _last_failure(phase.events)
    hop = str(failure.fields.get("hop", "")) if failure else ""
    code = failure.strings[0] if failure and failure.strings else ""
    fault = f"{hop}: {code}" if failure else ""
    told = (str(event.fields.get("via", "")) for event in phase.events)
    via = phase.via or next(filter(None, told), "")
    place = _place(hop, direct=via.startswith("direct"))
    visits = {visit.role: visit for visit in phase.visits}

    def machine(role: str, name: str, runs: Sequence[str], *at: str) -> Machine:
        here = place == role
        return Machine(
            role=role,
            name=name,
            addresses=tuple(dict.fromkeys(addresses.get(key, "") for key in at)),
            runs=tuple(runs),
            visit=_visit(visits.get(role)),
            state="bad" if here else "idle",
            fault=fault if here else "",
        )

    return Drawing(
        exchange=machine(
            "exchange", "Exchange", [_service(phase), *_on(phase, "exchange")], "exchange"
        ),
        inner=_inner(phase, fault if place == "inner" else "", via),
        proxy=machine("proxy", "Proxy", _on(phase, "proxy") or ["nothing"], "proxy", "external"),
        outer=_outer(phase, visits.get("internet")),
        internet=machine("internet", "Internet", _on(phase, "internet") or ["a peer"], "internet"),
        steps=tuple(_steps(phase.hops, failure, place)),
        via=via,
    )


def _recovered(phase: PhaseResult) -> bool:
    ids = [event.id for event in phase.events if event.source == events.OURS]
    return events.PATH_RECOVERED.id in ids


def _last_failure(logged: Sequence[LoggedEvent]) -> LoggedEvent | None:
    return next((event for event in reversed(logged) if event.id in _FAILURES), None)


def _place(hop: str, *, direct: bool) -> str:
    """Say in which box or on which network a hop is."""
    if not hop:
        return ""
    if hop in _AT_HOME or direct:
        return "exchange"
    return "proxy" if hop in _AT_THE_PROXY else "inner"


def _service(phase: PhaseResult) -> str:
    check = next((check for check in phase.checks if check.what == "service"), None)
    return f"the service {check.observed}" if check else "the service"


def _on(phase: PhaseResult, role: str) -> list[str]:
    return [
        words for server in phase.servers for on, _, words in [server.partition(": ")] if on == role
    ]


def _visit(visit: Visit | None) -> str:
    if visit is None:
        return ""
    return f"{_ROLES[visit.role]}: {_REACHED.get(visit.reached, visit.reached)}"


def _inner(phase: PhaseResult, fault: str, via: str) -> Link:
    if fault:
        return Link(name="inner network", state="bad", label=fault)
    if not phase.events and not phase.hops:
        return Link(name="inner network", state="idle", label="")
    if not via or via.startswith("direct") or not _asks_proxy(phase):
        return Link(name="inner network", state="idle", label="the proxy isn't asked")
    return Link(name="inner network", state="good", label="the proxy answers")


def _asks_proxy(phase: PhaseResult) -> bool:
    """Say whether the walk went beyond this machine."""
    return not phase.hops or any(
        hop.name in ("connect", "greeting", "auth", "request") and hop.ok for hop in phase.hops
    )


def _outer(phase: PhaseResult, visit: Visit | None) -> Link:
    if visit is None:
        label = "nobody dials" if phase.checks else ""
        return Link(name="Internet", state="idle", label=label)
    state: State = "good" if visit.reached in _GOOD else "bad"
    return Link(name="Internet", state=state, label=_REACHED.get(visit.reached, visit.reached))


def _steps(hops: Sequence[WalkedHop], failure: LoggedEvent | None, place: str) -> Iterator[Step]:
    """Give the hops that `bindpost check` walked, and the broken one that only the event tells."""
    broken = False
    for hop in hops:
        if hop.name == "serve":  # the walk's own conclusion
            continue
        state: State = "idle" if hop.ok is None else "good" if hop.ok else "bad"
        broken |= state == "bad"
        yield Step(
            name=hop.name,
            state=state,
            label=str(hop.code) if hop.code else f"{hop.milliseconds:.1f} ms" if hop.ok else "",
            detail=f"{hop.target}: {hop.detail}",
            hint=hop.hint,
        )
    if failure is not None and not broken:
        name = str(failure.fields.get("hop", ""))
        yield Step(
            name=f"{name} on the proxy" if place == "proxy" else name,
            state="bad",
            label=failure.strings[0] if failure.strings else "",
            detail=str(failure.fields.get("reason", "")),
            hint=str(failure.fields.get("hint", "")),
        )
