"""Runs scenarios, a few at a time, each in a folder of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bindpost.config.lab_hosts import Hosts
from bindpost.config.scenario_file import ScenarioFile

from ..findings.progress import Progress, Watch
from ..findings.result import ScenarioResult
from .leash import Leash
from .places import Ports, check_addresses
from .process import LabError
from .run import Run, reason_to_skip


async def run_all(
    files: Sequence[ScenarioFile], hosts: Hosts, folder: Path, *, jobs: int, watch: Watch
) -> list[ScenarioResult]:
    """
    Run scenarios and give their results in order; what can't be run here is skipped with a reason.

    On isolated machines they run one at a time, because each takes the ports that it names. Being
    cancelled ends everything that was started, and so does being killed. Raises `LabError` if the
    machines lack an address.
    """
    check_addresses(hosts)
    ports = Ports(hosts)
    slots = asyncio.Semaphore(1 if hosts.isolated else jobs)

    async def run_one(file: ScenarioFile, leash: Leash) -> ScenarioResult:
        async with slots:
            reason = await asyncio.to_thread(reason_to_skip, file)
            if reason:
                return _skip(file, reason, watch)
            place = ports.place(file.scenario)
            return await Run(file, place, folder / file.name, watch=watch, leash=leash).run()

    try:
        async with Leash() as leash, asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_one(file, leash)) for file in files]
    except* LabError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _skip(file: ScenarioFile, reason: str, watch: Watch) -> ScenarioResult:
    result = ScenarioResult.of(file.scenario, name=file.name, outcome="skipped", reason=reason)
    watch(Progress(scenario=file.name, kind="ended", words=f"skipped, {reason}"), result)
    return result
