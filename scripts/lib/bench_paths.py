"""
Measures each bind path's session rate as a ratio to plain loop.create_server, in one run.

`scripts/bench paths` prints a table, or puts it between the markers of a page.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench_paths_report import Measured, Pair, Run, picture, report
from bench_places import Factory, Place, places, plain
from bench_report import options_of, publish, say
from bench_rounds import orders

from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings
from bindpost.server.eventlog import configure
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Retention

CLIENT: Final = Path(__file__).with_name("bench_client.py")
LOOPS: Final = ("uvloop", "asyncio")


async def measure_once(place: Place, factory: Factory, sessions: int) -> Measured:
    """Give what a client in a process of its own finds of a path."""
    async with place.serve(factory) as target:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, str(CLIENT), target.host, str(target.port), str(sessions)),
            target.header.hex(),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await client.communicate()
    if client.returncode:
        raise SystemExit(f"the client failed, through {place.serve.__name__} {place.other_end}")
    rate, turned_away = output.split()
    return Measured(float(rate), int(turned_away))


async def measure(rounds: int, sessions: int) -> Run:
    """
    Measure every path once in each round, right beside the base.

    What else the machine does shall fall on all alike: each round begins with another path, and in
    every other one the path comes before the base.
    """
    found = places()
    store = MemoryStore(Retention(max_messages=100))
    factory = session_factory(
        Resources.load(Settings(hostname="bench"), hostname="bench", folder=Path()),
        ListenerSettings(endpoint="127.0.0.1:0"),
        via="bench",
        store=store,
        sessions=Sessions(1000),
    )
    run = Run(sessions, {name: place.other_end for name, place in found.items()})
    for turn, order in enumerate(orders(found, rounds)):
        measured = {}
        for name in order:
            pair = [Place("", plain), found[name]]
            results = [
                await measure_once(place, factory, sessions)
                for place in (reversed(pair) if turn % 2 else pair)
            ]
            measured[name] = Pair(*(reversed(results) if turn % 2 else results))
        run.rounds.append(measured)
        say(f"round {turn + 1} of {rounds} is done")
    await store.close()
    return run


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes event loops of a kind."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    import uvloop

    return uvloop.new_event_loop


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("paths", __doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=300, help="in each round, on each path")
    parser.add_argument("--loop", choices=LOOPS, default=LOOPS[0], help="default: as serve does")
    options = parser.parse_args()
    if options.rounds < 1 or options.sessions < 1:
        parser.error("a run has at least one round of one session")
    configure(form="console", level="error", stream=sys.stderr, host="bench")
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        run = runner.run(measure(options.rounds, options.sessions))
    title = "Sessions on each bind path (more is better)"
    publish("paths", report(run, options.loop), picture(run), title, options)


if __name__ == "__main__":
    main()
