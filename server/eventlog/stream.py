"""The log's own stream: each record as a line, on standard error as a rule."""

from __future__ import annotations

import codecs
import json
import logging
import re
from typing import Final, Literal, TextIO

from structlog.typing import Processor

from .console_form import ConsoleRenderer
from .json_form import render_json
from .record import EventRecord

_NOT_ASCII: Final = re.compile("[^\x00-\x7f]")


class LogStream:
    """Writes records from a level on to a text stream; colours come only on a terminal."""

    def __init__(self, stream: TextIO, *, form: Literal["console", "json"], level: int) -> None:
        self.level = level
        self._stream = stream
        self._render: Processor = (
            render_json if form == "json" else ConsoleRenderer(colours=_is_terminal(stream))
        )
        # A stream in another character set would put its own escapes into the JSON.
        self._ascii_only = not _is_utf8(stream)

    def take(self, record: EventRecord) -> None:
        """Write a record, unless it is below the level."""
        if logging.getLevelNamesMapping().get(record.level.upper(), self.level) < self.level:
            return
        line = str(self._render(None, record.level, {"record": record}))
        if self._ascii_only:
            line = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], line)
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # a closed stream
        return False


def _is_utf8(stream: TextIO) -> bool:
    """Tell whether a stream can carry every character; one without an encoding keeps text."""
    encoding = getattr(stream, "encoding", None)
    return not encoding or codecs.lookup(encoding).name == "utf-8"
