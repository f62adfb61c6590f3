"""Sets logging and structlog up for a process; the command line calls it, nobody else."""

from __future__ import annotations

import codecs
import json
import logging
import re
from collections.abc import Iterator
from itertools import count
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from bindpost.events import EventType

from .console_form import ConsoleRenderer
from .json_form import render_json
from .record import RecordMaker

_NOT_ASCII: Final = re.compile("[^\x00-\x7f]")
_CHATTY: Final = ("mail.log", "mail.debug", "asyncssh", "spnego")


def configure(*, form: Literal["console", "json"], level: str, stream: TextIO, host: str) -> None:
    """
    Send every record of this process from `level` on, ours and other libraries', to `stream`.

    `level` is debug, info, warning or error; `host` the computer name in the records. Colours come
    only on a terminal. Can be called again: it takes the place of its former call and leaves other
    handlers alone. Raises `ValueError` for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; write debug, info, warning or error")
    root = logging.getLogger()
    ids: Iterator[int] = count(1)
    for handler in [h for h in root.handlers if isinstance(h, _StreamHandler)]:
        ids = handler.ids
        root.removeHandler(handler)
        handler.close()
    renderer = render_json if form == "json" else ConsoleRenderer(colours=_is_terminal(stream))
    root.addHandler(_StreamHandler(stream, renderer, host=host, ids=ids))
    root.setLevel(number)
    for name in _CHATTY:
        # aiosmtpd logs each command at INFO, XAUTH's secrets with it; asyncssh eight lines a login;
        # spnego at DEBUG what a password can be guessed from.
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=_BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the processors of an earlier call.
        cache_logger_on_first_use=False,
    )


class _BoundLogger(structlog.stdlib.BoundLogger):
    """Logs an event of the catalogue at the event's own level, whatever method was called."""

    def _proxy_to_logger(
        self,
        method_name: str,
        event: EventType | str | None = None,
        *event_args: str,
        **event_kw: object,
    ) -> object:
        if isinstance(event, EventType):
            method_name = event.level.logging_name
        # structlog declares text, but passes any event on to the processors.
        return super()._proxy_to_logger(method_name, event, *event_args, **event_kw)  # type: ignore[arg-type]


class _StreamHandler(logging.Handler):
    """
    Writes each record as a line to a text stream. No failure of it ever reaches the caller.

    All of a record's rendering happens in here, so that this holds for rendering as well.
    """

    def __init__(
        self, stream: TextIO, renderer: Processor, *, host: str, ids: Iterator[int]
    ) -> None:
        super().__init__()
        self.ids = ids
        self._stream = stream
        # A stream in another character set would put its own escapes into the JSON.
        self._ascii_only = not _is_utf8(stream)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.contextvars.merge_contextvars,
                    structlog.stdlib.ExtraAdder(),
                ],
                processors=[RecordMaker(host, ids), renderer],
                pass_foreign_args=True,
                use_get_message=False,
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stream.write(f"{self._line(record)}\n")
            self._stream.flush()
        except Exception:  # noqa: S110 - the log's reader is gone; there is nobody left to tell
            pass

    def _line(self, record: logging.LogRecord) -> str:
        try:
            line = self.format(record)
        except Exception as error:
            cause = type(error).__name__
            text = f"a record of {record.filename}:{record.lineno} could not be rendered: {cause}"
            stand_in = {"name": record.name, "levelno": record.levelno, "msg": text}
            line = self.format(logging.makeLogRecord(stand_in | {"levelname": record.levelname}))
        if self._ascii_only:
            line = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], line)
        return line


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # a closed stream
        return False


def _is_utf8(stream: TextIO) -> bool:
    """Tell whether a stream can carry every character; one without an encoding keeps text."""
    encoding = getattr(stream, "encoding", None)
    return not encoding or codecs.lookup(encoding).name == "utf-8"
