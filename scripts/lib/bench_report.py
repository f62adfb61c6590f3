"""What all questions of scripts/bench share: options, tables, the machine, page and picture."""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench_picture import Groups, draw

from bindpost.pages import Part

PAGE: Final = "docs/performance.md"


def options_of(question: str, description: str | None) -> argparse.ArgumentParser:
    """
    Give a parser with the options that every question has.

    From here on SIGTERM ends this program as Ctrl-C does: with the servers that it has started.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(prog=f"scripts/bench {question}", description=description)
    parser.add_argument("--page", help="put the results between the markers of this page")
    parser.add_argument("--pictures", metavar="DIR", help="draw the results into this folder")
    return parser


def publish(
    question: str, text: str, groups: Groups, title: str, options: argparse.Namespace
) -> None:
    """Print a question's report or put it into a page, and draw its picture if that is wanted."""
    if options.pictures:
        picture = Path(options.pictures, f"bench-{question}.svg")
        picture.write_text(draw(title, groups), encoding="utf-8")
    if options.page is None:
        sys.stdout.write(f"{text}\n")
        return
    Part(
        page=PAGE,
        begin=f"<!-- {question}: made by `scripts/bench {question} --page {PAGE}` -->",
        end=f"<!-- end of {question} -->",
        make=lambda: text,
    ).main([options.page])


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{text}\n")


def table(names: Sequence[str], figures: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Give a table in Markdown: columns of names, to the left, then of figures, to the right."""
    lines = [[*names, *figures], *rows]
    head, *body = (f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    return "\n".join([head, f"|{'---|' * len(names)}{'---:|' * len(figures)}", *body])


def made(text: str) -> str:
    """Give the line above a table: when and how it was made, and on what machine."""
    return f"{datetime.now(UTC):%Y-%m-%d}. {text} {machine()}."


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
