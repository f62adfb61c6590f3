"""
Measures how fast a large inbox is read and searched, over HTTP on loopback.

`scripts/bench inbox [--messages N...] [--questions N] [--folder DIR] [--page FILE]` fills an inbox,
starts a server, waits for its index, and prints a table, or puts it between the markers of a page;
`--pictures DIR` draws it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from bench_fill import fill, kept
from bench_mail import COMMON, TAGS, order_number
from bench_report import machine, options_of, publish

CLIENT: Final = Path(__file__).with_name("bench_asking.py")
CLIENTS: Final = 8
POLL: Final = 0.5
"""Seconds between two looks at how far the index is."""
PEERS: Final = "/api/v1"
OURS: Final = "/api/bindpost/v1"


class Figures(NamedTuple):
    """Milliseconds of an answer: the median and the 99th of a hundred."""

    median: float
    worst: float


@dataclass(slots=True)
class Measured:
    """What was found of an inbox of one size; figures by question, of one client and of more."""

    messages: int
    index_seconds: float | None
    """None if it was there already."""
    bytes_each: Mapping[str, float]
    alone: dict[str, Figures]
    together: dict[str, Figures]


def questions(folder: Path, messages: int, count: int) -> dict[str, list[str]]:
    """Give the paths of each question, each of them another message or another search."""
    spread = kept(folder, count)
    rare = [order_number((number * 37) % messages) for number in range(count)]
    people = ["de", "ra", "sta", "ti"]

    def searches(texts: Sequence[str]) -> dict[str, list[str]]:
        encoded = [quote(texts[number % len(texts)]) for number in range(count)]
        return {
            "own API": [f"{OURS}/messages?query={text}" for text in encoded],
            "Mailpit's API": [f"{PEERS}/search?query={text}" for text in encoded],
        }

    asked: dict[str, dict[str, list[str]]] = {
        "newest 50": {
            "own API": [f"{OURS}/messages"] * count,
            "Mailpit's API": [f"{PEERS}/messages"] * count,
            "page": ["/"] * count,
        },
        "next 50": {
            "own API": [f"{OURS}/messages?before={spread[0].cursor - 49}"] * count,
            "Mailpit's API": [f"{PEERS}/messages?start=50"] * count,
        },
        "50 from anywhere": {
            "own API": [f"{OURS}/messages?before={cursor}" for cursor, _ in spread],
            "Mailpit's API": [
                f"{PEERS}/messages?start={number * messages // count}" for number in range(count)
            ],
        },
        "open a message": {
            "own API": [f"{OURS}/messages/{known}" for _, known in spread],
            "Mailpit's API": [f"{PEERS}/message/{known}" for _, known in spread],
        },
        "its HTML": {"Mailpit's API": [f"/view/{known}.html" for _, known in spread]},
        "search, a rare term": searches(rare),
        "search, a common term": searches([COMMON, "kind", "hello"]),
        "search, two terms": searches([f"{COMMON} {number}" for number in rare]),
        "search, `from:`": searches([f"from:{name}" for name in people]),
        "search, `tag:`": searches([f"tag:{tag}" for tag in TAGS]),
        "search, `is:unread`": searches(["is:unread"]),
    }
    return {
        f"{question} | {interface}": paths
        for question, interfaces in asked.items()
        for interface, paths in interfaces.items()
    }


async def ask(host: str, port: int, paths: Sequence[str]) -> list[float]:
    """Give the milliseconds that a client in a process of its own finds."""
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENT), host, str(port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await client.communicate("\n".join(paths).encode())
    if client.returncode:
        raise SystemExit("a client failed")
    return [float(line) for line in output.split()]


def figures(taken: Sequence[float]) -> Figures:
    """Give the median and the 99th of a hundred."""
    return Figures(statistics.median(taken), statistics.quantiles(taken, n=100)[98])


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Run a server over a data folder; gives host and port of its web side."""
    ready = folder.with_name("ready")
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bindpost", "serve", "--listen", "127.0.0.1:0"),
        *("--web", "127.0.0.1:0", "--data", str(folder), "--ready-file", str(ready)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while not ready.exists():
            await asyncio.sleep(POLL)
            if server.returncode is not None:
                raise SystemExit(f"the server ended with status {server.returncode}")
        address = json.loads(ready.read_text("utf-8"))["web"].removeprefix("http://")
        host, _, port = address.rpartition(":")
        yield host, int(port)
    finally:
        server.terminate()
        await server.wait()
        ready.unlink(missing_ok=True)


async def wait_indexed(host: str, port: int) -> None:
    """Wait until the index has everything."""
    while (state := await asyncio.to_thread(_state, host, port))["state"] != "current":
        if state["state"] == "none":
            raise SystemExit(f"there is no index: {state['reason']}")
        await asyncio.sleep(POLL)


def _state(host: str, port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{host}:{port}{OURS}/search-index", timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def measure(folder: Path, messages: int, count: int) -> Measured:
    """Have an inbox filled and indexed, and ask every question, by one client and by several."""
    has_index = (folder / "index.db").exists()
    if not (folder / "mail.db").exists():
        fill(folder, messages)
        _say(f"{messages} messages are in the inbox")
    asked = questions(folder, messages, count)
    started = time.monotonic()
    async with serving(folder) as (host, port):
        await wait_indexed(host, port)
        seconds = time.monotonic() - started
        _say(f"they are indexed, after {seconds:.0f} s")
        sizes = _sizes(folder, messages)
        found = Measured(messages, None if has_index else seconds, sizes, {}, {})
        for question, paths in asked.items():
            found.alone[question] = figures(await ask(host, port, paths))
        for question, paths in asked.items():
            each = await asyncio.gather(*(ask(host, port, paths) for _ in range(CLIENTS)))
            found.together[question] = figures([taken for some in each for taken in some])
    return found


def _sizes(folder: Path, messages: int) -> dict[str, float]:
    return {name: (folder / name).stat().st_size / messages for name in ("mail.db", "index.db")}


def report(runs: Sequence[Measured], count: int) -> str:
    """Give the results as Markdown."""
    begin = (
        f"{datetime.now(UTC):%Y-%m-%d}. Each question is asked {count} times by one client, and as "
        f"often by each of {CLIENTS} at once. {machine()}."
    )
    return "\n\n".join([begin, *(_table(run) for run in runs)])


def _table(run: Measured) -> str:
    mail, index = run.bytes_each["mail.db"], run.bytes_each["index.db"]
    begin = (
        f"**{run.messages:,} messages.** Bytes a message: {mail:.0f} in `mail.db`, {index:.0f} in "
        "`index.db`."
    )
    if run.index_seconds is not None:
        each = 1e6 * run.index_seconds / run.messages
        begin += f" The index was made in {run.index_seconds:.0f} s, {each:.0f} µs a message."
    return "\n".join(
        [
            begin,
            "",
            f"| question | by | ms, median | ms, 99 % | ms, median, {CLIENTS} clients "
            f"| ms, 99 %, {CLIENTS} clients |",
            "|---|---|---:|---:|---:|---:|",
            *_rows(run),
        ]
    )


def _rows(run: Measured) -> Iterator[str]:
    for question, alone in run.alone.items():
        both = (*alone, *run.together[question])
        yield f"| {question} | {' | '.join(f'{figure:.1f}' for figure in both)} |"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


async def measure_all(sizes: Sequence[int], count: int, folder: Path) -> list[Measured]:
    """Measure an inbox of each size, each in a folder of its own."""
    return [await measure(folder / str(size) / "data", size, count) for size in sizes]


def medians(runs: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Give what is drawn: of each inbox, the median of each question by one client."""
    return {
        f"{run.messages:,} messages": {name: found.median for name, found in run.alone.items()}
        for run in runs
    }


def main() -> None:
    """Measure, and publish the report."""
    parser = options_of("inbox", __doc__)
    parser.add_argument("--messages", type=int, nargs="+", default=[100_000])
    parser.add_argument("--questions", type=int, default=200, help="of each kind, of each client")
    parser.add_argument("--folder", help="keep the inboxes here, and measure those that are there")
    options = parser.parse_args()
    if min(options.messages) < 100 or options.questions < 2:
        parser.error("a run has at least 100 messages and 2 questions")
    with tempfile.TemporaryDirectory(prefix="bindpost-bench-") as temporary:
        folder = Path(options.folder or temporary)
        runs = asyncio.run(measure_all(options.messages, options.questions, folder))
    title = "A large inbox, ms to an answer, medians"
    publish("inbox", report(runs, options.questions), medians(runs), title, options)


if __name__ == "__main__":
    main()
