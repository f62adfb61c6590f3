"""What scripts/bench found, as Markdown: the machine, the figures, how sure they are."""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from bindpost.pages import Part

BASE: Final = "`loop.create_server`"
AGAIN: Final = f"{BASE} again"
"""The base in the place of a path: what its ratios show is noise."""
DIRECT: Final = "`direct:`"


class Measured(NamedTuple):
    """What one client found: sessions a second, and connections that were turned away."""

    rate: float
    turned_away: int


class Pair(NamedTuple):
    """The base and a path, measured one right after the other."""

    base: Measured
    path: Measured


@dataclass(slots=True)
class Run:
    """Rounds of measurements, each of all paths; `other_ends` says what each path met."""

    sessions: int
    other_ends: Mapping[str, str]
    rounds: list[Mapping[str, Pair]] = field(default_factory=list)

    @property
    def base_rates(self) -> list[float]:
        """The base's rates, in sessions a second."""
        return [pair.base.rate for measured in self.rounds for pair in measured.values()]

    def rates(self, name: str) -> list[float]:
        """Give a path's rates, in sessions a second."""
        return [measured[name].path.rate for measured in self.rounds]

    def ratios(self, name: str) -> list[float]:
        """Give a path's rates as parts of the base's that was measured beside it."""
        pairs = [measured[name] for measured in self.rounds]
        return [pair.path.rate / pair.base.rate for pair in pairs]

    def turned_away(self, name: str) -> float:
        """Give how often a session was turned away before it was taken, on the average."""
        times = sum(measured[name].path.turned_away for measured in self.rounds)
        return times / (self.sessions * len(self.rounds))


def report(run: Run, loop: str) -> str:
    """Give the results as Markdown, with the machine described so that nobody knows which."""
    return "\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}. Rounds: {len(run.rounds)}; sessions in each, on each "
            f"path: {run.sessions}. {machine()}, event loop {loop}.",
            "",
            "| path | other end | sessions/s, median | ratio, median | ratio, min to max "
            "| turned away |",
            "|---|---|---:|---:|---:|---:|",
            *_rows(run),
            "",
            _verdict(run),
        ]
    )


def _rows(run: Run) -> Iterator[str]:
    yield f"| {BASE} |  | {statistics.median(run.base_rates):.0f} | 1.00 | | |"
    for name, other_end in run.other_ends.items():
        ratios = run.ratios(name)
        yield (
            f"| {name} | {other_end} | {statistics.median(run.rates(name)):.0f} "
            f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} "
            f"| {run.turned_away(name):.2f} |"
        )


def _verdict(run: Run) -> str:
    """Say whether `direct:` differs from the base by more than the base does from itself."""
    noise, direct = run.ratios(AGAIN), statistics.median(run.ratios(DIRECT))
    inside = min(noise) <= direct <= max(noise)
    return (
        f"{AGAIN} is the noise of this run: {min(noise):.2f} to {max(noise):.2f}. "
        f"The median of {DIRECT}, {direct:.2f}, is {'within' if inside else 'outside of'} it."
    )


def machine() -> str:
    """Describe the machine: processors, their family, load, Python, kernel; no names of hosts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kernel = ".".join(re.findall(r"\d+", platform.release())[:2])
    return (
        f"{cores} cores ({_processor()}), load {os.getloadavg()[0]:.1f} at the end, "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.system()} {kernel}"
    )


def _processor() -> str:
    """Give maker and family of the processor as Linux tells them, else the architecture alone."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    facts = dict(re.findall(r"^(vendor_id|cpu family)\s*: (.+)$", text, re.MULTILINE))
    if len(facts) < 2:
        return platform.machine()
    return f"{platform.machine()}, {facts['vendor_id']} family {facts['cpu family']}"


def publish(text: str, kind: str, page: str | None) -> None:
    """Print a report, or put it into a page, between the markers of its kind."""
    if page is None:
        sys.stdout.write(f"{text}\n")
        return
    Part(
        page="docs/performance.md",
        begin=f"<!-- {kind}: made by `scripts/bench {kind} --page docs/performance.md` -->",
        end=f"<!-- end of {kind} -->",
        make=lambda: text,
    ).main([page])
