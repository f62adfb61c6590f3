"""
Loads `bindpost serve` for minutes, and sees that it neither grows, nor slows down, nor loses mail.

`scripts/bench soak` prints a table, or puts it between the markers of a page; exit status 1 says
that something did not hold. It reads /proc, so it needs Linux.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from bench_contestants import DURABLE, serve
from bench_load import Found, Stream, generate
from bench_picture import Groups
from bench_process import HERE, Server, descriptors, private_bytes, threads
from bench_report import made, options_of, publish, say, table

from bindpost.client import Client

KIB: Final = 1024
MIB: Final = 1024 * 1024
SESSIONS: Final = 50
EACH: Final = 100
"""Messages of a session: what is kept of a session while it lasts shall not count as growth."""
SHARE: Final = 0.7
"""Of the most that is taken: what is brought."""
MOST: Final = 10.0
"""Seconds in which the most is measured, if the run is no shorter."""
SPARE: Final = 4
"""Threads or descriptors more than in the first minute that are no growth."""
MINUTE: Final = 60.0


class Sample(NamedTuple):
    """What the server used at a time: seconds from the begin, bytes, threads, descriptors."""

    at: float
    memory: int
    threads: int
    descriptors: int


@dataclass(slots=True)
class Sampler:
    """Looks at a server each so many seconds, in a thread, until the block is left."""

    server: Server
    every: float
    samples: list[Sample] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look until told to stop, and once more then."""
        began, pid = time.monotonic(), self.server.pid
        while True:
            stopped = self._stopped.wait(self.every)
            self.samples.append(
                Sample(time.monotonic() - began, private_bytes(pid), threads(pid), descriptors(pid))
            )
            if stopped:
                return

    def stop(self) -> None:
        """Look a last time."""
        self._stopped.set()


@dataclass(slots=True)
class Soaked:
    """All that a run found."""

    most: float
    rate: float
    seconds: float
    found: Found
    samples: Sequence[Sample]
    lost: int
    twice: int

    @property
    def first_minute(self) -> list[Sample]:
        """The samples of the first minute, or of the first half of a shorter run."""
        end = min(MINUTE, self.seconds / 2)
        return [sample for sample in self.samples if sample.at <= end] or [self.samples[0]]

    def complaints(self, margin: float) -> Iterator[str]:
        """Say what did not hold."""
        first, last = self.first_minute, self.samples[-1]
        if self.lost or self.twice:
            yield f"{self.lost} messages are lost, {self.twice} are there twice"
        if self.found.unanswered:
            yield f"{self.found.unanswered} messages were never answered"
        memory = max(sample.memory for sample in first)
        if last.memory > memory * (1 + margin):
            yield f"the memory grew from {memory / MIB:.1f} to {last.memory / MIB:.1f} MiB"
        for what in ("threads", "descriptors"):
            before, now = max(getattr(sample, what) for sample in first), getattr(last, what)
            if now > before + SPARE:
                yield f"there were {before} {what} in the first minute, {now} at the end"


def soak(minutes: float, rate: float | None) -> Soaked:
    """Measure the most that is taken, then bring a part of that, and count what is kept."""
    seconds = minutes * MINUTE
    with serve({})(DURABLE) as server:
        (closed,) = generate(server.port, min(MOST, seconds), Stream(0, KIB, SESSIONS, EACH))
    brought = rate or SHARE * closed.rate
    say(f"{closed.rate:.0f} messages a second at most; now {brought:.0f} a second")
    with serve({})(DURABLE) as server, ThreadPoolExecutor(1) as pool:
        sampler = Sampler(server, every=min(1.0, seconds / 10))
        sampling = pool.submit(sampler.run)
        try:
            (found,) = generate(server.port, seconds, Stream(brought, KIB, SESSIONS, EACH))
        finally:
            sampler.stop()
        sampling.result()
        kept = subjects(server)
    acknowledged = {str(number) for number in range(found.brought)} - set(map(str, found.open))
    return Soaked(
        most=closed.rate,
        rate=brought,
        seconds=seconds,
        found=found,
        samples=sampler.samples,
        lost=len(acknowledged - kept.keys()),
        twice=sum(count > 1 for count in kept.values()),
    )


def subjects(server: Server) -> Counter[str]:
    """Count the subjects of all that is kept."""
    client = Client(f"http://{HERE}:{server.web}", timeout=60)
    return Counter(message.fields.subject for message in client.messages(limit=0))


def report(soaked: Soaked, margin: float) -> str:
    """Give the results as Markdown."""
    columns = ["messages", "p50 ms", "p99 ms", "max ms", "MiB private", "threads", "descriptors"]
    return "\n\n".join(
        [
            made(
                f"{DURABLE}: {soaked.rate:.0f} messages a second of 1 KiB over {SESSIONS} "
                f"sessions of {EACH} messages each, of {soaked.most:.0f} that the generator brings "
                f"at most, for {soaked.seconds:g} s."
            ),
            table(["minute"], columns, _rows(soaked)),
            _verdict(soaked, margin),
        ]
    )


def _rows(soaked: Soaked) -> Iterator[list[str]]:
    """Give a row for each minute, with the last sample of it; of the last, with the very last."""
    count = len(soaked.found.minutes)
    edges = [*(MINUTE * minute for minute in range(count)), float("inf")]
    for minute, (begin, end) in enumerate(pairwise(edges)):
        answered, latency = soaked.found.minutes[minute]
        within = [sample for sample in soaked.samples if begin <= sample.at < end]
        used = ["", "", ""]
        if within:
            _, memory, *counts = within[-1]
            used = [f"{memory / MIB:.1f}", *map(str, counts)]
        yield [str(minute + 1), str(answered), *(f"{each:.2f}" for each in latency), *used]


def _verdict(soaked: Soaked, margin: float) -> str:
    complaints = list(soaked.complaints(margin))
    if complaints:
        return f"**It did not hold**: {'; '.join(complaints)}."
    return (
        f"It held: each of {soaked.found.brought} messages is there exactly once; memory at the "
        f"end was at most {margin:.0%} above the first minute's; threads and descriptors did not "
        "grow."
    )


def picture(soaked: Soaked) -> Groups:
    """Give what is drawn: p99 and memory by minute."""
    rows = list(_rows(soaked))
    return {
        "p99, ms": {f"minute {row[0]}": float(row[3]) for row in rows},
        "private memory, MiB": {f"minute {row[0]}": float(row[5] or 0) for row in rows},
    }


def main() -> None:
    """Measure, and print the report or put it into a page; exit status 1 if it did not hold."""
    parser = options_of("soak", __doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--rate", type=float, help=f"default: {SHARE:.0%}% of the most")
    parser.add_argument("--margin", type=float, default=0.2, help="of memory, default 0.2")
    options = parser.parse_args()
    if options.minutes <= 0 or options.margin < 0 or (options.rate or 1) <= 0:
        parser.error("a run has some time, a rate and a margin")
    soaked = soak(options.minutes, options.rate)
    title = "Under a steady load, minute by minute (less is better)"
    publish("soak", report(soaked, options.margin), picture(soaked), title, options)
    sys.exit(1 if any(soaked.complaints(options.margin)) else 0)


if __name__ == "__main__":
    main()
