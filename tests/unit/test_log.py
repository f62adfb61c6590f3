"""The loggers as guests in a program: sentences for its handlers, nothing of it changed."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from bindpost import events
from bindpost.log import OURS, Ear, get_logger, said
from bindpost.testing.logged import all_said

LOG = get_logger("bindpost.test")
FAILED = "The following error occurred while trying to bind the TCP/IP listener socket (10050)"


def test_an_event_reads_as_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """A program's own handler shows the catalogue's sentence; event and fields stand beside it."""
    LOG.info(events.BIND_FAILED, wsa_error=10050, hop="connect")

    (record,) = caplog.records
    assert (record.getMessage(), record.levelname) == (FAILED, "ERROR")
    found = said(record)
    assert found is not None
    assert found.event is events.BIND_FAILED
    assert found.fields == {"wsa_error": 10050, "hop": "connect"}


def test_the_record_tells_where_it_was_said(caplog: pytest.LogCaptureFixture) -> None:
    """File and function are those of the call site."""
    LOG.error("text")
    try:
        raise ValueError
    except ValueError:
        LOG.exception("text")

    name = "test_the_record_tells_where_it_was_said"
    assert [(found.filename, found.funcName) for found in caplog.records] == [
        ("test_log.py", name)
    ] * 2
    assert caplog.records[1].exc_info is not None
    assert caplog.records[1].exc_info[0] is ValueError


def test_a_forgotten_field_leaves_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """A call site that forgot a field of the sentence still gets a sentence."""
    LOG.error(events.BIND_FAILED)

    assert caplog.messages == [FAILED.replace("10050", "%1")]


def test_controls_are_shown_as_escapes(caplog: pytest.LogCaptureFixture) -> None:
    """What a peer sent can't obey a terminal, nor make a line of its own, in anybody's log."""
    LOG.error("from \x1b[2J\nroot")

    assert caplog.messages == [r"from \x1b[2J\nroot"]


def test_a_percent_sign_is_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A text is no format."""
    LOG.error("100 %s sure")

    assert caplog.messages == ["100 %s sure"]


def test_levels_are_the_programs(caplog: pytest.LogCaptureFixture) -> None:
    """What the program's level hides stays hidden."""
    LOG.info(events.SERVICE_STOPPED)
    with caplog.at_level(logging.INFO):
        LOG.info(events.SERVICE_STOPPED)

    assert len(caplog.records) == 1


def test_the_programs_structlog_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """Processors of the program get none of ours, and its configuration stays."""
    seen: list[object] = []

    def take(_: object, __: str, fields: MutableMapping[str, Any]) -> dict[str, Any]:
        seen.append(fields["event"])
        raise structlog.DropEvent

    structlog.configure(processors=[take])
    try:
        before = structlog.get_config()
        LOG.error(events.BIND_FAILED, wsa_error=10050)
        structlog.get_logger().info("theirs")
        assert structlog.get_config() == before
    finally:
        structlog.reset_defaults()

    assert seen == ["theirs"]
    assert caplog.messages == [FAILED]


def test_logging_keeps_its_class() -> None:
    """Making a logger of ours leaves the class of the program's loggers alone."""
    get_logger("bindpost.test.other")

    assert logging.getLoggerClass() is logging.Logger


def test_an_ear_hears_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Who listens gets what the levels hide, once, and nobody else gets more for it."""
    with all_said() as lines:
        LOG.debug("quiet")
        LOG.error("loud", n=1)

    assert lines == [
        {"event": "quiet", "log_level": "debug"},
        {"event": "loud", "log_level": "error", "n": 1},
    ]
    assert caplog.messages == ["loud"]


def test_an_ears_own_level_counts() -> None:
    """An ear that wants errors only gets errors only."""
    heard: list[str] = []

    class Hard(Ear):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Hard(logging.ERROR)
    logging.getLogger(OURS).addHandler(ear)
    try:
        LOG.info("quiet")
        LOG.error("loud")
    finally:
        logging.getLogger(OURS).removeHandler(ear)

    assert heard == ["loud"]
