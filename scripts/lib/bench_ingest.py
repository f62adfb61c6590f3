"""
Measures how fast mail is taken, as a ratio to Postfix's smtp-sink and to aiosmtpd in one run.

`scripts/bench ingest [--rounds N] [--seconds S] [--only TEXT] [--page FILE] [--pictures DIR]`
prints tables, or puts them between the markers of a page. The load is Postfix's smtp-source.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bench_contestants import AIOSMTPD, SINK, Contestant, contestants, source
from bench_ingest_report import Cell, Results, report
from bench_picture import bars
from bench_servers import program

from bindpost.pages import Part

LOOPS: Final = ("uvloop", "asyncio")
SIZES: Final = {"1 KiB": 1024, "10 KiB": 10 * 1024, "1 MiB": 1024 * 1024}
SESSIONS: Final = (1, 10, 100)
FIRST: Final = 4
"""Messages of each session in the first run, which tells how many take the time that is wanted."""


def cells() -> Iterator[Cell]:
    """Give what is measured: each size, number of sessions, and one or many messages of each."""
    for size in SIZES:
        for sessions in SESSIONS:
            for many in (True, False):
                yield Cell(size, sessions, many)


def load(cell: Cell, contestant: Contestant, messages: int) -> float:
    """Bring so many messages; gives how many were taken a second."""
    began = time.perf_counter()
    source(
        [
            *("-s", str(cell.sessions), "-m", str(messages), "-l", str(SIZES[cell.size])),
            *("-f", "a@bench.test", "-t", "b@bench.test"),
            *(["-d"] if cell.many else []),
        ],
        contestant.port,
    )
    return messages / (time.perf_counter() - began)


def measure_cell(
    cell: Cell, racing: Mapping[str, Contestant], rounds: int, seconds: float, results: Results
) -> None:
    """
    Measure all servers once in each round, beginning with another one each time.

    The first run of each warms it up and tells how many messages take the time that is wanted.
    """
    wanted = {}
    for name, contestant in racing.items():
        rate = load(cell, contestant, FIRST * cell.sessions)
        wanted[name] = max(2 * cell.sessions, int(rate * seconds))
    names = list(racing)
    for turn in range(rounds):
        start = turn % len(names)
        rates = {
            name: load(cell, racing[name], wanted[name]) for name in names[start:] + names[:start]
        }
        results.add(cell, rates)
    sys.stderr.write(f"{cell} is done\n")


async def measure(options: argparse.Namespace) -> Results:
    """Have all servers up at once, and measure each cell."""
    results = Results(options.rounds, options.seconds, options.loop)
    async with AsyncExitStack() as stack:
        racing = {
            name: await stack.enter_async_context(start(name))
            for name, start in contestants(options.loop).items()
            if name in (SINK, AIOSMTPD) or options.servers in name
        }
        for cell in cells():
            if options.only in str(cell):
                await asyncio.to_thread(
                    measure_cell, cell, racing, options.rounds, options.seconds, results
                )
    return results


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = argparse.ArgumentParser(prog="scripts/bench ingest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each measurement, about")
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0], help="default: as serve does")
    parser.add_argument("--only", default="", help="only cells whose name has this in it")
    parser.add_argument("--servers", default="", help="only servers whose name has this in it")
    parser.add_argument("--page", help="put the results between the markers of this page")
    parser.add_argument("--pictures", help="draw the results into this folder")
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("a run has at least one round, of some time")
    if not (program("smtp-source") and program("smtp-sink")):
        sys.exit(
            "smtp-source and smtp-sink are not installed: they are in Debian's package postfix"
        )
    results = asyncio.run(measure(options))
    if not results.rounds_of:
        parser.error(f"no cell has {options.only!r} in its name")
    if options.pictures:
        for name, title, rows in results.pictures():
            Path(options.pictures, name).write_text(bars(title, rows), encoding="utf-8")
    text = report(results)
    if options.page is None:
        sys.stdout.write(f"{text}\n")
        return
    Part(
        page="docs/performance.md",
        begin="<!-- ingest: made by `scripts/bench ingest --page docs/performance.md` -->",
        end="<!-- end of ingest -->",
        make=lambda: text,
    ).main([options.page])


if __name__ == "__main__":
    main()
