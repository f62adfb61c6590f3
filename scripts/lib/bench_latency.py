"""
Measures how long a client waits for its 250 when mail comes at a rate of its own.

`scripts/bench latency` prints tables, or puts them between the markers of a page. The clients are
bench_generator.py: an open loop, so that a slow answer does not keep the next message away.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

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
)
from bench_load import Found, Latency, Stream, generate
from bench_picture import Groups
from bench_process import Server
from bench_report import made, options_of, publish, say, table
from bench_rounds import noise, orders

KIB: Final = 1024
LOADS: Final[Mapping[str, tuple[Stream, ...]]] = {
    "100/s of 1 KiB, 50 sessions": (Stream(100, KIB, 50),),
    "400/s of 1 KiB, 50 sessions": (Stream(400, KIB, 50),),
    "1,000/s of 1 KiB, 50 sessions": (Stream(1000, KIB, 50),),
    "200/s of 1 KiB beside 20/s of 1 MiB": (Stream(200, KIB, 20), Stream(20, KIB * KIB, 10)),
}
CLOSED: Final = Stream(0, KIB, 50)
"""The most that the generator brings: each session as soon as it is answered."""
WARM: Final = 0.3
"""Seconds of each load before the rounds."""


@dataclass(slots=True)
class Results:
    """What the first stream of each load met, by server and round; and what the generator can."""

    rounds: int
    seconds: float
    names: list[str]
    loads: dict[str, list[Mapping[str, Found]]] = field(default_factory=dict)
    closed: list[Found] = field(default_factory=list)

    def found(self, load: str, name: str) -> list[Found]:
        """Give what a server did, by round."""
        return [measured[name] for measured in self.loads[load]]

    def latency(self, load: str, name: str) -> Latency:
        """Give the medians of the rounds' figures."""
        each = [found.latency for found in self.found(load, name)]
        return Latency(*(statistics.median(figures) for figures in zip(*each, strict=True)))


def measure_load(
    streams: tuple[Stream, ...], racing: Mapping[str, Server], rounds: int, seconds: float
) -> list[Mapping[str, Found]]:
    """Bring a load to each server, in each round; gives what the first stream met."""
    for server in racing.values():
        generate(server.port, min(WARM, seconds), *streams)
    return [
        {name: generate(racing[name].port, seconds, *streams)[0] for name in order}
        for order in orders(racing, rounds)
    ]


def measure(starts: Mapping[str, Start], options: argparse.Namespace) -> Results:
    """Have all servers up at once, and bring each load that is wanted."""
    results = Results(options.rounds, options.seconds, list(starts))
    with all_up(starts) as racing:
        for load, streams in LOADS.items():
            if options.only in load:
                results.loads[load] = measure_load(streams, racing, options.rounds, options.seconds)
                say(f"{load} is done")
        results.closed = [
            generate(racing[SINK].port, options.seconds, CLOSED)[0] for _ in range(options.rounds)
        ]
    return results


def report(results: Results) -> str:
    """Give the results as Markdown."""
    parts = [
        made(f"Rounds: {results.rounds}, of {results.seconds:g} s for each server; medians."),
        *_tables(results),
        noise(_p99s(results), SINK_AGAIN, SINK).replace("times", "times the p99 of"),
        _generator(results),
    ]
    return "\n\n".join(parts)


def _tables(results: Results) -> Iterator[str]:
    figures = ["p50", "p99", "max", f"p99 / {AIOSMTPD}", "answered/s"]
    for load in results.loads:
        yield f"**{load}**, ms from when a message{' of 1 KiB' if 'MiB' in load else ''} was due:"
        yield table(["server"], figures, _rows(results, load))


def _rows(results: Results, load: str) -> Iterator[list[str]]:
    for name in results.names:
        found = results.found(load, name)
        pairs = zip(found, results.found(load, AIOSMTPD), strict=True)
        ratio = statistics.median(mine.latency.p99 / base.latency.p99 for mine, base in pairs)
        rate = f"{statistics.median(each.rate for each in found):.0f}"
        unanswered = sum(each.unanswered for each in found)
        if unanswered:
            rate += f", {unanswered} never"
        behind = " behind" if name.startswith("bindpost") and ratio > 1 else ""
        latency = (f"{figure:.2f}" for figure in results.latency(load, name))
        yield [name, *latency, f"{ratio:.2f}{behind}", rate]


def _p99s(results: Results) -> Iterator[Mapping[str, float]]:
    for rounds in results.loads.values():
        for measured in rounds:
            yield {name: found.latency.p99 for name, found in measured.items()}


def _generator(results: Results) -> str:
    """Say how much the generator can do, and how far it was from that."""
    most = statistics.median(found.rate for found in results.closed)
    on_sink = [found for load in results.loads for found in results.found(load, SINK)]
    late = statistics.median(found.late for found in on_sink)
    return (
        f"The generator by itself: against {SINK} it brings {most:.0f} messages a second in a "
        f"closed loop over {CLOSED.sessions} sessions. While it brought these loads to {SINK} it "
        f"took {max(found.busy for found in on_sink):.0%} of a processor at most, and 99 of 100 "
        f"messages were less than {late:.2f} ms behind when it came to them (the median round)."
    )


def picture(results: Results) -> Groups:
    """Give what is drawn: the p99 of each load."""
    return {
        load: {name: results.latency(load, name).p99 for name in results.names}
        for load in results.loads
    }


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("latency", __doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load, for each server")
    parser.add_argument("--only", default="", help="only loads whose name has this in it")
    add_servers(parser)
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("a run has at least one round, of some time")
    if not any(options.only in load for load in LOADS):
        parser.error(f"no load has {options.only!r} in its name")
    bases = {SINK: sink, SINK_AGAIN: sink, AIOSMTPD: bare("aiosmtpd")}
    results = measure(chosen(bases, ours(null=False, memory=False), options), options)
    title = "99 of 100 messages are answered within so many ms (less is better)"
    publish("latency", report(results), picture(results), title, options)


if __name__ == "__main__":
    main()
