"""The other programs of a scenario, on their machines: real ones, or stand-ins for them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bindpost.config.scenario import Scenario, Server
from bindpost.config.scenario_file import fill

from .evidence import write_files
from .leash import Leash
from .places import Place
from .process import PATIENCE, LabError, Process, output_of, python_module
from .service import BINDPOST

_FOLDERS: Final = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)
"""Servers are often where only root's PATH leads."""
_PAUSE: Final = 0.02
"""Seconds between two looks for a ready file."""


def find(program: str) -> str | None:
    """Give the path of a program, None if it is not installed."""
    return shutil.which(program, path=_FOLDERS)


def choose(scenario: Scenario, name: str) -> tuple[str, str]:
    """
    Give the server to run under a name, and why it can't be run, empty if it can.

    Where its program is not installed, the one that it names in its place counts.
    """
    server = scenario.server[name]
    if not server.program or find(server.program):
        return name, ""
    if server.otherwise:
        return choose(scenario, server.otherwise)
    return name, f"{server.program} is not installed"


class RunningServer:
    """A server that runs; its folder has its files and its output."""

    def __init__(self, name: str, server: Server, process: Process) -> None:
        self.name = name
        self.server = server
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        server: Server,
        place: Place,
        values: Mapping[str, str],
        folder: Path,
        *,
        leash: Leash,
    ) -> RunningServer:
        """Start it; returns when it is up. Raises `LabError` with the last that it said."""
        texts = {file: fill(text, values) for file, text in server.files.items()}
        lines = [fill(line, values) for line in server.prepare]
        await asyncio.to_thread(_prepare, name, texts, lines, folder)
        ready = folder / "ready.json"
        words = [fill(word, values) for word in server.bindpost or server.arguments]
        own = (
            (*BINDPOST, *words, "--ready-file", str(ready))
            if server.bindpost
            else (find(server.program) or server.program, *words)
        )
        prefix = place.machine(server.on).prefix
        process = await Process.start(
            name, (*prefix, *own), folder=folder, log=folder / "output.txt", leash=leash
        )
        running = cls(name, server, process)
        try:
            await running._wait_ready(ready, place, prefix)
        except BaseException:
            await process.stop()
            raise
        return running

    async def stop(self) -> None:
        """End it."""
        await self._process.stop()

    async def _wait_ready(self, file: Path, place: Place, prefix: tuple[str, ...]) -> None:
        wanted = self.server.ready
        if self.server.bindpost:
            up = await self._file_comes(file)
        elif wanted:
            up = await self._process.until(lambda: self._process.says(wanted))
        else:
            up = await self._answers(place, prefix)
        if not up:
            said = self._process.last_words
            raise LabError(f"{self.name} did not get up; it said: {said}")

    async def _file_comes(self, file: Path) -> bool:
        for _ in range(int(PATIENCE / _PAUSE)):
            if await asyncio.to_thread(file.exists):
                return True
            if self._process.status is not None:
                return False
            await asyncio.sleep(_PAUSE)
        return False

    async def _answers(self, place: Place, prefix: tuple[str, ...]) -> bool:
        """Dial its port on the proxy until somebody answers."""
        machine = place.machine(self.server.on)
        there = f"{machine.address}:{place.control}"
        probe = (*python_module("bindpost.server.lab.probe"), "--from", machine.address)
        command = (*prefix, *probe, "--to", there, "--wait", str(PATIENCE))
        dialling = asyncio.create_task(output_of(self.name, command, seconds=2 * PATIENCE))
        ending = asyncio.create_task(self._process.until(lambda: False, 2 * PATIENCE))
        try:
            await asyncio.wait((dialling, ending), return_when=asyncio.FIRST_COMPLETED)
            return not ending.done() and (await dialling)[0] == 0
        finally:
            for task in (dialling, ending):
                task.cancel()
            await asyncio.wait((dialling, ending))


def _prepare(name: str, texts: Mapping[str, str], lines: Sequence[str], folder: Path) -> None:
    """Write a server's files, then run its shell commands; raises `LabError`."""
    folder.mkdir(parents=True)
    write_files(folder, texts)
    for line in lines:
        try:
            subprocess.run(  # noqa: S602 - the scenario has it in a shell's words
                line, shell=True, cwd=folder, check=True, capture_output=True, text=True, timeout=30
            )
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip() or error.stdout.strip()
            raise LabError(f"{name}: `{line}` failed: {said}") from None
        except subprocess.TimeoutExpired:
            raise LabError(f"{name}: `{line}` did not end in 30 seconds") from None
