"""Setting the log up: what goes where, at which level, and that it never hurts the service."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from bindpost import events
from bindpost.events import Level
from bindpost.log import get_logger
from bindpost.server.eventlog import configure

Start = Callable[..., io.StringIO]
_NAMES = ("", "mail.log", "mail.debug")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Pipe(io.StringIO):
    """A stream whose reader has gone away."""

    def write(self, text: str) -> int:
        """Fail as a closed pipe does."""
        raise BrokenPipeError(32, "Broken pipe")


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a `configure` with defaults that gives its stream; everything is put back afterwards."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in _NAMES}

    def start(
        form: Literal["console", "json"] = "json",
        level: str = "info",
        stream: io.StringIO | None = None,
    ) -> io.StringIO:
        stream = stream or io.StringIO()
        configure(form=form, level=level, stream=stream, host="EXCH55")
        return stream

    yield start
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def documents(stream: io.StringIO) -> list[dict[str, Any]]:
    """Read the lines of a JSON log."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_logged_by_its_definition(start: Start) -> None:
    """A call site names the event and its fields; the rest comes from the catalogue."""
    stream = start()

    get_logger("bindpost.smtp").error(events.BIND_FAILED, wsa_error=10050)

    (document,) = documents(stream)
    assert document["message"] == events.BIND_FAILED.sentence({"wsa_error": 10050})
    assert document["log"] == {"level": "error", "logger": "bindpost.smtp"}
    assert document["EventID"] == 4007
    assert document["error"]["type"] == "WSAENETDOWN"
    assert document["host"]["hostname"] == document["Computer"] == "EXCH55"


def test_the_events_own_level_counts(start: Start) -> None:
    """An error logged by a call to `info` is an error, and is filtered as one."""
    stream = start(level="error")

    get_logger("bindpost.smtp").info(events.BIND_FAILED, wsa_error=10050)
    get_logger("bindpost.smtp").error(events.SERVICE_STOPPED)

    (document,) = documents(stream)
    assert document["log"]["level"] == "error"
    assert events.SERVICE_STOPPED.level is Level.INFORMATION


def test_other_handlers_see_the_events_own_level(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """The record that logging passes around has the event's level too."""
    start()

    get_logger("bindpost.smtp").info(events.BIND_FAILED, wsa_error=10050)

    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_plain_text_works_too(start: Start) -> None:
    """A plain message keeps the level of its call and has its fields beside it."""
    stream = start(level="debug")

    get_logger("bindpost.smtp").debug("hello", n=1)

    (document,) = documents(stream)
    assert document["message"] == "hello"
    assert document["log"]["level"] == "debug"
    assert document["bindpost"] == {"n": 1}


def test_events_are_counted_through_the_process(start: Start) -> None:
    """Record ids count the catalogue's events only, and go on when the log is set up again."""
    first = start()
    log = get_logger("bindpost.smtp")
    log.info(events.SERVICE_STOPPED)
    log.info("plain")
    log.info(events.SERVICE_STOPPED)
    second = start()
    log.info(events.SERVICE_STOPPED)

    ids = [line["winlog"]["record_id"] for line in documents(first) if "winlog" in line]
    assert ids == [1, 2]
    assert [line["winlog"]["record_id"] for line in documents(second)] == [3]


def test_setting_up_again_replaces_only_our_own(start: Start) -> None:
    """A second call takes the place of the first and leaves a foreign handler where it is."""
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    first = start()
    second = start(form="console")

    get_logger("bindpost.smtp").info("once")

    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
    assert foreign in logging.getLogger().handlers


def test_a_logger_made_before_follows_a_new_setup(start: Start) -> None:
    """A logger used under one setup writes under the next one."""
    log = get_logger("bindpost.smtp")
    start()
    log.info("one")
    stream = start(form="console")
    log.info("two")

    assert "two" in stream.getvalue()


def test_context_reaches_every_line(start: Start) -> None:
    """What is bound to the context stands on our lines and on other libraries'."""
    stream = start()
    structlog.contextvars.bind_contextvars(session="s1")

    get_logger("bindpost.smtp").info("ours")
    logging.getLogger("mail.log").error("theirs")

    assert [line["bindpost"] for line in documents(stream)] == [{"session": "s1"}] * 2


@pytest.mark.parametrize(
    ("name", "level", "shown"),
    [
        *(("mail.log", level, ["error"]) for level in ("debug", "info", "warning", "error")),
        *(("mail.debug", level, ["warning", "error"]) for level in ("debug", "info", "warning")),
        ("mail.debug", "error", ["error"]),
    ],
)
def test_aiosmtpd_is_quieter_than_we_are(
    start: Start, name: str, level: str, shown: list[str]
) -> None:
    """What aiosmtpd says of commands can tell secrets, so only its errors are heard."""
    stream = start(level=level)
    log = logging.getLogger(name)

    for method in (log.debug, log.info, log.warning, log.error):
        method("%r said %s", ("192.0.2.7", 4711), "x")

    lines = documents(stream)
    assert [line["log"]["level"] for line in lines] == shown
    assert {line["message"] for line in lines} == {"('192.0.2.7', 4711) said x"}


def test_another_librarys_extras_are_fields(start: Start) -> None:
    """Extra attributes of a foreign record are fields, but not uvicorn's coloured copy."""
    stream = start()

    logging.getLogger("uvicorn").info("up", extra={"port": 1, "color_message": "\x1b[1mup"})

    assert documents(stream)[0]["bindpost"] == {"port": 1}


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_foreign_exception_is_logged(start: Start, form: str) -> None:
    """Another library's traceback comes out in both forms, on one line in JSON."""
    stream = start(form=form)

    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logging.getLogger("mail.log").exception("session exception")

    text = stream.getvalue()
    assert "Traceback" in text
    assert "\x1b" not in text
    if form == "json":
        assert documents(stream)[0]["error"]["type"] == "ValueError"


def test_our_exceptions_are_logged(start: Start) -> None:
    """`exception` puts the exception that is handled beside the event."""
    stream = start()

    try:
        raise ValueError("x")
    except ValueError:
        get_logger("bindpost.smtp").exception(events.INTERNAL_ERROR, peer="192.0.2.7")

    (document,) = documents(stream)
    assert document["EventID"] == 114
    assert document["error"]["message"] == "x"


@pytest.mark.parametrize(("stream", "coloured"), [(io.StringIO, False), (Terminal, True)])
def test_colours_only_on_a_terminal(
    start: Start, stream: type[io.StringIO], coloured: bool
) -> None:
    """The console form is coloured on a terminal and nowhere else."""
    out = start(form="console", stream=stream())

    get_logger("bindpost.smtp").info("hello")

    assert ("\x1b[" in out.getvalue()) is coloured


def test_a_closed_pipe_never_reaches_the_service(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """When nobody reads the log any more, logging does nothing, and says nothing elsewhere."""
    start(stream=Pipe())

    get_logger("bindpost.smtp").error(events.BIND_FAILED, wsa_error=10050)
    logging.getLogger("mail.log").error("x")

    assert capsys.readouterr() == ("", "")


def test_a_closed_stream_never_reaches_the_service(start: Start) -> None:
    """A stream that was closed is no error, neither at setup nor at logging."""
    stream = io.StringIO()
    stream.close()
    start(form="console", stream=stream)

    get_logger("bindpost.smtp").error(events.BIND_FAILED, wsa_error=10050)

    assert stream.closed


def test_a_record_that_cannot_be_rendered_leaves_a_line(start: Start) -> None:
    """A foreign message that fails to show itself is replaced by where it came from."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

    stream = start()
    record = logging.makeLogRecord(
        {"name": "x", "levelno": 30, "levelname": "WARNING", "msg": Mute(), "filename": "x.py"}
    )
    for handler in logging.getLogger().handlers:
        if type(handler).__module__.startswith("bindpost."):
            handler.handle(record)

    (document,) = documents(stream)
    assert document["message"].endswith("x.py:0 could not be rendered: RuntimeError")
    assert document["log"] == {"level": "warning", "logger": "x"}


@pytest.mark.parametrize("errors", ["strict", "backslashreplace"])
def test_a_stream_in_another_character_set_gets_valid_json(start: Start, errors: str) -> None:
    """On a stream that is not UTF-8 the line is ASCII with JSON's own escapes."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="iso-8859-1", errors=errors)
    configure(form="json", level="info", stream=stream, host="EXCH55")

    get_logger("bindpost.smtp").info("Grüße 😀")

    assert json.loads(raw.getvalue().decode("ascii"))["message"] == "Grüße 😀"


def test_an_unknown_level_is_refused(start: Start) -> None:
    """A level that logging does not have is an error that names the ones it has."""
    with pytest.raises(ValueError, match="'loud' is no log level; write debug, info"):
        start(level="loud")
