"""The logger that all of bindpost uses: structlog's, which takes events of the catalogue too."""

from __future__ import annotations

from typing import Protocol, cast

import structlog

from .events import EventType


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


def get_logger(name: str) -> EventLogger:
    """Give the logger of a part of bindpost, `bindpost.smtp` for instance."""
    return cast("EventLogger", structlog.stdlib.get_logger(name))
