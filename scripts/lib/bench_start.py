"""
Measures how soon `bindpost serve` greets after it was started, and what that costs.

`scripts/bench start` prints tables, or puts them between the markers of a page. The environment
has nothing but what bindpost needs when it runs. It reads /proc, so it needs Linux.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from bench_contestants import add_peers, filled
from bench_picture import Groups
from bench_process import HERE, cpu_seconds, data_folder, greets, running, until
from bench_report import made, options_of, publish, say, table
from bench_rounds import noise, orders

from bindpost.proxy.local import free_port

PYTHON: Final = "`python -c pass`"
PYTHON_AGAIN: Final = f"{PYTHON} again"
AIOSMTPD: Final = "`aiosmtpd -n`"
SERVE: Final = "`bindpost serve`"
NO_WEB: Final = "`bindpost serve --web off`"
DEAREST: Final = 15
"""Imports in the profile."""
KEEPING_BYTECODE: Final = {"PYTHONDONTWRITEBYTECODE": ""}
"""Or else, where that is set, every start would compile what the first one compiles."""


class Found(NamedTuple):
    """Seconds from a start: to the first banner or to the end, until all is ready; and of work."""

    first: float
    ready: float | None
    work: float


class Import(NamedTuple):
    """What importing a module took, without and with what it imports itself, in µs."""

    module: str
    alone: int
    whole: int


Measure = Callable[[], Found]
Profiles = Sequence[Sequence[Import]]


def to_its_end(command: Sequence[str]) -> Measure:
    """Give what measures a program that ends by itself."""

    def measure() -> Found:
        before, began = os.times(), time.perf_counter()
        subprocess.run(command, check=True)  # noqa: S603
        took, after = time.perf_counter() - began, os.times()
        work = after.children_user + after.children_system
        return Found(took, None, work - before.children_user - before.children_system)

    return measure


def to_its_banner(command: str) -> Measure:
    """Give what measures a server; `{ready}` in its command is a file that it makes when ready."""

    def measure() -> Found:
        with data_folder() as folder:
            port, ready = free_port(), folder / "ready.json"
            parts = [part.replace("{ready}", str(ready)) for part in filled(command, port, folder)]
            began = time.perf_counter()
            with (
                running(parts, folder, KEEPING_BYTECODE) as process,
                ThreadPoolExecutor(1) as pool,
            ):

                def when(happened: Callable[[], bool]) -> float:
                    until(happened, process, folder)
                    return time.perf_counter() - began

                tells = "{ready}" in command
                is_ready = pool.submit(when, ready.exists) if tells else None
                first = when(lambda: greets(port))
                whole = is_ready.result() if is_ready else None
                return Found(first, whole, cpu_seconds(process.pid))

    return measure


def contestants(environment: Path, peers: Mapping[str, str]) -> dict[str, Measure]:
    """Give what is started, in the order of the table."""
    python, command = environment / "bin" / "python", serve(environment)
    return {
        PYTHON: to_its_end([str(python), "-c", "pass"]),
        PYTHON_AGAIN: to_its_end([str(python), "-c", "pass"]),
        AIOSMTPD: to_its_banner(
            f"{python} -m aiosmtpd -n -l {HERE}:{{smtp}} -c aiosmtpd.handlers.Sink"
        ),
        NO_WEB: to_its_banner(f"{command} --web off"),
        SERVE: to_its_banner(f"{command} --web {HERE}:{{web}}"),
        **{name: to_its_banner(peer) for name, peer in peers.items()},
    }


def serve(environment: Path) -> str:
    """Give the command that scripts/serve ends in."""
    return (
        f"{environment / 'bin' / 'bindpost'} serve --listen {HERE}:{{smtp}} --data {{data}}/data "
        "--ready-file {ready}"
    )


def imports(environment: Path, web: str) -> list[Import]:
    """Give every import of a start with `--web`, as `-X importtime` tells them."""
    with data_folder() as folder:
        ready = folder / "ready.json"
        command = f"{environment / 'bin' / 'python'} -X importtime {serve(environment)} --web {web}"
        parts = [
            part.replace("{ready}", str(ready)) for part in filled(command, free_port(), folder)
        ]
        with running(parts, folder, KEEPING_BYTECODE) as process:
            until(ready.exists, process, folder)
        said = (folder / "said.log").read_text("utf-8", "replace")
    found = re.findall(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", said, re.MULTILINE)
    return [Import(module, int(alone), int(whole)) for alone, whole, module in found]


def dearest(profiles: Profiles) -> list[Import]:
    """Give the imports that take longest by themselves, by their medians."""
    by_name: dict[str, list[Import]] = {}
    for profile in profiles:
        for each in profile:
            by_name.setdefault(each.module, []).append(each)
    medians = [
        Import(
            module,
            round(statistics.median(one.alone for one in each)),
            round(statistics.median(one.whole for one in each)),
        )
        for module, each in by_name.items()
    ]
    return sorted(medians, key=lambda one: -one.alone)[:DEAREST]


def report(rounds: Sequence[Mapping[str, Found]], profiles: Mapping[str, Profiles]) -> str:
    """Give the results as Markdown."""
    firsts = [{name: found.first for name, found in each.items()} for each in rounds]
    figures = ["ms to the banner", "ms until ready", "ms of processor", f"/ {PYTHON}"]
    return "\n\n".join(
        [
            made(f"Rounds: {len(rounds)}; medians."),
            table(["what"], figures, _rows(rounds)),
            noise(firsts, PYTHON_AGAIN, PYTHON),
            *(_extent(name, found) for name, found in profiles.items()),
            f"Measuring makes that slower. The {DEAREST} dearest of {SERVE} by themselves, "
            f"medians of {len(profiles[SERVE])}:",
            table(
                ["module"],
                ["ms alone", "ms with its own imports"],
                (
                    [f"`{one.module}`", f"{one.alone / 1000:.1f}", f"{one.whole / 1000:.1f}"]
                    for one in dearest(profiles[SERVE])
                ),
            ),
        ]
    )


def _extent(name: str, profiles: Profiles) -> str:
    """Give a sentence on how much a start imports."""
    count = statistics.median(len(profile) for profile in profiles)
    whole = statistics.median(sum(one.alone for one in profile) for profile in profiles)
    return f"A start of {name} imports {count:.0f} modules in {whole / 1000:.0f} ms."


def _rows(rounds: Sequence[Mapping[str, Found]]) -> Iterator[list[str]]:
    for name in rounds[0]:
        found = [each[name] for each in rounds]
        readies = [one.ready for one in found if one.ready is not None]
        ratio = statistics.median(each[name].first / each[PYTHON].first for each in rounds)
        yield [
            name,
            f"{1000 * statistics.median(one.first for one in found):.0f}",
            f"{1000 * statistics.median(readies):.0f}" if readies else "",
            f"{1000 * statistics.median(one.work for one in found):.0f}",
            f"{ratio:.1f}",
        ]


def picture(rounds: Sequence[Mapping[str, Found]]) -> Groups:
    """Give what is drawn: the time to the banner."""
    return {
        "ms to the first banner; of python, to its end": {
            name: 1000 * statistics.median(each[name].first for each in rounds)
            for name in rounds[0]
        }
    }


def measure(options: argparse.Namespace) -> list[Mapping[str, Found]]:
    """Start each once in each round; the round before, which warms the caches, does not count."""
    racing = contestants(options.environment, dict(options.peer))
    for once in racing.values():
        once()
    rounds: list[Mapping[str, Found]] = []
    for order in orders(racing, options.rounds):
        measured = {name: racing[name]() for name in order}
        rounds.append({name: measured[name] for name in racing})
        say(f"round {len(rounds)} of {options.rounds} is done")
    return rounds


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("start", __doc__)
    parser.add_argument("--environment", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profiles", type=int, default=3, help="starts with a profile of imports")
    add_peers(parser)
    options = parser.parse_args()
    if options.rounds < 1 or options.profiles < 1:
        parser.error("a run has at least one round and one profile")
    rounds = measure(options)
    profiles = {
        name: [imports(options.environment, web) for _ in range(options.profiles)]
        for name, web in ((NO_WEB, "off"), (SERVE, f"{HERE}:{{web}}"))
    }
    title = "From the start of the program (less is better)"
    publish("start", report(rounds, profiles), picture(rounds), title, options)


if __name__ == "__main__":
    main()
