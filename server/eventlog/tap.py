"""Listens to our own events in a program whose logging is its own, and changes none of that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bindpost.events import EventType

from .handler import EventHandler

_OURS: Final = "bindpost"


class Tap:
    """
    A structlog processor that stands first: it hands our events to a handler.

    What comes through, ours and the program's, goes on to the other processors as it was.
    """

    def __init__(self, handler: EventHandler) -> None:
        self.handler = handler

    def __call__(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> EventDict:
        """Hand on a copy of an event of the catalogue."""
        event = event_dict.get("event")
        if isinstance(event, EventType):
            self.handler.handle(_record(event, logger, name, event_dict))
        return event_dict


def find_tap() -> Tap | None:
    """Give the tap that is in place, if there is one."""
    taps = (part for part in structlog.get_config()["processors"] if isinstance(part, Tap))
    return next(taps, None)


def tap(handler: EventHandler) -> Callable[[], None]:
    """Put a tap in front of the processors that the program has now; gives what takes it away."""
    processors: list[Processor] = structlog.get_config()["processors"]
    if not isinstance(processors, list):
        processors = list(processors)
        structlog.configure(processors=processors)
    made = Tap(handler)
    # In place, so that loggers which were bound before have it too.
    processors.insert(0, made)

    def untap() -> None:
        if made in processors:
            processors.remove(made)

    return untap


def _record(
    event: EventType, logger: WrappedLogger, name: str, event_dict: EventDict
) -> logging.LogRecord:
    """Make the record that `ProcessorFormatter` would have got of our own set-up."""
    fields = structlog.contextvars.merge_contextvars(logger, name, dict(event_dict))
    level = event.level.logging_name.upper()
    return logging.makeLogRecord(
        {
            "name": getattr(logger, "name", _OURS),
            "levelname": level,
            "levelno": logging.getLevelNamesMapping()[level],
            "msg": fields,
            "_logger": logger,
            "_name": name,
        }
    )
