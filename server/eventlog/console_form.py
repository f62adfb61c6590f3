"""The console form: time, level, sentence and fields on one line, for people."""

from __future__ import annotations

from typing import Final

import msgspec
from structlog.typing import EventDict, WrappedLogger

from .plain import Plain
from .record import EventRecord

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_CYAN: Final = "\x1b[36m"
_COLOURS: Final = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
_QUOTED: Final = frozenset(" \"'=")


class ConsoleRenderer:
    """
    Renders the record as a line, a traceback as indented lines below it.

    The only control characters that come out are those line breaks and, with `colours`, our own
    colour sequences.
    """

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
        """Render one record."""
        record: EventRecord = event_dict["record"]
        parts = [
            self._paint(_DIM, f"{record.timestamp[:-4]}Z"),  # milliseconds are enough to read
            self._paint(_COLOURS.get(record.level, ""), f"{record.level:<7}"),
            record.message,
            *(f"{self._paint(_CYAN, key)}={shown(value)}" for key, value in _pairs(record)),
        ]
        line = " ".join(parts)
        if record.failure is not None and record.failure.stack_trace:
            # Indented, so that no line of it passes for a record of its own.
            line += "\n    " + record.failure.stack_trace.replace("\n", "\n    ")
        return line

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colours else text


def shown(value: Plain) -> str:
    """Give a value as it stands after `key=`; in quotes where the line would be ambiguous."""
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if value and not _QUOTED & set(value):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _pairs(record: EventRecord) -> list[tuple[str, Plain]]:
    """Give what stands behind the sentence, in order; what has no value is left out."""
    definition = record.definition
    first: list[tuple[str, Plain]] = (
        [
            ("source", definition.source),
            ("event_id", definition.id),
            ("category", definition.category.title),
        ]
        if definition is not None
        else [("logger", record.logger)]
    )
    return first + [(key, value) for key, value in record.fields.items() if value is not None]
