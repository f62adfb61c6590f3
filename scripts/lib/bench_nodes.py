"""
Measures how fast nodes with one inbox in PostgreSQL take mail, as ratios to SQLite in one run.

`scripts/bench nodes` prints tables, or puts them between the markers of a page. The load is
Postfix's smtp-source, shared out among the nodes. PostgreSQL is started for this, with its data
on a disk and every commit synced; where it isn't installed, that is said and nothing is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

import psycopg
from bench_contestants import serve, source
from bench_ingest_report import SIZES, Cell
from bench_nodes_report import NODES, SQLITE, SQLITE_AGAIN, Results, Taken, picture, report
from bench_process import LARGE, Server, cpu_seconds
from bench_report import options_of, publish, say
from bench_rounds import orders
from bench_servers import program

from bindpost.testing.postgres import PostgresServer

CELLS: Final = [
    Cell(size, sessions, many=True) for size in ("1 KiB", "10 KiB") for sessions in (1, 10, 100)
]
USED: Final = b"""
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
        (pg_current_wal_lsn() - '0/0')::bigint,
        (SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
            WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace)
"""
"""Transactions that have written, bytes of log, and bytes of the inbox's tables."""


class Inbox(NamedTuple):
    """An inbox: the nodes that it has, and the URL and process of its database if it has one."""

    nodes: Sequence[Server]
    url: str = ""
    database: int = 0

    def used(self) -> Sequence[float]:
        """Give what it has used of its database up to now, as `Taken` has it."""
        if not self.url:
            return [0] * 4
        with psycopg.connect(self.url, autocommit=True) as connection:
            counts = connection.execute(USED).fetchall()[0]
        return [*counts, cpu_seconds(self.database)]


def split(count: int, parts: int) -> list[int]:
    """Split a number into so many as equal ones as can be, or fewer, but none of them 0."""
    return [len(range(part, count, parts)) for part in range(min(count, parts))]


def load(cell: Cell, inbox: Inbox, messages: int) -> Taken:
    """Bring about so many messages, each node its share; tells what that took."""
    sessions = split(cell.sessions, len(inbox.nodes))
    shares = [max(share, messages * share // cell.sessions) for share in sessions]

    def bring(node: Server, sessions: int, messages: int) -> None:
        count = ("-s", str(sessions), "-m", str(messages), "-l", str(SIZES[cell.size]))
        source([*count, "-d"], node.port)

    before = inbox.used()
    began = time.perf_counter()
    with ThreadPoolExecutor(len(shares)) as threads:
        list(threads.map(bring, inbox.nodes, sessions, shares))
    seconds = time.perf_counter() - began
    count = sum(shares)
    used = ((now - then) / count for now, then in zip(inbox.used(), before, strict=True))
    return Taken(count / seconds, *used)


@contextmanager
def inboxes(server: PostgresServer) -> Iterator[dict[str, Inbox]]:
    """Have all inboxes that are compared up at once, each with its nodes."""
    with ExitStack() as stack:
        found = {
            name: Inbox([stack.enter_context(serve({})(name))]) for name in (SQLITE, SQLITE_AGAIN)
        }
        for name, count in NODES.items():
            url = stack.enter_context(server.new_schema())
            settings = [{"store": url, "node": f"node{number}"} for number in range(count)]
            nodes = [stack.enter_context(serve(each)(name)) for each in settings]
            found[name] = Inbox(nodes, url, server.pid)
        yield found


def measure(server: PostgresServer, rounds: int, seconds: float, only: Sequence[str]) -> Results:
    """
    Measure each inbox once in each round, for each load that is wanted.

    The first run of each warms it up and tells how many messages take the time that is wanted.
    """
    results = Results(rounds, seconds)
    with inboxes(server) as racing:
        for cell in wanted_cells(only):
            counts = {}
            for name, inbox in racing.items():
                first = load(cell, inbox, 4 * cell.sessions)
                counts[name] = max(2 * cell.sessions, int(first.rate * seconds))
            results.cells[cell] = [
                {name: load(cell, racing[name], counts[name]) for name in order}
                for order in orders(racing, rounds)
            ]
            say(f"{cell} is done")
    return results


def wanted_cells(only: Sequence[str]) -> list[Cell]:
    """Give the loads whose name has one of these texts in it."""
    return [cell for cell in CELLS if any(text in str(cell) for text in only)]


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("nodes", __doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, about")
    parser.add_argument(
        "--only", action="append", help="only loads whose name has this in it; may be repeated"
    )
    options = parser.parse_args()
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("a run has at least one round, of some time")
    only = options.only or [""]
    if not wanted_cells(only):
        parser.error(f"no load has one of {only} in its name")
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if initdb is None or pg_ctl is None:
        say("skipped: initdb and pg_ctl are not installed; they are in Debian's package postgresql")
        return
    server = PostgresServer(initdb, pg_ctl, place=LARGE, fsync=True)
    try:
        results = measure(server, options.rounds, options.seconds, only)
    finally:
        server.close()
    title = "Messages a second of nodes on one PostgreSQL, SQLite = 1 (more is better)"
    publish("nodes", report(results), picture(results), title, options)


if __name__ == "__main__":
    main()
