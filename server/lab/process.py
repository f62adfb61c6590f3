"""A program of the lab: started in a folder, its output kept and read line by line, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from bindpost.errors import BindpostError

from .leash import Leash

PATIENCE: Final = 45.0
"""Seconds for a program to get up, or for an event to come."""
LEAVE: Final = 15.0
"""Seconds for a program to end after SIGTERM, before it is killed."""
_KEPT: Final = 200
"""Last lines of its output that are remembered."""
_SHOWN: Final = 5
"""Those of them that an error shows."""
_LONGEST_LINE: Final = 1024 * 1024


class LabError(BindpostError):
    """The lab itself could not do what the scenario asks; `str()` is a sentence for a person."""


class Process:
    """
    A running program, in a process group of its own.

    Its output and its errors go, as they come, into the file `log`; `on_line` is told each line.
    """

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        leash: Leash,
        on_line: Callable[[str], None] | None,
    ) -> None:
        self.name = name
        self._last: deque[str] = deque(maxlen=_KEPT)
        self._process = process
        self._leash = leash
        self._on_line = on_line
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        log: Path,
        leash: Leash,
        on_line: Callable[[str], None] | None = None,
    ) -> Self:
        """Start it on a leash; raises `LabError` if there is no such program."""
        try:
            process = await _spawn(command, folder)
        except OSError as error:
            raise _no_program(name, command, error) from None
        leash.hold(process.pid)
        self = cls(name, process, leash, on_line)
        self._pump = asyncio.create_task(self._read(log))
        return self

    @property
    def status(self) -> int | None:
        """Its exit status, once everything that it said has been read; None while it runs."""
        assert self._pump is not None
        return self._process.returncode if self._pump.done() else None

    def says(self, text: str) -> bool:
        """Tell whether it has said a line with this in it."""
        return any(text in line for line in self._last)

    @property
    def last_words(self) -> str:
        """The last lines that it said, for an error."""
        return " | ".join(list(self._last)[-_SHOWN:]) or "nothing"

    async def until(self, holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Wait until something holds that its output brings about, or it ends; says if it holds."""
        end = time.monotonic() + seconds
        while not holds() and self.status is None:
            self._news.clear()
            left = end - time.monotonic()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                break
        return holds()

    async def stop(self) -> int:
        """End it as users do, and kill what is left of it in the end; gives its exit status."""
        assert self._pump is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), LEAVE)
        self.kill()
        status = await self._process.wait()
        self._leash.let_go(self._process.pid)
        await self._pump
        return status

    def kill(self) -> None:
        """Kill it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _read(self, log: Path) -> None:
        assert self._process.stdout is not None
        with log.open("ab") as file:
            async for line in self._process.stdout:
                file.write(line)
                file.flush()
                text = line.decode(errors="replace").rstrip("\n")
                self._last.append(text)
                if self._on_line is not None:
                    self._on_line(text)
                self._news.set()
        await self._process.wait()
        # Whoever waits looks at the status, which is there when this task is done.
        asyncio.get_running_loop().call_soon(self._news.set)


async def _spawn(command: Sequence[str], folder: Path) -> asyncio.subprocess.Process:
    """Start a program in a group of its own; being cancelled meanwhile ends the whole group."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio's own way would end the program, and not what that has started already.
        with contextlib.suppress(OSError):
            process = await starting
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        raise


async def output_of(
    name: str, command: Sequence[str], *, seconds: float, folder: Path | None = None
) -> tuple[int, bytes]:
    """
    Run a program to its end; gives its exit status and its standard output.

    Raises `LabError` if there is no such program, or if it takes longer than `seconds`.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise _no_program(name, command, error) from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        raise LabError(f"{name} did not end in {seconds:g} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output


def _no_program(name: str, command: Sequence[str], error: OSError) -> LabError:
    return LabError(f"{name}: {command[0]} can't be started: {error.strerror}")


def environment() -> Mapping[str, str]:
    """Give the environment without what would change the programs of the lab."""
    strange = ("BINDPOST_", "SSH_AUTH_SOCK", "LISTEN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}


def python_module(name: str) -> tuple[str, ...]:
    """Give the command that runs a module by the Python that runs us."""
    return (sys.executable, "-m", name)
