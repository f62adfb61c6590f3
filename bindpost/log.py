"""
The logger that all of bindpost uses: structlog's, which takes events of the catalogue too.

What it says comes out as ordinary records of `logging`, whose text is a sentence whoever shows it;
the event and its fields stand beside it, as `record.bindpost`. How the process has set up structlog
is not looked at, and neither that nor `logging` is changed: bindpost may be a guest in a program.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Protocol, cast

import structlog

from .events import EventType, Level

OURS: Final = "bindpost"
"""The logger above all of ours."""
_UNSHOWABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LEVELS: Final = {
    level: logging.getLevelNamesMapping()[level.logging_name.upper()] for level in Level
}
_OF_RECORDS: Final = ("exc_info", "stack_info")
"""Keywords that are logging's own and no fields."""
_BETWEEN: Final = ("structlog", __name__)
"""Modules whose frames lie between a call site and its record."""


class EventLogger(Protocol):
    """
    A structlog logger whose message may be an `EventType`.

    The sentence and the level are then the catalogue's; the keywords fill the insertion strings.
    """

    def debug(self, event: EventType | str, **fields: object) -> None:
        """Log at level debug."""
        ...

    def info(self, event: EventType | str, **fields: object) -> None:
        """Log at level info."""
        ...

    def warning(self, event: EventType | str, **fields: object) -> None:
        """Log at level warning."""
        ...

    def error(self, event: EventType | str, **fields: object) -> None:
        """Log at level error."""
        ...

    def exception(self, event: EventType | str, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """What a call site said: found on each of our records as `bindpost`."""

    event: EventType | str
    fields: Mapping[str, object]


def get_logger(name: str) -> EventLogger:
    """Give the logger of a part of bindpost, `bindpost.smtp` for instance."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=_BoundLogger,
        processors=[structlog.contextvars.merge_contextvars],
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("EventLogger", logger)


def is_heard(logger: logging.Logger, event: EventType) -> bool:
    """Tell whether anybody takes this event from a logger, before anything is made for it."""
    level = _LEVELS[event.level]
    return logger.isEnabledFor(level) or bool(_ears(level))


def said(record: logging.LogRecord) -> Said | None:
    """Give what the call site said, None for a record that is another library's."""
    found = getattr(record, "bindpost", None)
    return found if isinstance(found, Said) else None


class Ear(logging.Handler):
    """
    A handler that, on the logger `bindpost`, gets what is said there whatever level is in force.

    Its own level counts. So an ear can listen in a program whose levels are not to be touched.
    """


class _BoundLogger(structlog.stdlib.BoundLogger):
    """Makes the record, at the event's own level whatever method was called, if it is wanted."""

    def _proxy_to_logger(
        self,
        method_name: str,
        event: EventType | str | None = None,
        *event_args: str,
        **event_kw: object,
    ) -> None:
        name = event.level.logging_name if isinstance(event, EventType) else method_name
        level = (
            logging.ERROR if name == "exception" else logging.getLevelNamesMapping()[name.upper()]
        )
        logger = self._logger
        enabled = logger.isEnabledFor(level)
        ears = [] if enabled else _ears(level)
        if not enabled and not ears:
            return
        # structlog declares text, but passes any event on to the processors.
        _, fields = self._process_event(name, event, event_kw)  # type: ignore[arg-type]
        record = _record(logger, level, cast("dict[str, Any]", fields))
        if enabled:
            logger.handle(record)
        for ear in ears:
            ear.handle(record)


def _ears(level: int) -> list[Ear]:
    """Give who listens, though the level in force hides it."""
    handlers = logging.getLogger(OURS).handlers
    return [ear for ear in handlers if isinstance(ear, Ear) and level >= ear.level]


def _record(logger: logging.Logger, level: int, fields: dict[str, Any]) -> logging.LogRecord:
    event: EventType | str = fields.pop("event")
    given = {name: fields.pop(name, None) for name in _OF_RECORDS}
    text = event.fill(event.known_strings(fields)) if isinstance(event, EventType) else event
    frame = _call_site()
    return logger.makeRecord(
        logger.name,
        level,
        frame.f_code.co_filename,
        frame.f_lineno,
        _UNSHOWABLE.sub(_escaped, text),
        args=(),
        exc_info=_exception(given["exc_info"]),
        func=frame.f_code.co_name,
        extra={"bindpost": Said(event, fields)},
        sinfo=given["stack_info"],
    )


def _call_site() -> FrameType:
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith(_BETWEEN) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _exception(given: object) -> Any:  # Any: logging's own triple has three forms
    """Give the triple that a record carries from what callers say: True, an error, a triple."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    return sys.exc_info() if given is True else given


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
