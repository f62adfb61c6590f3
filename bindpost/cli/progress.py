"""Tells on standard error how far something long has got: in place on a terminal, else by lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, Self, TextIO, final

_IN_PLACE: Final = 0.2
_BY_LINES: Final = 10.0
"""Seconds between two looks."""
_CLEAR: Final = "\r\x1b[K"
_MEGABYTE: Final = 1_000_000


@final
class Progress:
    """
    Counts messages and their bytes, and tells of them now and then; what is quick tells nothing.

    `total` is how many messages there will be, None if nobody knows.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._pause = _IN_PLACE if self._is_terminal else _BY_LINES
        self._began = clock()
        self._next = self._began + self._pause
        self._count = 0
        self._size = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing on the terminal."""
        if self._is_terminal:
            self._stream.write(_CLEAR)
            self._stream.flush()

    def step(self, size: int, count: int = 1) -> None:
        """Count messages of so many bytes together."""
        self._count += count
        self._size += size
        now = self._clock()
        if now >= self._next:
            self._next = now + self._pause
            text = f"{self._what}: {self._told(now)}"
            self._stream.write(f"{_CLEAR}{text}" if self._is_terminal else f"{text}\n")
            self._stream.flush()

    def _told(self, now: float) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        rate = self._count / max(now - self._began, 0.001)
        return (
            f"{self._count:,}{of} messages, {self._size / _MEGABYTE:,.1f} MB, {rate:,.0f} a second"
        )
