"""The HTML report."""

from __future__ import annotations
from pathlib import Path
from collections.abc import Sequence
from .result import ScenarioResult


def write_report(path: Path, results: Sequence[ScenarioResult]) -> None:
    """Write."""
    path.write_text("x")
