"""The HTML report: one file with everything in it, to be looked at and sent on."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jinja2

from bindpost import __version__
from bindpost.errors import ConfigError

from ..findings.drawing import STATIC, TEMPLATES, draw
from ..findings.result import LoggedEvent, PhaseResult, ScenarioResult
from ..findings.words import article, paragraphs

_TEMPLATES: Final = Path(__file__).parent / "templates"
_OPEN: Final = 2
"""A report of so many scenarios or fewer shows them unfolded."""
_BESIDE: Final = ("hop", "reason", "hint", "peer", "via")
"""Fields of an event that are shown below its sentence, in this order."""


def write_report(path: Path, results: Sequence[ScenarioResult]) -> None:
    """Write the report of a run; raises `ConfigError` if it can't be written."""
    try:
        path.write_text(render(results), "utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"no report can be written: {error.strerror}") from None


def render(results: Sequence[ScenarioResult]) -> str:
    """Give the report of a run as HTML; what is in the results is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_TEMPLATES, TEMPLATES, STATIC]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "draw": draw,
        "article": article,
        "errors": _errors,
        "changes": _changes,
        "paragraphs": paragraphs,
        "moment": _moment,
    }
    counts = {
        outcome: sum(result.outcome == outcome for result in results)
        for outcome in ("held", "failed", "skipped")
    }
    return environment.get_template("report.html").render(
        results=results,
        counts=counts,
        unfold=len(results) <= _OPEN,
        version=__version__,
        now=datetime.now(UTC),
    )


def _moment(time: str) -> tuple[str, str]:
    """Give date and time of an event as NT's Event Viewer wrote them."""
    then = datetime.fromisoformat(time)
    return f"{then.month}/{then.day}/{then:%y}", f"{then.hour % 12 or 12}{then::%M:%S %p}"


def _errors(logged: Sequence[LoggedEvent]) -> list[tuple[LoggedEvent, list[tuple[str, str]]]]:
    """Give each error with what stands beside its sentence, and is not told already."""
    told: set[tuple[str, str]] = set()
    found = []
    for event in logged:
        if event.level == "Error":
            fields = [(name, str(event.fields[name])) for name in _BESIDE if event.fields.get(name)]
            found.append((event, [pair for pair in fields if pair not in told]))
            told |= set(fields)
    return found


def _changes(phase: PhaseResult, phases: Sequence[PhaseResult]) -> list[tuple[str, list[str]]]:
    """Give what is different in a phase's files from those of the first phase that had any."""
    first = next((other for other in phases if other.files), phase)
    if phase is first or not phase.files:
        return []
    found = []
    for name in dict.fromkeys([*first.files, *phase.files]):
        old, new = first.files.get(name, ""), phase.files.get(name, "")
        lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2)
        changed = list(lines)[2:]
        if changed:
            found.append((name, changed))
    return found
