"""Runs scenarios, a few at a time, each in a folder of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bindpost.config.lab_hosts import Hosts
from bindpost.config.scenario_file import ScenarioFile

from .places import Ports, check_addresses
from .process import LabError
from .result import ScenarioResult
from .run import Run, Tell, reason_to_skip


async def run_all(
    files: Sequence[ScenarioFile], hosts: Hosts, folder: Path, *, jobs: int, tell: Tell
) -> list[ScenarioResult]:
    """
    Run scenarios and give their results in order; what can't be run here is skipped with a reason.

    On isolated machines they run one at a time, because each takes the ports that it names. Being
    cancelled ends everything that was started. Raises `LabError` if the machines lack an address.
    """
    check_addresses(hosts)
    ports = Ports(hosts)
    slots = asyncio.Semaphore(1 if hosts.isolated else jobs)

    async def run_one(file: ScenarioFile) -> ScenarioResult:
        async with slots:
            reason = await asyncio.to_thread(reason_to_skip, file)
            if reason:
                tell(f"{file.name}: skipped, {reason}")
                return _skipped(file, reason)
            return await Run(file, ports.place(file.scenario), folder / file.name, tell).run()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_one(file)) for file in files]
    except* LabError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _skipped(file: ScenarioFile, reason: str) -> ScenarioResult:
    scenario = file.scenario
    return ScenarioResult(
        name=file.name,
        title=scenario.title,
        outcome="skipped",
        reason=reason,
        articles=scenario.articles,
        cause=scenario.cause,
        story=scenario.story.strip(),
    )
