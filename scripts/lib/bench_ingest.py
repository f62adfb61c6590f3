"""
Measures how fast mail is taken, as ratios to other servers in one run.

`scripts/bench ingest` prints tables, or puts them between the markers of a page. The load is
Postfix's smtp-source, all servers are up at once, and one at a time is loaded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

from bench_contestants import (
    AIOSMTPD,
    SINK,
    SINK_AGAIN,
    Start,
    add_servers,
    all_up,
    bare,
    chosen,
    ours,
    sink,
    source,
)
from bench_ingest_report import SIZES, Cell, Results, Taken, picture, report
from bench_process import Server, cpu_seconds
from bench_report import options_of, publish, say
from bench_rounds import orders

SESSIONS = (1, 10, 100)
FIRST = 4
"""Messages in the first run, or one a session; it tells how many take the time that is wanted."""


def cells() -> Iterator[Cell]:
    """Give what is measured: each size, number of sessions, and many or one message in each."""
    for size in SIZES:
        for sessions in SESSIONS:
            for many in (True, False):
                yield Cell(size, sessions, many)


def load(cell: Cell, server: Server, messages: int) -> Taken:
    """Bring so many messages; gives how many were taken a second, and what each cost."""
    count = ("-s", str(cell.sessions), "-m", str(messages), "-l", str(SIZES[cell.size]))
    spent, began = cpu_seconds(server.pid), time.perf_counter()
    source([*count, *(["-d"] if cell.many else [])], server.port)
    rate = messages / (time.perf_counter() - began)
    return Taken(rate, (cpu_seconds(server.pid) - spent) / messages)


def measure_cell(
    cell: Cell, racing: Mapping[str, Server], rounds: int, seconds: float
) -> list[Mapping[str, Taken]]:
    """
    Measure all servers once in each round; gives what was found by round.

    The first run of each warms it up and tells how many messages take the time that is wanted.
    """
    least = cell.sessions * (2 if cell.many else 1)
    wanted = {}
    for name, server in racing.items():
        first = load(cell, server, max(FIRST, cell.sessions))
        wanted[name] = max(least, int(first.rate * seconds))
    return [
        {name: load(cell, racing[name], wanted[name]) for name in order}
        for order in orders(racing, rounds)
    ]


def measure(starts: Mapping[str, Start], options: argparse.Namespace) -> Results:
    """Have all servers up at once, and measure each cell that is wanted."""
    results = Results(options.rounds, options.seconds, list(starts))
    with all_up(starts) as racing:
        for cell in cells():
            if any(text in str(cell) for text in options.only or [""]):
                results.cells[cell] = measure_cell(cell, racing, options.rounds, options.seconds)
                say(f"{cell} is done")
    return results


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("ingest", __doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement, about")
    parser.add_argument(
        "--only", action="append", help="only cells whose name has this in it; may be repeated"
    )
    add_servers(parser)
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("a run has at least one round, of some time")
    if not any(text in str(cell) for cell in cells() for text in options.only or [""]):
        parser.error(f"no cell has one of {options.only} in its name")
    bases = {SINK: sink, SINK_AGAIN: sink, AIOSMTPD: bare("aiosmtpd")}
    results = measure(chosen(bases, ours(), options), options)
    title = "Messages a second, smtp-sink = 1; 100 sessions, many messages each (more is better)"
    publish("ingest", report(results), picture(results), title, options)


if __name__ == "__main__":
    main()
