"""Runs one scenario: phase by phase, everything started, dialled, judged and ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from bindpost import events
from bindpost.config.scenario import NOT_ASKED, Phase, Role
from bindpost.config.scenario_file import OVERLAID, ScenarioFile, fill

from . import judge
from .places import Place, cannot_overlay
from .process import PATIENCE, LabError
from .result import Event, Hop, PhaseResult, ScenarioResult, Visit
from .servers import RunningServer, choose
from .service import BINDPOST, Service

Tell = Callable[[str], None]
"""Told of progress, in a line."""
_LATE: Final = 5.0
"""Seconds that an expected event may come after the last visit."""
_VISIT: Final = 30.0
"""Seconds for a visit, all in all."""
_ROLES: Final[tuple[Role, ...]] = ("exchange", "proxy", "internet")


def reason_to_skip(file: ScenarioFile) -> str:
    """Say why a scenario can't be run here; empty if it can."""
    scenario = file.scenario
    for name in sorted({name for phase in scenario.phase for name in phase.run}):
        _, reason = choose(scenario, name)
        if reason:
            return reason
    written = {*scenario.files, *(name for phase in scenario.phase for name in phase.files)}
    return cannot_overlay() if written & OVERLAID else ""


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
        self._seen = 0
        self._started = 0
        self._substitutes: set[str] = set()

    async def run(self) -> ScenarioResult:
        """Go through the phases; the first that can't be gone through is the last."""
        begun = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "scenario.toml").write_text(self._file.text, "utf-8")
        phases: list[PhaseResult] = []
        try:
            for index in range(len(self._scenario.phase)):
                phases.append(await self._phase(index))
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
            machines=dict(self._values(self._folder)),
            substitutes=tuple(sorted(self._substitutes)),
            phases=tuple(phases),
        )

    async def _phase(self, index: int) -> PhaseResult:
        phase = self._scenario.phase[index]
        folder = self._folder / f"{index + 1}-{phase.name}"
        folder.mkdir()
        values = self._values(folder)
        done = PhaseResult(
            name=phase.name,
            title=phase.title,
            kind=phase.kind,
            words=phase.words.strip(),
            folder=str(folder),
            servers=tuple(self._words(name) for name in phase.run),
            files={},
        )
        visits: list[Visit] = []
        stopped: int | None = None
        try:
            await self._change_servers(phase, folder)
            if phase.service == "restart":
                done = await self._restart(phase, folder, values, done)
            service = self._service
            assert service is not None
            if phase.service == "keep":
                await self._wait_for_events(phase, values, PATIENCE, before_mail=True)
            for role in _ROLES:
                if (wanted := getattr(phase.expect.reach, role)) != "untried":
                    visits.append(await self._visit(role, mail=wanted == "mail"))
            await self._wait_for_events(phase, values, _LATE)
            status = service.status
            following = self._scenario.phase[index + 1 : index + 2]
            if all(later.service == "restart" for later in following):
                stopped = await service.stop()
        except LabError as error:
            done = msgspec.structs.replace(done, trouble=str(error))
            status = None
        logged = self._new_events()
        seen = judge.Observed(
            exit=status,
            stopped=stopped,
            foretold=_foretold(phase, done),
            events=logged,
            visits=visits,
        )
        done = msgspec.structs.replace(
            done,
            events=tuple(logged),
            visits=tuple(visits),
            checks=() if done.trouble else judge.judge(phase.expect, seen, values),
        )
        _keep(folder, done)
        return done

    async def _restart(
        self, phase: Phase, folder: Path, values: Mapping[str, str], done: PhaseResult
    ) -> PhaseResult:
        """Write the files and start the service on them."""
        files = {**self._scenario.files, **phase.files}
        texts = {name: fill(text, values) for name, text in files.items()}
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # The client's files are ANSI, as the articles want them.
            encoding = "cp1252" if name.endswith((".ini", ".txt")) else "utf-8"
            (folder / name).write_text(text, encoding)
        prefix = self._place.machine("exchange").prefix
        service = self._service = Service(folder, prefix, tuple(texts))
        self._seen = 0
        via, hops, _ = "", (), None
        if phase.expect.check != NOT_ASKED:
            via, hops, _ = await service.foretell()
        done = msgspec.structs.replace(done, files=texts, via=via, hops=hops)
        await service.start()
        return done

    async def _wait_for_events(
        self, phase: Phase, values: Mapping[str, str], seconds: float, *, before_mail: bool = False
    ) -> None:
        """Wait for the expected events, `before_mail` for those that no visit brings about."""
        service = self._service
        assert service is not None
        mail = events.MESSAGE_RECEIVED.id
        wanted = [e for e in phase.expect.event if not (before_mail and e.id == mail)]

        def have_come() -> bool:
            return None not in judge.find(wanted, service.events[self._seen :], values)

        await service.until(have_come, seconds)

    def _new_events(self) -> list[Event]:
        if self._service is None:
            return []
        logged = self._service.events[self._seen :]
        self._seen = len(self._service.events)
        return logged

    async def _change_servers(self, phase: Phase, folder: Path) -> None:
        chosen = {name: choose(self._scenario, name)[0] for name in phase.run}
        self._substitutes |= {f"{b} for {a}" for a, b in chosen.items() if a != b}
        for name in [name for name in self._running if name not in chosen.values()]:
            await self._running.pop(name).stop()
        for name in chosen.values():
            if name not in self._running:
                self._started += 1
                place = self._folder / "servers" / f"{self._started}-{name}"
                values = self._place.values(folder=place, phase=folder, run=self._folder)
                server = self._scenario.server[name]
                self._running[name] = await RunningServer.start(
                    name, server, self._place, values, place
                )

    async def _visit(self, role: Role, *, mail: bool) -> Visit:
        here, host, port = self._place.target(role)
        command = [*self._place.machine(role).prefix, *BINDPOST[:2], "bindpost.server.lab.probe"]
        command += ["--from", here, "--to", f"{host}:{port}", *(["--mail"] if mail else [])]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            output, _ = await asyncio.wait_for(process.communicate(), _VISIT)
        except TimeoutError:
            raise LabError(f"the visit from {here} did not end in {_VISIT:g} seconds") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            told = json.loads(output)
        except ValueError:
            raise LabError(f"the visit from {here} told nothing: {command}") from None
        reached = told["reached"]
        if told["banner"] and self._values(self._folder)["hostname"] not in told["banner"]:
            reached = "other banner"
        return Visit(
            role=role,
            here=here,
            there=f"{host}:{port}",
            reached=reached,
            banner=told["banner"],
            transcript=tuple(told["transcript"]),
        )

    def _values(self, folder: Path) -> Mapping[str, str]:
        return self._place.values(folder=folder, phase=folder, run=self._folder)

    def _words(self, name: str) -> str:
        chosen, _ = choose(self._scenario, name)
        server = self._scenario.server[chosen]
        return f"{server.on}: {server.words}"

    async def _end(self) -> None:
        """End whatever runs."""
        if self._service is not None:
            await self._service.stop()
        for server in self._running.values():
            await server.stop()
        self._running.clear()


def _foretold(phase: Phase, done: PhaseResult) -> int | None:
    if phase.expect.check == NOT_ASKED or not done.hops:
        return None
    return next((hop.code for hop in done.hops if hop.ok is False), 0)


def _verdict(phase: PhaseResult) -> str:
    if phase.trouble:
        return f"could not be gone through: {phase.trouble}"
    wrong = [check for check in phase.checks if not check.held]
    if wrong:
        return f"does not hold: {wrong[0].what}: {wrong[0].observed}"
    return "holds"


def _keep(folder: Path, phase: PhaseResult) -> None:
    """Write a phase's evidence."""
    (folder / "events.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(list(phase.events)))
    )
    lines = [line for visit in phase.visits for line in (*_heading(visit), *visit.transcript, "")]
    (folder / "visits.txt").write_text("\n".join(lines), "utf-8")
    (folder / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(phase)))


def _heading(visit: Visit) -> tuple[str, ...]:
    return (f"# {visit.role}: {visit.reached}",)
