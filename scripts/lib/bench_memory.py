"""
Measures what a server's memory is used for: idle sessions, and large mail from many at once.

`scripts/bench memory` prints a table, or puts it between the markers of a page. It reads /proc, so
it needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import smtplib
import socket
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Final, NamedTuple

from bench_contestants import (
    AIOSMTPD,
    AIOSMTPD_AGAIN,
    Start,
    add_servers,
    bare,
    chosen,
    ours,
    source,
)
from bench_picture import Groups
from bench_process import HERE, PATIENCE, Server, allow_descriptors, peak_bytes, private_bytes
from bench_report import made, options_of, publish, say, table
from bench_rounds import orders

KIB: Final = 1024
MIB: Final = 1024 * 1024
PEAK: Final = 100
"""Sessions at once that bring large mail, three messages each."""
AT_ONCE: Final = 100
"""Idle sessions that are opened together: some servers let each wait for its banner."""
SPARE: Final = 500
"""Open files for all else."""


class Found(NamedTuple):
    """What one server used, in bytes; None for what it did not let us measure."""

    base: int
    each: float | None
    """Private memory for each idle session: the slope."""
    message: float | None
    """Seconds that a whole session of one message took while all others were idle."""
    peak: int


def idle(port: int, count: int, stack: ExitStack) -> None:
    """Open sessions at once that say EHLO and no more, until the stack is left."""
    peers = [
        stack.enter_context(socket.create_connection((HERE, port), timeout=PATIENCE))
        for _ in range(count)
    ]
    for peer in peers:
        _expect(peer)
        peer.sendall(b"EHLO bench.test\r\n")
    for peer in peers:
        _expect(peer)


def _expect(peer: socket.socket) -> None:
    """Read a good reply to its end."""
    said = b""
    while not (said.endswith(b"\n") and said.splitlines()[-1][3:4] != b"-"):
        some = peer.recv(4096)
        if not some:
            raise ConnectionError("the server hung up")
        said += some
    if said[:1] not in b"23":
        raise ConnectionError(f"the server says {said!r}")


def sessions(server: Server, most: int) -> tuple[float | None, float | None]:
    """
    Open idle sessions; gives the bytes of each, and the seconds of a message beside all.

    The bytes are the slope between a fifth and three fifths of them.
    """
    each, low, fifth = None, 0, most // 5
    with ExitStack() as stack, contextlib.suppress(OSError):  # turned away: not measured
        for number in range(0, 5 * fifth, fifth):
            for begin in range(0, fifth, AT_ONCE):
                idle(server.port, min(AT_ONCE, fifth - begin), stack)
            if number == 0:
                low = private_bytes(server.pid)
            elif number == 2 * fifth:
                each = (private_bytes(server.pid) - low) / number
        began = time.perf_counter()
        with smtplib.SMTP(HERE, server.port, timeout=PATIENCE) as client:
            client.sendmail("a@bench.test", ["b@bench.test"], b"Subject: one\r\n\r\nmore\r\n")
        return each, time.perf_counter() - began
    return each, None


def peak(server: Server, count: int) -> int:
    """Bring large mail from many sessions at once; gives the most memory that was resident."""
    source(["-s", str(min(PEAK, count)), "-m", str(count), "-l", str(MIB), "-d"], server.port)
    return peak_bytes(server.pid)


def measure_one(name: str, start: Start, options: argparse.Namespace) -> Found:
    """Measure a server: one process for sessions, a fresh one for large mail."""
    with start(name) as server:
        source(["-m", "1"], server.port)
        base = private_bytes(server.pid)
        each, message = sessions(server, options.sessions)
    with start(name) as server:
        found = Found(base, each, message, peak(server, options.messages))
    say(f"{name} is done")
    return found


def measure(starts: Mapping[str, Start], options: argparse.Namespace) -> dict[str, list[Found]]:
    """Measure each server once in each round, one at a time."""
    allow_descriptors(options.sessions + SPARE)
    found: dict[str, list[Found]] = {name: [] for name in starts}
    for order in orders(starts, options.rounds):
        for name in order:
            found[name].append(measure_one(name, starts[name], options))
    return found


def median(found: list[Found], name: str, unit: float) -> float | None:
    """Give the median of a figure over the rounds, in a unit, None if a round has none."""
    figures = [getattr(each, name) for each in found]
    return None if None in figures else statistics.median(figures) / unit


def report(found: Mapping[str, list[Found]], options: argparse.Namespace) -> str:
    """Give the results as Markdown."""
    low, high = options.sessions // 5, 3 * options.sessions // 5
    columns = [
        "MiB private, at rest",
        f"KiB for each idle session ({low:,} to {high:,})",
        f"/ {AIOSMTPD}",
        f"ms for a message beside {options.sessions:,} idle sessions",
        f"MiB resident at most, {options.messages} messages of 1 MiB",
    ]
    head = made(f"Rounds: {options.rounds}; medians.")
    return f"{head}\n\n{table(['server'], columns, _rows(found))}"


def _rows(found: Mapping[str, list[Found]]) -> Iterator[list[str]]:
    base = median(found[AIOSMTPD], "each", KIB)
    for name, each in found.items():
        session = median(each, "each", KIB)
        yield [
            name,
            _told(median(each, "base", MIB), 1),
            _told(session, 1),
            _told(session / base if session is not None and base else None, 2),
            _told(median(each, "message", 0.001), 0),
            _told(median(each, "peak", MIB), 0),
        ]


def _told(figure: float | None, digits: int) -> str:
    return "turned away" if figure is None else f"{figure:.{digits}f}"


def picture(found: Mapping[str, list[Found]]) -> Groups:
    """Give what is drawn: each figure but the time."""
    titles = {
        "KiB for each idle session": ("each", KIB),
        "MiB at rest": ("base", MIB),
        "MiB at most, 100 sessions that bring 1 MiB": ("peak", MIB),
    }
    return {
        title: {name: median(each, figure, unit) or 0.0 for name, each in found.items()}
        for title, (figure, unit) in titles.items()
    }


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("memory", __doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=10_000, help="idle ones, at most")
    parser.add_argument("--messages", type=int, default=300, help="of 1 MiB, for the peak")
    add_servers(parser)
    options = parser.parse_args()
    if options.rounds < 1 or options.sessions < 5 or options.messages < 1:
        parser.error("a run has at least one round, five sessions and a message")
    aiosmtpd = bare("aiosmtpd")
    durable = ours(null=False, memory=False)
    own = {name: start for name, start in durable.items() if name.endswith("durable")}
    found = measure(chosen({AIOSMTPD: aiosmtpd, AIOSMTPD_AGAIN: aiosmtpd}, own, options), options)
    title = "Memory (less is better)"
    publish("memory", report(found, options), picture(found), title, options)


if __name__ == "__main__":
    main()
