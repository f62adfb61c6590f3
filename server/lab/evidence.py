"""What is kept of a run: the files that were used, and what was seen, each phase in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from ..findings.result import PhaseResult, Visit

_ANSI: Final = (".ini", ".txt")
"""The Proxy Client's files, which KB Q181420 wants in ANSI."""


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files that a program is started on; raises `OSError`."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        encoding = "cp1252" if name.endswith(_ANSI) else "utf-8"
        (folder / name).write_bytes(text.encode(encoding, "xmlcharrefreplace"))


def keep(folder: Path, phase: PhaseResult) -> None:
    """Write what a phase showed: its events, the transcripts of the visits, all as one result."""
    _write_json(folder / "events.json", phase.events)
    lines = [line for visit in phase.visits for line in _transcript(visit)]
    (folder / "visits.txt").write_text("\n".join(lines), "utf-8")
    _write_json(folder / "result.json", phase)


def _transcript(visit: Visit) -> tuple[str, ...]:
    return (f"# {visit.role}: {visit.reached}", *visit.transcript, "")


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value)))
