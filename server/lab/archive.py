"""Keeps the evidence of the newest runs, each in a folder, and finds their results again."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, final

import msgspec

from ..findings.result import ScenarioResult
from .report import render

REPORT: Final = "report.html"
RESULTS: Final = "results.json"
_STAMP: Final = "%Y%m%dT%H%M%S%fZ"
_NAME: Final = re.compile(r"(\d{8}T\d{12}Z)-[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True, slots=True)
class Kept:
    """A run: when it began, what it found, where its evidence is, None if that isn't kept."""

    when: datetime
    result: ScenarioResult
    folder: Path | None

    @property
    def report(self) -> Path | None:
        """The file of its report; None when there is none, or none any more."""
        path = None if self.folder is None else self.folder / REPORT
        return path if path is not None and path.is_file() else None


@final
class Archive:
    """
    The folder of all runs, of which the newest `keep` stay.

    Without a `root` it is a temporary one, which goes with `close()`. All methods may block, and
    those that write raise `OSError`.
    """

    def __init__(self, root: Path | None, *, keep: int) -> None:
        self._root = root
        self._keep = keep
        self._temporary: Path | None = None

    def begin(self, name: str) -> Path:
        """Make the folder of a new run, and let the oldest go."""
        root = self._root
        if root is None:
            root = self._temporary = self._temporary or Path(tempfile.mkdtemp(prefix="bindpost-"))
        root.mkdir(parents=True, exist_ok=True)
        folder = root / f"{datetime.now(UTC).strftime(_STAMP)}-{name}"
        folder.mkdir(mode=0o700)
        for old in self._folders()[self._keep :]:
            shutil.rmtree(old, ignore_errors=True)
        return folder

    def finish(self, folder: Path, result: ScenarioResult) -> Kept:
        """Write a run's results and its report."""
        (folder / RESULTS).write_bytes(msgspec.json.format(msgspec.json.encode([result])))
        (folder / REPORT).write_text(render([result]), "utf-8")
        return Kept(_when(folder), result, folder)

    def newest(self) -> dict[str, Kept]:
        """Give the newest run of each scenario by its name; what can't be read is left out."""
        found: dict[str, Kept] = {}
        for kept in self._read():
            found.setdefault(kept.result.name, kept)
        return found

    def close(self) -> None:
        """Let a temporary folder go."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _read(self) -> Iterator[Kept]:
        for folder in self._folders():
            try:
                (result,) = msgspec.json.decode(
                    (folder / RESULTS).read_bytes(), type=tuple[ScenarioResult]
                )
            except (OSError, msgspec.MsgspecError):
                continue  # it did not come to its end, or another version wrote it
            yield Kept(_when(folder), result, folder)

    def _folders(self) -> list[Path]:
        """Give the folders of the runs, the newest first; nothing else in the root is ours."""
        root = self._root or self._temporary
        if root is None or not root.is_dir():
            return []
        return sorted((path for path in root.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def _when(folder: Path) -> datetime:
    stamp = folder.name.partition("-")[0]
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
