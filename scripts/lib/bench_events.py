"""
Measures what an event costs in each form and place, as a ratio to plain stdlib logging in one run.

`scripts/bench events` prints a table, or puts it between the markers of a page.
"""

from __future__ import annotations

import logging
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Final, Literal, NamedTuple, TextIO

from bench_picture import Groups
from bench_report import made, options_of, publish, table
from bench_rounds import orders

from bindpost import events
from bindpost.log import get_logger
from bindpost.server.eventlog import EventRecord, configure
from bindpost.server.eventlog.console_form import ConsoleRenderer
from bindpost.server.eventlog.evt import EvtLog, from_event
from bindpost.server.eventlog.evtx import write as write_evtx
from bindpost.server.eventlog.json_form import render_json
from bindpost.server.eventlog.record import RecordMaker
from bindpost.server.eventlog.saved import from_event as saved_from_event
from bindpost.server.eventlog.sinks import journald, syslog, syslog_form
from bindpost.server.eventlog.xml_form import event_xml

BASE: Final = "plain `logging`"
AGAIN: Final = f"{BASE} again"
"""The base in the place of a thing that is measured: what its ratios show is noise."""
RECORDS: Final = 100
"""Records that the forms are made of, in turn."""

Once = Callable[[int], object]
"""Does something with one event; those of different numbers are about different listeners."""
Arrange = Callable[[], Once]
"""Sets up what is measured next."""


class Pair(NamedTuple):
    """Seconds an event, of the base and of what was measured right beside it."""

    base: float
    thing: float

    @property
    def ratio(self) -> float:
        """How many times as long as the base."""
        return self.thing / self.base


def fields_of(number: int) -> dict[str, object]:
    """Give the fields of a 4007."""
    return {
        "wsa_error": 10050,
        "listener": f"127.0.0.1:{number}",
        "via": "winsock://10.0.0.1:1745",
        "hop": "connect",
        "reason": "no answer to 3 datagrams",
        "hint": "see that the proxy runs",
    }


def make_record(number: int) -> EventRecord:
    """Give what the log makes of a 4007 before any form of it is made."""
    line = logging.makeLogRecord({"name": "bindpost.listener", "levelname": "ERROR"})
    meta = {"event": events.BIND_FAILED, "_record": line, "_from_structlog": True}
    made: EventRecord = RecordMaker("EXCH55")(None, "error", meta | fields_of(number))["record"]
    return replace(made, record_id=number)


def stdlib(nowhere: TextIO) -> Once:
    """Log the same sentence and fields as a program does that has logging only."""
    logger = logging.getLogger("plain")
    logger.propagate = False
    handler = logging.StreamHandler(nowhere)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    text = f"{events.BIND_FAILED.template.replace('%1', '%(wsa_error)d')} " + " ".join(
        f"{name}=%({name})s" for name in fields_of(0)
    )
    return lambda number: logger.error(text, fields_of(number))


def whole(form: Literal["console", "json"], nowhere: TextIO) -> Arrange:
    """Log as bindpost does: from the call site to the stream."""

    def arrange() -> Once:
        configure(form=form, level="info", stream=nowhere, host="EXCH55")
        logger = get_logger("bindpost.bench")
        return lambda number: logger.error(events.BIND_FAILED, **fields_of(number))

    return arrange


def forms(stack: ExitStack) -> dict[str, Callable[[EventRecord], object]]:
    """Give what is done with a record that is made already: each form, and each place but one."""
    console = ConsoleRenderer(colours=False)
    receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    receiver.bind(("127.0.0.1", 0))
    address = syslog.SyslogAddress("udp", "127.0.0.1", receiver.getsockname()[1])
    sink = syslog.SyslogSink(address, facility=2, enterprise=32473)
    stack.callback(sink.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    evt = stack.enter_context(EvtLog.open(folder / "AppEvent.Evt"))
    return {
        "console form": lambda record: console(None, "error", {"record": record}),
        "JSON form": lambda record: render_json(None, "error", {"record": record}),
        "RFC 5424 form": syslog_form.encode,
        "RFC 5424, sent by UDP": sink.write,
        "journald form": journald.encode,
        "event XML": event_xml,
        "`.evt`, appended to a log": lambda record: evt.append(from_event(record, evt.next_number)),
    }


def evtx_file(records: Sequence[EventRecord]) -> Arrange:
    """Export a file of so many records at once, as nothing is ever appended to one."""

    def arrange() -> Once:
        saved = [saved_from_event(record, record.record_id or 1) for record in records]

        def once(number: int) -> None:
            if number % len(saved) == 0:
                write_evtx(saved, BytesIO())

        return once

    return arrange


def things(stack: ExitStack, nowhere: TextIO) -> tuple[Once, dict[str, Arrange]]:
    """Give the base, and by its name everything that is compared with it."""
    records = [make_record(number) for number in range(RECORDS)]
    base = stdlib(nowhere)

    def of_records(use: Callable[[EventRecord], object]) -> Arrange:
        return lambda: lambda number: use(records[number % RECORDS])

    return base, {
        AGAIN: lambda: base,
        "a line, console": whole("console", nowhere),
        "a line, JSON": whole("json", nowhere),
        "the record alone": lambda: make_record,
        **{name: of_records(use) for name, use in forms(stack).items()},
        "`.evtx`, a file of 100": evtx_file(records),
    }


def time_of(once: Once, count: int, first: int) -> float:
    """Give the seconds an event of so many, with numbers that were not used before."""
    began = time.perf_counter()
    for number in range(first, first + count):
        once(number)
    return (time.perf_counter() - began) / count


def measure(rounds: int, count: int) -> dict[str, list[Pair]]:
    """
    Measure everything once in each round, right beside the base.

    What else the machine does shall fall on all alike: each round begins with another thing, and in
    every other one the thing comes before the base.
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere, ExitStack() as stack:
        base, arranged = things(stack, nowhere)
        pairs: dict[str, list[Pair]] = {name: [] for name in arranged}
        for turn, order in enumerate(orders(arranged, rounds)):
            for name in order:
                once = arranged[name]()
                time_of(once, RECORDS, 0)  # warm
                first = RECORDS + turn * count
                pair = (once, base) if turn % 2 else (base, once)
                times = [time_of(each, count, first) for each in pair]
                pairs[name].append(Pair(*(reversed(times) if turn % 2 else times)))
    return pairs


def report(pairs: Mapping[str, Sequence[Pair]], count: int) -> str:
    """Give the results as Markdown."""
    rounds = len(pairs[AGAIN])
    figures = ["µs an event, median", "ratio, median", "ratio, min to max"]
    head = made(f"Rounds: {rounds}; events in each, of each: {count}.")
    return f"{head}\n\n{table(['what'], figures, _rows(pairs))}"


def _rows(pairs: Mapping[str, Sequence[Pair]]) -> Iterator[list[str]]:
    base = statistics.median(pair.base for measured in pairs.values() for pair in measured)
    yield [BASE, f"{base * 1e6:.1f}", "1.00", ""]
    for name, measured in pairs.items():
        ratios = [pair.ratio for pair in measured]
        yield [
            name,
            f"{statistics.median(pair.thing for pair in measured) * 1e6:.1f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
        ]


def picture(pairs: Mapping[str, Sequence[Pair]]) -> Groups:
    """Give what is drawn: each thing's ratio."""
    return {
        "time as a multiple of plain `logging`'s": {
            name: statistics.median(pair.ratio for pair in measured)
            for name, measured in pairs.items()
        }
    }


def main() -> None:
    """Measure, and print the report or put it into a page."""
    parser = options_of("events", __doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--events", type=int, default=2000, help="in each round, in hundreds")
    options = parser.parse_args()
    if options.rounds < 1 or options.events < RECORDS or options.events % RECORDS:
        parser.error(f"a run has at least one round of {RECORDS} events, or a multiple of that")
    pairs = measure(options.rounds, options.events)
    title = "The cost of an event (less is better)"
    publish("events", report(pairs, options.events), picture(pairs), title, options)


if __name__ == "__main__":
    main()
