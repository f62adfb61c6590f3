"""Runs one scenario: phase by phase, everything started, dialled, judged and ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bindpost import events
from bindpost.config.scenario import NOT_ASKED, Phase, Role
from bindpost.config.scenario_file import OVERLAID, ScenarioFile, fill

from ..findings.progress import Kind, Progress, Watch
from ..findings.result import (
    Check,
    LoggedEvent,
    Outcome,
    PhaseResult,
    ScenarioResult,
    Visit,
    WalkedHop,
)
from . import evidence, judge
from .leash import Leash
from .places import Place, cannot_overlay
from .process import PATIENCE, LabError
from .servers import RunningServer, choose
from .service import Service
from .telling import servers
from .visit import visit

_LATE: Final = 5.0
"""Seconds that an expected event may come after the last visit."""
_ROLES: Final[tuple[Role, ...]] = ("exchange", "proxy", "internet")


def reason_to_skip(file: ScenarioFile) -> str:
    """Say why a scenario can't be run here; empty if it can. May block."""
    scenario = file.scenario
    for name in sorted({name for phase in scenario.phase for name in phase.run}):
        _, reason = choose(scenario, name)
        if reason:
            return reason
    written = {*scenario.files, *(name for phase in scenario.phase for name in phase.files)}
    return cannot_overlay() if written & OVERLAID else ""


@dataclass(slots=True)
class _Seen:
    """A phase under way: what it has shown so far."""

    phase: Phase
    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    via: str = ""
    hops: tuple[WalkedHop, ...] = ()
    foretold: int | None = None
    visits: list[Visit] = field(default_factory=list)
    events: list[LoggedEvent] = field(default_factory=list)
    exit: int | None = None
    stopped: int | None = None
    trouble: str = ""


class Run:
    """One run of a scenario in a place; its evidence goes into `folder`, `watch` is told of it."""

    def __init__(
        self, file: ScenarioFile, place: Place, folder: Path, *, watch: Watch, leash: Leash
    ) -> None:
        self._file = file
        self._scenario = file.scenario
        self._place = place
        self._folder = folder
        self._watch = watch
        self._leash = leash
        self._running: dict[str, RunningServer] = {}
        self._service: Service | None = None
        self._read = 0
        self._started = 0
        self._substitutes: set[str] = set()
        self._begun = time.monotonic()
        self._phases: list[PhaseResult] = []
        self._seen: _Seen | None = None

    async def run(self) -> ScenarioResult:
        """Go through the phases; the first that can't be gone through is the last."""
        texts = {"scenario.toml": self._file.text}
        await asyncio.to_thread(evidence.write_files, self._folder, texts)
        self._tell("begun", self._scenario.title)
        try:
            for index in range(len(self._scenario.phase)):
                await self._go_through(index)
                if self._phases[-1].trouble:
                    break
        finally:
            await _to_its_end(self._end())
        complete = len(self._phases) == len(self._scenario.phase)
        held = complete and all(phase.held for phase in self._phases)
        result = self._result("held" if held else "failed")
        self._watch(Progress(scenario=self._file.name, kind="ended", words=result.outcome), result)
        return result

    def _result(self, outcome: Outcome) -> ScenarioResult:
        """Give what was found so far; a phase that is under way comes without checks."""
        under_way = () if self._seen is None else (self._phase_result(self._seen),)
        return ScenarioResult.of(
            self._scenario,
            name=self._file.name,
            outcome=outcome,
            seconds=round(time.monotonic() - self._begun, 1),
            machines=dict(self._values(self._folder, self._folder)),
            substitutes=tuple(sorted(self._substitutes)),
            phases=(*self._phases, *under_way),
        )

    def _tell(
        self,
        kind: Kind,
        words: str,
        *,
        event: LoggedEvent | None = None,
        visit: Visit | None = None,
        checks: tuple[Check, ...] = (),
        phase: str = "",
    ) -> None:
        progress = Progress(
            scenario=self._file.name,
            kind=kind,
            phase=phase or ("" if self._seen is None else self._seen.phase.name),
            words=words,
            event=event,
            visit=visit,
            checks=checks,
        )
        self._watch(progress, self._result("running"))

    async def _go_through(self, index: int) -> None:
        """Go through one phase, and keep what it shows."""
        phase = self._scenario.phase[index]
        folder = self._folder / f"{index + 1}-{phase.name}"
        folder.mkdir()
        values = self._values(folder, folder)
        following = self._scenario.phase[index + 1 : index + 2]
        last = all(later.service == "restart" for later in following)
        seen = self._seen = _Seen(phase, folder)
        self._tell("phase", phase.title)
        try:
            await self._look(seen, values, stop=last)
        except LabError as error:
            seen.trouble = str(error)
        seen.events = self._logged()
        self._read += len(seen.events)
        checks = () if seen.trouble else judge.judge(phase.expect, _observed(seen), values)
        result = self._phase_result(seen, checks)
        self._phases.append(result)
        self._seen = None
        await asyncio.to_thread(evidence.keep, folder, result)
        self._tell("verdict", _verdict(result), checks=checks, phase=phase.name)

    def _phase_result(self, seen: _Seen, checks: tuple[Check, ...] = ()) -> PhaseResult:
        phase = seen.phase
        return PhaseResult(
            name=phase.name,
            title=phase.title,
            kind=phase.kind,
            words=phase.words.strip(),
            folder=str(seen.folder),
            servers=servers(self._scenario, phase),
            files=seen.files,
            via=seen.via,
            hops=seen.hops,
            events=tuple(seen.events),
            visits=tuple(seen.visits),
            checks=checks,
            trouble=seen.trouble,
        )

    async def _look(self, seen: _Seen, values: Mapping[str, str], *, stop: bool) -> None:
        """Bring the phase about, look at it from all sides; `stop` ends the service then."""
        phase = seen.phase
        await self._change_servers(phase, seen.folder)
        if phase.service == "restart":
            await self._restart(seen, values)
        service = self._service
        assert service is not None
        if phase.service == "keep":
            self._note_events()
            await self._wait_for_events(phase, values, PATIENCE, before_mail=True)
        for role in _ROLES:
            wanted = getattr(phase.expect.reach, role)
            if wanted != "untried":
                found = await visit(self._place, role, mail=wanted == "mail")
                seen.visits.append(found)
                self._tell("visit", f"{judge.ROLES[role]}: {found.reached}", visit=found)
        await self._wait_for_events(phase, values, _LATE)
        seen.exit = service.status
        if stop:
            if seen.exit is None:
                self._tell("step", "the service is asked to stop")
            seen.stopped = await service.stop()

    async def _restart(self, seen: _Seen, values: Mapping[str, str]) -> None:
        """Write the files and start the service on them."""
        files = {**self._scenario.files, **seen.phase.files}
        seen.files = {name: fill(text, values) for name, text in files.items()}
        await asyncio.to_thread(evidence.write_files, seen.folder, seen.files)
        prefix = self._place.machine("exchange").prefix
        service = self._service = Service(
            seen.folder,
            prefix,
            tuple(seen.files),
            leash=self._leash,
            on_event=self._note_events,
        )
        self._read = 0
        if seen.phase.expect.check != NOT_ASKED:
            seen.via, seen.hops, seen.foretold = await service.foretell()
            self._tell("step", f"bindpost check foretells: {judge.in_words(seen.foretold)}")
        self._tell("step", "bindpost serve is started")
        await service.start()
        status = service.status
        came_to = "is ready" if status is None else f"ended with exit status {status}"
        self._tell("step", f"the service {came_to}")

    def _note_events(self) -> None:
        """Tell of events that have come; one that came between two phases is the next one's."""
        if self._seen is None:
            return
        known = len(self._seen.events)
        self._seen.events = self._logged()
        for event in self._seen.events[known:]:
            self._tell("event", f"{event.source} {event.id}: {event.message}", event=event)

    async def _wait_for_events(
        self, phase: Phase, values: Mapping[str, str], seconds: float, *, before_mail: bool = False
    ) -> None:
        """Wait for the expected events, `before_mail` for those that no visit brings about."""
        service = self._service
        assert service is not None
        mail = events.MESSAGE_RECEIVED.id
        wanted = [
            event
            for event in phase.expect.event
            if not (event.optional or (before_mail and event.id == mail))
        ]

        def have_come() -> bool:
            return None not in judge.find(wanted, service.events[self._read :], values)

        await service.until(have_come, seconds)

    def _logged(self) -> list[LoggedEvent]:
        """Give the service's events of this phase so far."""
        return [] if self._service is None else self._service.events[self._read :]

    async def _change_servers(self, phase: Phase, folder: Path) -> None:
        """End the servers that the phase doesn't name, start those that it does."""
        chosen = {name: choose(self._scenario, name)[0] for name in phase.run}
        self._substitutes |= {f"{b} for {a}" for a, b in chosen.items() if a != b}
        for name in [name for name in self._running if name not in chosen.values()]:
            await self._running.pop(name).stop()
            self._tell("step", f"{self._words(name)} is ended")
        for name in chosen.values():
            if name not in self._running:
                self._started += 1
                own = self._folder / "servers" / f"{self._started}-{name}"
                values = self._values(own, folder)
                server = self._scenario.server[name]
                self._running[name] = await RunningServer.start(
                    name, server, self._place, values, own, leash=self._leash
                )
                self._tell("step", f"{self._words(name)} is up")

    def _values(self, folder: Path, phase: Path) -> Mapping[str, str]:
        return self._place.values(folder=folder, phase=phase, run=self._folder)

    def _words(self, name: str) -> str:
        server = self._scenario.server[choose(self._scenario, name)[0]]
        return f"{server.on}: {server.words}"

    async def _end(self) -> None:
        """End whatever runs; a service that runs still is one that something went wrong with."""
        if self._service is not None:
            await self._service.kill()
        for server in self._running.values():
            await server.stop()
        self._running.clear()


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Do what must not be left half done; being cancelled meanwhile comes too late."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _observed(seen: _Seen) -> judge.Observed:
    return judge.Observed(
        exit=seen.exit,
        stopped=seen.stopped,
        foretold=seen.foretold,
        events=seen.events,
        visits=seen.visits,
    )


def _verdict(phase: PhaseResult) -> str:
    if phase.trouble:
        return f"could not be gone through: {phase.trouble}"
    wrong = [check for check in phase.checks if not check.held]
    if wrong:
        return f"does not hold: {wrong[0].what}: {wrong[0].observed}"
    return "holds"
