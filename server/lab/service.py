"""The service under test: `bindpost serve` on the Exchange machine, its log read as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bindpost.config.scenario_file import OVERLAID, SETTINGS_FILE

from ..findings.result import LoggedEvent, WalkedHop
from .leash import Leash
from .places import overlay
from .process import PATIENCE, LabError, Process, output_of, python_module

BINDPOST: Final = python_module("bindpost")
CONSOLE: Final = "console.jsonl"
_LEVELS: Final = {2: "Error", 3: "Warning", 4: "Information"}
_READY: Final = "ready"


class Service:
    """One life of the service; `events` are those that it has logged so far, `on_event` is told."""

    def __init__(
        self,
        folder: Path,
        prefix: Sequence[str],
        files: Sequence[str],
        *,
        leash: Leash,
        on_event: Callable[[], None],
    ) -> None:
        self.events: list[LoggedEvent] = []
        self._leash = leash
        self._on_event = on_event
        self._folder = folder
        laid_over = {f"/{name}": folder / name for name in files if name in OVERLAID}
        self._command = (*prefix, *overlay(laid_over), *BINDPOST)
        self._ready = False
        self._process: Process | None = None

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs, or before it was started."""
        return None if self._process is None else self._process.status

    async def foretell(self) -> tuple[str, tuple[WalkedHop, ...], int | None]:
        """
        Ask `bindpost check`: gives the bind path's URL, its hops, and the first code, 0 for none.

        What it printed is kept as check.json. The code is None if it printed no such thing.
        """
        command = (*self._command, "check", "--config", SETTINGS_FILE, "--json")
        _, output = await output_of(
            "bindpost check", command, seconds=PATIENCE, folder=self._folder
        )
        (self._folder / "check.json").write_bytes(output)
        try:
            (verdict,) = msgspec.json.decode(output, type=list[dict[str, Any]])
            hops = msgspec.convert(verdict["hops"], tuple[WalkedHop, ...])
        except (msgspec.MsgspecError, ValueError, KeyError):
            return "", (), None
        return str(verdict["via"]), hops, verdict["code"] or 0

    async def start(self) -> None:
        """Start it; returns when it is ready or has ended. Raises `LabError`."""
        command = (*self._command, "serve", "--config", SETTINGS_FILE, "--log", "json")
        self._process = await Process.start(
            "the service",
            (*command, "--ready-file", str(self._folder / "ready.json")),
            folder=self._folder,
            log=self._folder / CONSOLE,
            leash=self._leash,
            on_line=self._heard,
        )
        if not await self._process.until(lambda: self._ready) and self.status is None:
            raise LabError(f"the service is neither ready nor ended after {PATIENCE:g} seconds")

    async def until(self, holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Wait until something holds that its log brings about, or it ends; says if it holds."""
        assert self._process is not None
        return await self._process.until(holds, seconds)

    async def stop(self) -> int | None:
        """Ask it to stop if it runs; gives the exit status then, None if it had ended already."""
        if self._process is None:
            return None
        had_ended = self.status is not None
        status = await self._process.stop()
        return None if had_ended else status

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            await self._process.stop()

    def _heard(self, line: str) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            return
        if isinstance(record, dict) and "EventID" in record:
            self.events.append(_event(record))
            self._ready |= record["event"].get("action") == _READY
            self._on_event()


def _event(record: Mapping[str, Any]) -> LoggedEvent:
    """Read a record of the JSON log."""
    return LoggedEvent(
        time=record["@timestamp"],
        source=record["Provider_Name"],
        id=record["EventID"],
        level=_LEVELS.get(record["Level"], "Audit"),
        category=record["winlog"]["task"],
        computer=record["Computer"],
        message=record["message"],
        strings=tuple(record.get("Data", ())),
        fields=record.get("bindpost", {}),
    )
