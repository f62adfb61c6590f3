"""Sinks: each gets what it is to get, in order, and none harms the others or the service."""

from __future__ import annotations

import io
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import structlog
from structlog.typing import EventDict, WrappedLogger

from bindpost import events
from bindpost.log import get_logger
from bindpost.server.eventlog import EventRecord, attach, configure, courier, scope

PATIENCE = 10.0
LOG = get_logger("bindpost.test")


class Shelf:
    """A sink that keeps what it gets, and can be told to fail."""

    def __init__(self, *, takes_text: bool = False, errors: tuple[Exception, ...] = ()) -> None:
        self.name = "shelf"
        self.takes_text = takes_text
        self.got: queue.Queue[EventRecord] = queue.Queue()
        self.closed = threading.Event()
        self._errors = list(errors)

    def write(self, record: EventRecord) -> None:
        """Keep the record, or fail."""
        if self._errors:
            raise self._errors.pop(0)
        self.got.put(record)

    def close(self) -> None:
        """Note it."""
        self.closed.set()

    def next(self) -> EventRecord:
        """Give the next record that came, waiting for it."""
        return self.got.get(timeout=PATIENCE)


class Held(Shelf):
    """A sink that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.reached = threading.Event()

    def write(self, record: EventRecord) -> None:
        """Wait, then keep the record."""
        self.reached.set()
        assert self.go.wait(PATIENCE)
        super().write(record)


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """Put logging back as it was; what is pushed on the stack is undone first."""
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.01)
    loggers = [logging.getLogger(name) for name in ("", "bindpost", "mail.log", "mail.debug")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    with ExitStack() as stack:
        yield stack
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def stream() -> io.StringIO:
    """Set the log up on a stream, errors only."""
    stream = io.StringIO()
    configure(form="json", level="error", stream=stream, host="EXCH55")
    return stream


def test_a_sink_gets_events_whatever_the_stream_shows(
    stream: io.StringIO, stack: ExitStack
) -> None:
    """Information is for the sinks too, though the stream shows errors only; text is not."""
    shelf = Shelf()
    stack.callback(attach(shelf))

    LOG.info("text")
    LOG.info(events.SERVICE_STOPPED)
    LOG.error(events.BIND_FAILED, wsa_error=10050)

    assert shelf.next().definition is events.SERVICE_STOPPED
    assert shelf.next().record_id == 2
    assert stream.getvalue().count("\n") == 1


def test_a_sink_may_ask_for_text(stream: io.StringIO, stack: ExitStack) -> None:
    """A sink for whole logs gets other lines as well."""
    shelf = Shelf(takes_text=True)
    stack.callback(attach(shelf))

    LOG.info("text")

    assert shelf.next().message == "text"


def test_a_sink_that_fails_harms_nobody(stream: io.StringIO, stack: ExitStack) -> None:
    """The others and the stream have the event; the failure is told once, and its end."""
    bad, good = Shelf(errors=(OSError("disk full"), OSError("still full"))), Shelf()
    stack.callback(attach(bad))
    stack.callback(attach(good))

    LOG.error(events.BIND_FAILED, wsa_error=10050)

    assert good.next().definition is events.BIND_FAILED
    failed = good.next()
    assert failed.definition is events.SINK_FAILED
    assert failed.fields == {"sink": "shelf", "error": "OSError: disk full"}
    assert good.next().definition is events.SINK_RECOVERED
    assert [bad.next().definition for _ in range(3)] == [
        events.BIND_FAILED,
        events.SINK_FAILED,
        events.SINK_RECOVERED,
    ], "what waited is brought, in order"
    assert stream.getvalue().count(f'"EventID":{events.SINK_FAILED.id}') == 1


def test_a_record_that_a_sink_cannot_take_is_left_out(
    stream: io.StringIO, stack: ExitStack
) -> None:
    """What would fail for ever doesn't hold up the records behind it, and is counted."""
    shelf = Shelf(errors=(ValueError("no such event"),))
    stack.callback(attach(shelf))

    LOG.info(events.SERVICE_STOPPED)
    LOG.info(events.CUT)

    came = [shelf.next() for _ in range(3)]
    assert {record.definition for record in came} == {
        events.CUT,
        events.SINK_FAILED,
        events.SINK_RECOVERED,
    }
    (told,) = [record for record in came if record.definition is events.SINK_RECOVERED]
    assert told.fields["dropped"] == 1


def test_a_slow_sink_holds_nobody_up(
    stream: io.StringIO, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sink that hangs costs the caller nothing; if its queue is full the oldest are dropped."""
    monkeypatch.setattr(courier, "LONGEST_QUEUE", 3)
    held = Held()
    stack.callback(attach(held))
    LOG.info(events.SERVICE_STOPPED)
    assert held.reached.wait(PATIENCE)

    for code in range(5):
        LOG.error(events.BIND_FAILED, wsa_error=code)
    held.go.set()

    assert [held.next().strings for _ in range(4)] == [(), ("2",), ("3",), ("4",)]


def test_detaching_brings_what_waits_and_closes(stream: io.StringIO) -> None:
    """After `detach` everything is brought, the sink is closed, and it gets nothing more."""
    shelf = Shelf()
    detach = attach(shelf)
    LOG.info(events.SERVICE_STOPPED)

    detach()
    LOG.info(events.CUT)

    assert shelf.closed.is_set()
    assert shelf.next().definition is events.SERVICE_STOPPED
    assert shelf.got.empty()


def test_a_sink_of_one_app_gets_no_other_apps_events(stream: io.StringIO, stack: ExitStack) -> None:
    """Two apps in a process keep their events apart; what belongs to none is for both."""
    one, two = Shelf(), Shelf()
    stack.callback(attach(one, scope="one"))
    stack.callback(attach(two, scope="two"))

    with scope("one"):
        LOG.error(events.BIND_FAILED, wsa_error=10048)
    with scope("two"):
        LOG.error(events.BIND_FAILED, wsa_error=10050)
    LOG.info(events.CUT)

    assert [one.next().strings for _ in range(2)] == [("10048",), ()]
    assert [two.next().strings for _ in range(2)] == [("10050",), ()]


def test_sinks_work_in_a_program_with_its_own_logging(
    stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `configure` the sink gets our events, and the program's root logger is untouched."""
    root = logging.getLogger()
    before = root.level, root.handlers[:], logging.getLogger("bindpost").level
    shelf = Shelf()
    stack.callback(attach(shelf))

    LOG.info(events.SERVICE_STOPPED)

    assert shelf.next().definition is events.SERVICE_STOPPED
    assert (root.level, root.handlers, logging.getLogger("bindpost").level) == before
    assert caplog.records == [], "the program's own handlers see what its levels let through"


def test_a_programs_structlog_stays_as_it_is(stack: ExitStack) -> None:
    """What a program has told structlog holds while a sink is attached, and afterwards."""
    seen: list[EventDict] = []

    def end_of_chain(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
        seen.append(dict(event_dict))
        raise structlog.DropEvent

    structlog.configure(processors=[end_of_chain])
    stack.callback(structlog.reset_defaults)
    shelf = Shelf()
    detach = attach(shelf)
    with structlog.contextvars.bound_contextvars(session="s-1"):
        LOG.error(events.BIND_FAILED, wsa_error=10050)
    structlog.get_logger().info("the program's own")
    detach()

    record = shelf.next()
    assert (record.definition, record.level) == (events.BIND_FAILED, "error")
    assert record.fields == {"wsa_error": 10050, "session": "s-1"}
    assert shelf.got.empty(), "what is the program's own is none of a sink's"
    assert [entry["event"] for entry in seen] == ["the program's own"]
    assert structlog.get_config()["processors"] == [end_of_chain]


def test_two_sinks_in_a_program_with_its_own_logging(stack: ExitStack) -> None:
    """The second one shares what brings the events, and goes on when the first has gone."""
    before = logging.getLogger("bindpost").handlers[:]
    first, second = Shelf(), Shelf()
    detach_first, detach_second = attach(first), attach(second)

    LOG.info(events.CUT)
    detach_first()
    LOG.info(events.SERVICE_STOPPED)
    detach_second()
    detach_second()
    LOG.info(events.CUT)

    assert first.next().definition is events.CUT
    assert [second.next().definition for _ in range(2)] == [events.CUT, events.SERVICE_STOPPED]
    assert first.got.empty()
    assert second.got.empty()
    assert logging.getLogger("bindpost").handlers == before


def test_what_was_folded_is_told_before_a_sink_goes(stream: io.StringIO) -> None:
    """A sink that is detached gets the count of the repetitions that it did not get."""
    shelf = Shelf()
    detach = attach(shelf)
    for _ in range(20):
        LOG.error(events.BIND_FAILED, wsa_error=10050)

    detach()

    came = [shelf.next() for _ in range(6)]
    assert came[-1].definition is events.EVENTS_FOLDED
    assert came[-1].fields["times"] == 15


def test_a_flood_is_folded_for_all(stream: io.StringIO, stack: ExitStack) -> None:
    """Stream and sinks see the same burst; the count comes when the log is set up anew or ends."""
    shelf = Shelf()
    stack.callback(attach(shelf))

    for _ in range(20):
        LOG.error(events.BIND_FAILED, wsa_error=10050)
    configure(form="json", level="error", stream=io.StringIO(), host="EXCH55")

    came = [shelf.next().definition for _ in range(6)]
    assert came == [events.BIND_FAILED] * 5 + [events.EVENTS_FOLDED]
    assert shelf.closed.wait(PATIENCE)
    assert stream.getvalue().count('"EventID":4007') == 5
