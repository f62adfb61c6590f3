"""What bindpost says, for tests of it: every line, whatever the process shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..log import OURS, Ear, said

Line = dict[str, Any]
"""The fields that were given, under `event` what was said, under `log_level` how loud."""


@contextmanager
def heard_by(take: Callable[[Line], None]) -> Iterator[None]:
    """Give all that the loggers of bindpost say to a function, in all threads, until it ends."""
    ears = _Ears(take)
    logger = logging.getLogger(OURS)
    logger.addHandler(ears)
    try:
        yield
    finally:
        logger.removeHandler(ears)


@contextmanager
def all_said() -> Iterator[list[Line]]:
    """Give a list that fills with all that the loggers of bindpost say."""
    lines: list[Line] = []
    with heard_by(lines.append):
        yield lines


class _Ears(Ear):
    """Hands each of our records on, as a mapping."""

    def __init__(self, take: Callable[[Line], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on."""
        if (found := said(record)) is not None:
            level = {"log_level": record.levelname.lower()}
            self._take({"event": found.event, **level, **found.fields})
