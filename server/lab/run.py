"""Runs one scenario: phase by phase, everything started, dialled, judged and ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bindpost import events
from bindpost.config.scenario import NOT_ASKED, Phase, Role
from bindpost.config.scenario_file import OVERLAID, ScenarioFile, fill

from . import evidence, judge
from .places import Place, cannot_overlay
from .process import PATIENCE, LabError
from .result import Event, Hop, PhaseResult, ScenarioResult, Visit
from .servers import RunningServer, choose
from .service import Service
from .visit import visit

Tell = Callable[[str], None]
"""Told of progress, in a line."""
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
    """What a phase has shown so far."""

    files: dict[str, str] = field(default_factory=dict)
    via: str = ""
    hops: tuple[Hop, ...] = ()
    foretold: int | None = None
    visits: list[Visit] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    exit: int | None = None
    stopped: int | None = None
    trouble: str = ""


class Run:
    """One run of a scenario in a place; its evidence goes into `folder`."""

    def __init__(self, file: ScenarioFile, place: Place, folder: Path, tell: Tell) -> None:
        self._file = file
        self._scenario = file.scenario
        self._place = place
        self._folder = folder
        self._tell = tell
        self._running: dict[str, RunningServer] = {}
        self._service: Service | None = None
        self._read = 0
        self._started = 0
        self._substitutes: set[str] = set()

    async def run(self) -> ScenarioResult:
        """Go through the phases; the first that can't be gone through is the last."""
        begun = time.monotonic()
        await asyncio.to_thread(
            evidence.write_files, self._folder, {"scenario.toml": self._file.text}
        )
        phases: list[PhaseResult] = []
        try:
            for index in range(len(self._scenario.phase)):
                phases.append(await self._go_through(index))
                self._tell(f"{self._file.name}: {phases[-1].name} {_verdict(phases[-1])}")
                if phases[-1].trouble:
                    break
        finally:
            await asyncio.shield(self._end())
        held = len(phases) == len(self._scenario.phase) and all(phase.held for phase in phases)
        return ScenarioResult(
            name=self._file.name,
            title=self._scenario.title,
            outcome="held" if held else "failed",
            articles=self._scenario.articles,
            cause=self._scenario.cause,
            story=self._scenario.story.strip(),
            seconds=round(time.monotonic() - begun, 1),
            machines=dict(self._values(self._folder, self._folder)),
            substitutes=tuple(sorted(self._substitutes)),
            phases=tuple(phases),
        )

    async def _go_through(self, index: int) -> PhaseResult:
        """Go through one phase, and keep what it shows."""
        phase = self._scenario.phase[index]
        folder = self._folder / f"{index + 1}-{phase.name}"
        folder.mkdir()
        values = self._values(folder, folder)
        following = self._scenario.phase[index + 1 : index + 2]
        last = all(later.service == "restart" for later in following)
        seen = _Seen()
        try:
            await self._look(phase, folder, values, seen, stop=last)
        except LabError as error:
            seen.trouble = str(error)
        seen.events = self._new_events()
        result = PhaseResult(
            name=phase.name,
            title=phase.title,
            kind=phase.kind,
            words=phase.words.strip(),
            folder=str(folder),
            servers=tuple(self._words(name) for name in phase.run),
            files=seen.files,
            via=seen.via,
            hops=seen.hops,
            events=tuple(seen.events),
            visits=tuple(seen.visits),
            checks=() if seen.trouble else judge.judge(phase.expect, _observed(seen), values),
            trouble=seen.trouble,
        )
        await asyncio.to_thread(evidence.keep, folder, result)
        return result

    async def _look(
        self, phase: Phase, folder: Path, values: Mapping[str, str], seen: _Seen, *, stop: bool
    ) -> None:
        """Bring the phase about, look at it from all sides; `stop` ends the service then."""
        await self._change_servers(phase, folder)
        if phase.service == "restart":
            await self._restart(phase, folder, values, seen)
        service = self._service
        assert service is not None
        if phase.service == "keep":
            await self._wait_for_events(phase, values, PATIENCE, before_mail=True)
        for role in _ROLES:
            wanted = getattr(phase.expect.reach, role)
            if wanted != "untried":
                seen.visits.append(await visit(self._place, role, mail=wanted == "mail"))
        await self._wait_for_events(phase, values, _LATE)
        seen.exit = service.status
        if stop:
            seen.stopped = await service.stop()

    async def _restart(
        self, phase: Phase, folder: Path, values: Mapping[str, str], seen: _Seen
    ) -> None:
        """Write the files and start the service on them."""
        files = {**self._scenario.files, **phase.files}
        seen.files = {name: fill(text, values) for name, text in files.items()}
        await asyncio.to_thread(evidence.write_files, folder, seen.files)
        prefix = self._place.machine("exchange").prefix
        self._service = Service(folder, prefix, tuple(seen.files))
        self._read = 0
        if phase.expect.check != NOT_ASKED:
            seen.via, seen.hops, seen.foretold = await self._service.foretell()
        await self._service.start()

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

    def _new_events(self) -> list[Event]:
        if self._service is None:
            return []
        logged = self._service.events[self._read :]
        self._read = len(self._service.events)
        return logged

    async def _change_servers(self, phase: Phase, folder: Path) -> None:
        """End the servers that the phase doesn't name, start those that it does."""
        chosen = {name: choose(self._scenario, name)[0] for name in phase.run}
        self._substitutes |= {f"{b} for {a}" for a, b in chosen.items() if a != b}
        for name in [name for name in self._running if name not in chosen.values()]:
            await self._running.pop(name).stop()
        for name in chosen.values():
            if name not in self._running:
                self._started += 1
                own = self._folder / "servers" / f"{self._started}-{name}"
                values = self._values(own, folder)
                server = self._scenario.server[name]
                running = await RunningServer.start(name, server, self._place, values, own)
                self._running[name] = running

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
