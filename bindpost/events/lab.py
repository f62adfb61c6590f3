"""The events of scenarios that are run from the web side, source bindpost, numbered from 190."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

SCENARIO_STARTED: Final = EventType(
    id=190,
    source=OURS,
    symbol="MSG_SCENARIO_STARTED",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="The lab scenario %1 was started from the web side.",
    parameters=("scenario",),
    details=("client", "evidence"),
    action="scenario-started",
    explanation=(
        "Somebody runs a scenario from the path page or over the API: programs are started on this "
        "machine, on loopback addresses of their own. `client` asked for it, `evidence` is the "
        "folder that gets what is seen."
    ),
    remedy="Nothing to do. Set lab.from_web to off if nobody is to do that here.",
    ecs=("process", "start"),
)
SCENARIO_ENDED: Final = EventType(
    id=191,
    source=OURS,
    symbol="MSG_SCENARIO_ENDED",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="The lab scenario %1 ended: %2.",
    parameters=("scenario", "outcome"),
    details=("seconds", "reason"),
    action="scenario-ended",
    explanation=(
        "Held: every expectation was met. Failed: one was not, or the run could not go on, and "
        "`reason` says why. Whatever it had started has ended."
    ),
    remedy="When it failed, look at its report: expectation and observation stand side by side.",
    ecs=("process", "end"),
)
SCENARIO_BROKEN: Final = EventType(
    id=192,
    source=OURS,
    symbol="MSG_SCENARIO_BROKEN",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="The lab scenario %1 could not go on.",
    parameters=("scenario",),
    details=("error",),
    action="scenario-broken",
    explanation=(
        "A file could not be written, or an exception came that nobody foresaw; the record carries "
        "its traceback. Whatever the run had started has ended, and the service goes on."
    ),
    remedy="Mostly the disk is full or the data folder not writable; else report it.",
    ecs=("process", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (SCENARIO_STARTED, SCENARIO_ENDED, SCENARIO_BROKEN)
