"""The two forms of the log: JSON for programs, console for people."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost import events
from bindpost.events import CATALOGUE, Category, EventType, Level
from bindpost.server.eventlog.console_form import ConsoleRenderer
from bindpost.server.eventlog.json_form import render_json
from bindpost.server.eventlog.record import RecordMaker

Make = Callable[..., dict[str, Any]]

HOSTILE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))  # lone surrogates too
    | st.binary()
    | st.text().map(ValueError),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


def make(event: object, **fields: object) -> dict[str, Any]:
    """Make the record of an event, as the formatter's first processor does."""
    record = logging.makeLogRecord(
        {
            "name": "bindpost.smtp",
            "levelname": event.level.logging_name.upper()
            if isinstance(event, EventType)
            else "INFO",
            "created": 1795446008.740073,
            "process": 4321,
        }
    )
    meta = {"event": event, "_record": record, "_from_structlog": True}
    made = RecordMaker("EXCH55")(None, "", meta | fields)["record"]
    return {"record": replace(made, record_id=2) if made.definition else made}


def as_json(event: object, **fields: object) -> dict[str, Any]:
    """Give the JSON document of an event."""
    document = json.loads(render_json(None, "", make(event, **fields)))
    assert isinstance(document, dict)
    return document


def as_console(event: object, **fields: object) -> str:
    """Give the console line of an event."""
    return ConsoleRenderer(colours=False)(None, "", make(event, **fields))


def test_4007_in_json() -> None:
    """The record of 4007 has exactly these fields: the contract of alerting rules."""
    process = {"pid": 4321, "thread": {"id": threading.get_native_id()}}
    sentence = (
        "The following error occurred while trying to bind the TCP/IP listener socket (10050)"
    )

    assert as_json(events.BIND_FAILED, wsa_error=10050, listener="0.0.0.0:25") == {
        "@timestamp": "2026-11-23T15:00:08.740073Z",
        "message": sentence,
        "log": {"level": "error", "logger": "bindpost.smtp"},
        "ecs": {"version": "8.17.0"},
        "event": {
            "kind": "event",
            "code": "4007",
            "provider": "MSExchangeIMC",
            "action": "bind-listener",
            "category": ["network"],
            "type": ["start"],
            "outcome": "failure",
            "severity": 2,
            "module": "exchange",
            "dataset": "exchange.imc",
        },
        "error": {"code": "10050", "type": "WSAENETDOWN", "message": "Network is down"},
        "winlog": {
            "channel": "Application",
            "provider_name": "MSExchangeIMC",
            "event_id": 4007,
            "computer_name": "EXCH55",
            "level": "error",
            "task": "Initialization/Termination",
            "opcode": "Info",
            "keywords": ["Classic"],
            "record_id": 2,
            "event_data": {"param1": "10050"},
            "process": process,
        },
        "host": {"hostname": "EXCH55"},
        "process": process,
        "service": {"name": "bindpost", "node": {"name": "EXCH55"}},
        "Provider_Name": "MSExchangeIMC",
        "EventID": 4007,
        "EventCode": 4007,
        "Qualifiers": 49152,
        "Channel": "Application",
        "Level": 2,
        "Task": 1,
        "Computer": "EXCH55",
        "Data": ["10050"],
        "bindpost": {"wsa_error": 10050, "listener": "0.0.0.0:25"},
    }


def test_the_thread_is_not_told_by_another() -> None:
    """A record that another thread handles has no number of its thread; its own is no answer."""
    record = logging.makeLogRecord({"name": "bindpost", "levelname": "INFO"})
    event_dict = {"event": "text", "_record": record}
    with ThreadPoolExecutor(1) as other:
        made = other.submit(RecordMaker("EXCH55"), None, "", event_dict).result()

    assert made["record"].thread_id == 0


def test_4007_on_the_console() -> None:
    """The console line has time, level, sentence, the event's identity and the fields."""
    line = as_console(events.BIND_FAILED, wsa_error=10050, via="direct:", hint='say "no"', x=None)

    assert line == (
        "2026-11-23T15:00:08.740Z error   The following error occurred while trying to bind the "
        "TCP/IP listener socket (10050) source=MSExchangeIMC event_id=4007 "
        'category=Initialization/Termination wsa_error=10050 via=direct: hint="say \\"no\\""'
    )


def test_ready_tells_the_addresses() -> None:
    """The record that says ready has its action and every address."""
    document = as_json(events.READY, smtp=["127.0.0.1:1025"], web="http://127.0.0.1:8025/")

    assert document["event"]["action"] == "ready"
    assert document["bindpost"] == {"smtp": ["127.0.0.1:1025"], "web": "http://127.0.0.1:8025/"}


def test_ready_without_web_leaves_it_out() -> None:
    """What has no value is left out of the JSON."""
    assert as_json(events.READY, smtp=["[::1]:25"], web=None)["bindpost"] == {"smtp": ["[::1]:25"]}


@pytest.mark.parametrize(
    ("level", "windows", "name", "keywords", "outcome"),
    [
        (Level.ERROR, 2, "error", ["Classic"], "failure"),
        (Level.WARNING, 3, "warning", ["Classic"], None),
        (Level.INFORMATION, 4, "information", ["Classic"], "success"),
        (Level.AUDIT_SUCCESS, 0, "information", ["Audit Success", "Classic"], "success"),
        (Level.AUDIT_FAILURE, 0, "information", ["Audit Failure", "Classic"], "failure"),
    ],
)
def test_levels_in_json(
    level: Level, windows: int, name: str, keywords: list[str], outcome: str | None
) -> None:
    """Each NT event type has its level, keywords and outcome in the names of each consumer."""
    event = EventType(
        id=1,
        source="bindpost",
        symbol="MSG_TEST",
        level=level,
        category=Category.INTERNAL,
        template="A test.",
        action="test",
        explanation="A test.",
        remedy="None.",
    )
    document = as_json(event)

    assert document["Level"] == document["event"]["severity"] == windows
    assert document["winlog"]["level"] == name
    assert document["winlog"]["keywords"] == keywords
    assert document["event"].get("outcome") == outcome


def test_an_event_without_strings_has_no_data() -> None:
    """The insertion strings are left out where an event has none."""
    document = as_json(events.SERVICE_STOPPED)

    assert "Data" not in document
    assert "event_data" not in document["winlog"]


def test_plain_text_is_no_windows_event() -> None:
    """A plain message has no event, winlog or Sigma fields."""
    assert as_json("hello %s", positional_args=("you",), n=1) == {
        "@timestamp": "2026-11-23T15:00:08.740073Z",
        "message": "hello you",
        "log": {"level": "info", "logger": "bindpost.smtp"},
        "ecs": {"version": "8.17.0"},
        "host": {"hostname": "EXCH55"},
        "process": {"pid": 4321, "thread": {"id": threading.get_native_id()}},
        "service": {"name": "bindpost", "node": {"name": "EXCH55"}},
        "bindpost": {"n": 1},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("you", "me"), "hello %s ['you', 'me']"),
        (({"a": 1},), "hello {'a': 1}"),
        ((), "hello %s"),
    ],
    ids=["too many", "mapping", "none"],
)
def test_arguments_that_do_not_fit_are_shown(arguments: tuple[object, ...], message: str) -> None:
    """A message whose %-arguments do not fit it is logged with them beside it."""
    assert as_json("hello %s", positional_args=arguments)["message"] == message


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: f"{event.source}-{event.id}")
def test_a_forgotten_field_does_not_cost_the_event(event: EventType) -> None:
    """An event whose call site forgot its fields comes out with its placeholders."""
    assert as_json(event)["message"] == event.template


def test_a_peers_text_in_a_sentence_is_escaped() -> None:
    """What a client named itself reaches neither sentence nor insertion strings raw."""
    document = as_json(events.BODY_TIMEOUT, host="\x1b[2Jevil\r\n")

    assert document["Data"] == [r"\x1b[2Jevil\x0d\x0a"]
    assert r"from \x1b[2Jevil\x0d\x0a and" in document["message"]


def test_an_exception_stays_on_its_json_line() -> None:
    """A traceback is one string in error.stack_trace, the line has no line break."""
    try:
        raise ValueError("bad\x1b\nthing at socks5://u:pw@h")
    except ValueError as error:
        line = render_json(None, "", make("boom", exc_info=error))
    failure = json.loads(line)["error"]

    assert "\n" not in line
    assert failure["type"] == "ValueError"
    assert failure["message"] == r"bad\x1b\x0athing at socks5://u:***@h"
    assert failure["stack_trace"].startswith("Traceback (most recent call last):\n  File ")
    assert failure["stack_trace"].endswith("\nthing at socks5://u:***@h")


@pytest.mark.parametrize("kind", ["true", "exception", "triple"])
def test_an_exception_is_found_in_each_form_that_logging_has(kind: str) -> None:
    """True, an exception and a triple all lead to the exception that is handled."""
    try:
        raise KeyError("x")
    except KeyError as error:
        forms = {"true": True, "exception": error, "triple": sys.exc_info()}
        document = as_json(events.INTERNAL_ERROR, exc_info=forms[kind])

    assert document["error"]["type"] == "KeyError"


def test_a_winsock_code_names_the_error_of_an_exception() -> None:
    """With both, the code and its name are Winsock's, the trace is the exception's."""
    failure = as_json(events.BIND_FAILED, wsa_error=10048, exc_info=OSError("x"))["error"]

    assert (failure["code"], failure["type"]) == ("10048", "WSAEADDRINUSE")
    assert failure["stack_trace"] == "OSError: x"


def test_an_exception_without_a_text_is_logged() -> None:
    """An exception whose own str() fails is logged all the same."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    failure = as_json("boom", exc_info=Mute())["error"]

    assert (failure["type"], failure["message"]) == ("Mute", "(an exception without a text)")


def test_a_stack_is_kept() -> None:
    """A stack that another library asked for is in error.stack_trace."""
    assert as_json("here", stack_info="Stack\n  x")["error"] == {"stack_trace": "Stack\n  x"}


def test_a_traceback_on_the_console_is_indented() -> None:
    """No line of a traceback, forged by a peer or not, looks like a record."""
    line = as_console("boom", exc_info=ValueError("a\n2026-11-23T15:00:08Z error forged"))

    assert line.split("\n")[1:] == [
        "    ValueError: a",
        "    2026-11-23T15:00:08Z error forged",
    ]


def test_colours_end_where_they_began() -> None:
    """With colours, what the peer gave is outside of them, and each is switched off again."""
    line = ConsoleRenderer(colours=True)(None, "", make("hello \x1b[7m", key="\x1b[7m"))

    assert line.count("\x1b[0m") == 4
    assert line.endswith("\x1b[36mkey\x1b[0m=\\x1b[7m")


@given(
    st.sampled_from([*CATALOGUE, "plain %s"]) | st.text(),
    st.dictionaries(st.text(min_size=1), HOSTILE, max_size=4),
    st.dictionaries(st.sampled_from(["wsa_error", "host", "sender", "smtp"]), HOSTILE),
)
def test_whatever_is_logged_comes_out_whole(
    event: EventType | str, fields: dict[str, object], known: dict[str, object]
) -> None:
    """Any value in any field gives one valid JSON line and a console line that is harmless."""
    reserved = {"event", "exc_info", "stack_info", "positional_args"}
    given_fields = fields | known
    ready = make(event, **{name: given_fields[name] for name in given_fields.keys() - reserved})
    line = render_json(None, "", ready)
    shown = ConsoleRenderer(colours=False)(None, "", ready)

    assert json.loads(line)["service"]["name"] == "bindpost"
    for text in (line, shown):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text)
        text.encode("utf-8")
