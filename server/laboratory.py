"""Runs lab scenarios for the web side: one at a time, bounded, ended with the server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

import msgspec

from bindpost import events
from bindpost.config.lab_hosts import ONE_MACHINE
from bindpost.config.scenario import Phase
from bindpost.config.scenario_file import ScenarioFile, load, names
from bindpost.log import get_logger

from .findings.progress import Progress
from .findings.result import ScenarioResult
from .lab.archive import Archive, Kept
from .lab.bench import run_all
from .lab.process import LabError
from .lab.run import reason_to_skip
from .lab.telling import expectations, servers
from .web import scenario_objects as objects
from .web.scenario_desk import ScenarioConflictError, UnknownScenarioError

RUN_LIMIT: Final = 300.0
"""Seconds that a run may take; the longest takes half a minute on an idle machine."""
REMEMBERED: Final = 2_000
"""Things told of that a late follower still gets; a run has about a hundred."""
_LOG: Final = get_logger("bindpost.lab")


@dataclass(slots=True)
class _Run:
    """The run that is under way; `found` is what it has found, `finishing` whether that is all."""

    file: ScenarioFile
    since: datetime
    found: ScenarioResult
    task: asyncio.Task[None]
    finishing: bool = False


@final
class Laboratory:
    """
    The scenarios as the web side sees them: bindpost's and `own`, by their names.

    One runs at a time, for `run_limit` seconds at most. `close()` ends a run with all that it has
    started. Belongs to one event loop.

    Implements `bindpost.server.web.scenario_desk.RunsScenarios`.
    """

    def __init__(
        self, own: Mapping[str, ScenarioFile], archive: Archive, *, run_limit: float = RUN_LIMIT
    ) -> None:
        self._own = own
        self._archive = archive
        self._run_limit = run_limit
        self._run: _Run | None = None
        self._files: Mapping[str, ScenarioFile] = {}
        self._kept: dict[str, Kept] = {}
        self._loading = asyncio.Lock()
        self._told: deque[objects.Told] = deque(maxlen=REMEMBERED)
        self._news = asyncio.Event()

    async def close(self) -> None:
        """End what runs, and let temporary evidence go."""
        if self._run is not None:
            await _end(self._run)
        await asyncio.to_thread(self._archive.close)

    @property
    def sequence(self) -> int:
        """The cursor of the last that was told; 0 when nothing was."""
        return self._told[-1].sequence if self._told else 0

    async def scenarios(self) -> list[objects.Scenario]:
        """Give all, bindpost's first."""
        files = await self._load()
        return [await self._describe(file) for file in files.values()]

    async def scenario(self, name: str) -> objects.WholeScenario:
        """Give one; raises `UnknownScenarioError`."""
        file = await self._find(name)
        short = await self._describe(file)
        run, kept = self._run_of(name), self._kept.get(name)
        has_report = run is None and kept is not None and kept.report is not None
        result = None if kept is None else kept.result
        return objects.WholeScenario(
            **msgspec.structs.asdict(short),
            story=file.scenario.story.strip(),
            plan=[_plan(file, phase) for phase in file.scenario.phase],
            result=result if run is None else run.found,
            progress=self._progress_of(name),
            report=f"/api/bindpost/v1/scenarios/{name}/report" if has_report else None,
        )

    async def run(self, name: str, *, only: str | None, client: str) -> objects.Scenario:
        """Start a run; raises `UnknownScenarioError` and `ScenarioConflictError`."""
        file = await self._find(name)
        file = file if only is None else _only(file, only)
        obstacle = await asyncio.to_thread(reason_to_skip, file)
        if obstacle:
            raise ScenarioConflictError(f"{name} can't be run here: {obstacle}.")
        if self._run is not None:
            raise ScenarioConflictError(
                f"{self._run.file.name} runs, and one scenario runs at a time: wait, or stop it."
            )
        found = ScenarioResult.of(file.scenario, name=name, outcome="running")
        task = asyncio.create_task(self._carry_out(client))
        self._run = _Run(file, datetime.now(UTC), found, task)
        return await self._describe(file)

    async def stop(self, name: str) -> objects.Scenario:
        """End a run; raises `UnknownScenarioError` and `ScenarioConflictError`."""
        file = await self._find(name)
        run = self._run_of(name)
        if run is None:
            raise ScenarioConflictError(f"{name} doesn't run.")
        await _end(run)
        return await self._describe(file)

    async def report(self, name: str) -> str:
        """Give the report of the last run; raises `UnknownScenarioError`."""
        await self._find(name)
        kept = self._kept.get(name)
        report = None if kept is None or self._run_of(name) is not None else kept.report
        if report is None:
            raise UnknownScenarioError(f"There is no report of {name}: run it, to its end.")
        return await asyncio.to_thread(report.read_text, "utf-8")

    async def follow(self, after: int) -> AsyncGenerator[objects.Told, None]:
        """Give what is remembered behind a cursor, then what happens, without an end."""
        after = after if after <= self.sequence else 0
        while True:
            news = self._news
            for told in [told for told in self._told if told.sequence > after]:
                after = told.sequence
                yield told
            await news.wait()

    async def _load(self) -> Mapping[str, ScenarioFile]:
        """Read bindpost's scenarios and the results that are kept, when somebody first asks."""
        async with self._loading:
            if not self._files:
                self._kept = await asyncio.to_thread(self._archive.newest)
                brought = await asyncio.to_thread(lambda: {name: load(name) for name in names()})
                self._files = brought | dict(self._own)
        return self._files

    async def _find(self, name: str) -> ScenarioFile:
        files = await self._load()
        if name not in files:
            raise UnknownScenarioError(f"There is no scenario {name!r}.")
        return files[name]

    async def _describe(self, file: ScenarioFile) -> objects.Scenario:
        scenario = file.scenario
        run, kept = self._run_of(file.name), self._kept.get(file.name)
        state: objects.State = "running" if run else kept.result.outcome if kept else "idle"
        return objects.Scenario(
            name=file.name,
            title=scenario.title,
            articles=scenario.articles,
            cause=scenario.cause,
            phases=[
                objects.PhaseTitle(name=phase.name, title=phase.title, kind=phase.kind)
                for phase in scenario.phase
            ],
            obstacle=await asyncio.to_thread(reason_to_skip, file),
            state=state,
            since=run.since if run else kept.when if kept else None,
        )

    def _run_of(self, name: str) -> _Run | None:
        return self._run if self._run is not None and self._run.file.name == name else None

    def _progress_of(self, name: str) -> list[objects.Told]:
        """Give what was told of the last run of a scenario."""
        found: list[objects.Told] = []
        for told in self._told:
            if told.scenario == name:
                found = [told] if told.kind == "begun" else [*found, told]
        return found

    async def _carry_out(self, client: str) -> None:
        """Run, keep what was found, and say so; nothing gets out of here but being cancelled."""
        run = self._run
        assert run is not None
        folder: Path | None = None
        try:
            folder = await asyncio.to_thread(self._archive.begin, run.file.name)
            _LOG.info(
                events.SCENARIO_STARTED,
                scenario=run.file.name,
                client=client,
                evidence=str(folder),
            )
            async with asyncio.timeout(self._run_limit):
                (result,) = await run_all(
                    [run.file], ONE_MACHINE, folder, jobs=1, watch=self._watch
                )
        except asyncio.CancelledError:
            result = msgspec.structs.replace(run.found, outcome="stopped", reason="it was stopped")
        except TimeoutError:
            result = _failed(run, f"it had not ended after {self._run_limit:g} seconds")
        except LabError as error:
            result = _failed(run, str(error))
        except OSError as error:
            _LOG.error(events.SCENARIO_BROKEN, scenario=run.file.name, error=str(error))
            result = _failed(run, f"its evidence can't be kept: {error}")
        except Exception as error:
            _LOG.exception(events.SCENARIO_BROKEN, scenario=run.file.name, error=repr(error))
            result = _failed(run, f"a fault of bindpost's, which its log tells: {error}")
        await self._finish(run, folder, result)

    async def _finish(self, run: _Run, folder: Path | None, result: ScenarioResult) -> None:
        run.finishing = True
        kept = Kept(run.since, result, None)
        if folder is not None:
            try:
                kept = await asyncio.to_thread(self._archive.finish, folder, result)
            except OSError as error:
                result = _failed(run, f"its results can't be kept: {error}")
                kept = Kept(run.since, result, None)
        self._kept[run.file.name] = kept
        self._run = None
        _LOG.info(
            events.SCENARIO_ENDED,
            scenario=run.file.name,
            outcome=result.outcome,
            seconds=result.seconds,
            **({"reason": result.reason} if result.reason else {}),
        )
        words = f"{result.outcome}: {result.reason}" if result.reason else result.outcome
        self._tell(Progress(scenario=run.file.name, kind="ended", words=words))

    def _watch(self, progress: Progress, so_far: ScenarioResult) -> None:
        """Take note of what the lab tells; that it is at an end is told when all is kept."""
        assert self._run is not None
        if progress.kind != "ended":
            self._run.found = so_far
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        self._told.append(
            objects.Told(
                **msgspec.structs.asdict(progress),
                sequence=self.sequence + 1,
                when=datetime.now(UTC),
            )
        )
        news, self._news = self._news, asyncio.Event()
        news.set()


async def _end(run: _Run) -> None:
    """Have a run ended; returns when everything that it had started has."""
    if not run.finishing:
        run.task.cancel()
    await asyncio.wait((run.task,))


def _failed(run: _Run, reason: str) -> ScenarioResult:
    return msgspec.structs.replace(run.found, outcome="failed", reason=reason)


def _only(file: ScenarioFile, name: str) -> ScenarioFile:
    """Give a scenario with one phase, and those before it that its service goes on from."""
    phases = file.scenario.phase
    chosen: list[Phase] = []
    for phase in reversed(phases):
        if phase.name == name or (chosen and chosen[0].service == "keep"):
            chosen.insert(0, phase)
    if not chosen:
        known = ", ".join(phase.name for phase in phases)
        raise UnknownScenarioError(f"{file.name} has no phase {name!r}; it has {known}.")
    return replace(file, scenario=msgspec.structs.replace(file.scenario, phase=tuple(chosen)))


def _plan(file: ScenarioFile, phase: Phase) -> objects.Phase:
    return objects.Phase(
        name=phase.name,
        title=phase.title,
        kind=phase.kind,
        words=phase.words.strip(),
        servers=servers(file.scenario, phase),
        expect=phase.expect,
        expected=list(expectations(phase.expect)),
    )
