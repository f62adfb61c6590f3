"""
Measures the SQLite store's rate as a ratio to a commit for each message, in one run.

`scripts/bench store` prints a table, or puts it between the markers of a page.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from bench_picture import Groups
from bench_report import made, options_of, publish, say, table
from bench_rounds import orders

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import Durability

KIB: Final = 1024
MOST: Final = 64 * KIB * KIB
"""Bytes of one measurement: fewer messages are added if they are large."""
SAID: Final = tuple(
    TranscriptLine(1, "C", text) for text in ("MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA")
)


class Case(NamedTuple):
    """How many sessions add at once, bytes of a message, and how durable it is kept."""

    sessions: int
    size: int
    durability: Durability = "full"


CASES: Final = (
    Case(1, KIB),
    Case(10, KIB),
    Case(100, KIB),
    Case(100, KIB, "normal"),
    Case(100, 64 * KIB),
    Case(1, KIB * KIB),
    Case(100, KIB * KIB),
)


class Pair(NamedTuple):
    """Messages a second, of the base and of a case measured right beside it."""

    base: float
    case: float


def raw_of(size: int) -> bytes:
    """Make a message of so many bytes."""
    header = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: hello\r\n\r\n"
    return header + bytes(size - len(header))


def measure_base(folder: Path, size: int, count: int) -> float:
    """Keep messages as plainly as one can: a row and a commit for each."""
    raw = raw_of(size)
    with closing(sqlite3.connect(folder / "base.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE message (id TEXT PRIMARY KEY, sender TEXT, raw BLOB)")
        began = time.perf_counter()
        for _ in range(count):
            database.execute("INSERT INTO message VALUES (?, 'a@x', ?)", (new_id(), raw))
        return count / (time.perf_counter() - began)


async def measure_case(folder: Path, case: Case, count: int) -> float:
    """Keep messages by the store, which does much more with each, from many sessions at once."""
    raw = raw_of(case.size)
    envelope = Envelope("a@example.test", (Recipient("b@example.test"),))

    async def session() -> None:
        name = new_id()
        facts = SessionFacts(name, utc_now(), "127.0.0.1:1025", "direct:", "plain")
        said = SAID
        for _ in range(count // case.sessions):
            await store.add(Message(new_id(), utc_now(), envelope, facts, raw), said)
            said += SAID
        await store.end_session(name, said)

    store = await SqliteStore.open(folder, durability=case.durability)
    try:
        began = time.perf_counter()
        await asyncio.gather(*(session() for _ in range(case.sessions)))
        return count / (time.perf_counter() - began)
    finally:
        await store.close()


def measure(rounds: int, messages: int, folder: str | None) -> Mapping[Case, Sequence[Pair]]:
    """Measure every case once in each round, right beside the base: now this first, now that."""
    pairs: dict[Case, list[Pair]] = {case: [] for case in CASES}
    for turn, order in enumerate(orders(CASES, rounds)):
        for case in order:
            count = max(1, min(messages, MOST // case.size) // case.sessions) * case.sessions
            found = {}
            for is_base in (turn % 2 == 0, turn % 2 != 0):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    if is_base:
                        lone = max(1, count // 10)
                        found["base"] = measure_base(Path(place), case.size, lone)
                    else:
                        found["case"] = asyncio.run(measure_case(Path(place), case, count))
            pairs[case].append(Pair(**found))
        say(f"round {turn + 1} of {rounds} is done")
    return pairs


def report(pairs: Mapping[Case, Sequence[Pair]], messages: int) -> str:
    """Give the results as Markdown."""
    rounds = len(pairs[CASES[0]])
    head = made(f"Rounds: {rounds}; messages in each, of each: {messages}, or 64 MiB of them.")
    figures = ["base, messages/s", "store, messages/s", "ratio, median", "ratio, min to max"]
    return f"{head}\n\n{table(['sessions', 'message', 'durability'], figures, _rows(pairs))}"


def _rows(pairs: Mapping[Case, Sequence[Pair]]) -> Iterator[list[str]]:
    for case, measured in pairs.items():
        ratios = _ratios(measured)
        yield [
            str(case.sessions),
            f"{case.size // KIB} KiB",
            case.durability,
            f"{statistics.median(pair.base for pair in measured):.0f}",
            f"{statistics.median(pair.case for pair in measured):.0f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        ]


def _ratios(measured: Sequence[Pair]) -> list[float]:
    return [pair.case / pair.base for pair in measured]


def picture(pairs: Mapping[Case, Sequence[Pair]]) -> Groups:
    """Give what is drawn: each case's ratio."""
    ratios = {
        f"{case.sessions} at once, {case.size // KIB} KiB, {case.durability}": _ratios(measured)
        for case, measured in pairs.items()
    }
    medians = {name: statistics.median(each) for name, each in ratios.items()}
    return {"messages/s as a multiple of those with a commit for each": medians}


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("store", __doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=5000, help="in each round, in each case")
    parser.add_argument("--folder", help="on the disk to measure; default: that of temporary files")
    options = parser.parse_args()
    if options.rounds < 1 or options.messages < 1:
        parser.error("a run has at least one round of one message")
    pairs = measure(options.rounds, options.messages, options.folder)
    title = "Messages that the store keeps (more is better)"
    publish("store", report(pairs, options.messages), picture(pairs), title, options)


if __name__ == "__main__":
    main()
