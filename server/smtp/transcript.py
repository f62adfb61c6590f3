"""Transcript: what both sides said in a session, without secrets, in bounded memory."""

from __future__ import annotations

import bisect
import operator
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Literal, overload

from ..message.model import Transcript, TranscriptLine
from .reply import Reply

Speaker = Literal["C", "S", "-"]
_Said = tuple[int, float, Speaker | int, str | tuple[str, ...]]
"""
How many lines were said before; when, in seconds; who said it, and what. A reply has its code and
its lines there.
"""

MAX_LINES: Final = 100_000
"""Lines kept of one session; 32,766 recipients make 65,532."""
MAX_TEXT: Final = 1024
"""Characters kept of one line."""
MAX_SIZE: Final = 8 * 1024 * 1024
"""Characters kept of one session."""


class Recorder:
    """
    Collects what is said in a session.

    Whoever records must have replaced the secrets of AUTH before. A line is made of what was said
    only when somebody reads it: most sessions are never looked at.
    """

    __slots__ = ("_count", "_full", "_said", "_size", "_start")

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._said: list[_Said] = []
        self._count = 0
        self._size = 0
        self._full = False

    def add(self, speaker: Speaker, text: str) -> None:
        """Record a line; at a limit one last note says that the rest is left out."""
        size = len(text)
        self._size += size
        if size > MAX_TEXT or self._size > MAX_SIZE or self._count >= MAX_LINES:
            self._add_at_limit(speaker, text)
        else:
            self._said.append((self._count, time.monotonic(), speaker, text))
            self._count += 1

    def add_reply(self, reply: Reply) -> None:
        """Record a reply, whose lines are made only when they are read."""
        lines = reply.lines
        number = len(lines)
        size = number * len("250 ") + (len(lines[0]) if number == 1 else sum(map(len, lines)))
        fits = self._count + number <= MAX_LINES and self._size + size <= MAX_SIZE
        if not fits or size > MAX_TEXT:
            for line in reply.text_lines:
                self.add("S", line)
            return
        self._size += size
        self._said.append((self._count, time.monotonic(), reply.code, lines))
        self._count += number

    def _add_at_limit(self, speaker: Speaker, text: str) -> None:
        """Record a line of which a part is left out, or the note that the rest is."""
        if self._full:
            return
        self._size -= max(0, len(text) - MAX_TEXT)
        if self._count >= MAX_LINES or self._size > MAX_SIZE:
            self._full = True
            speaker, text = "-", f"the rest of the session is left out after {self._count} lines"
        self._said.append((self._count, time.monotonic(), speaker, text[:MAX_TEXT]))
        self._count += 1

    @property
    def lines(self) -> Transcript:
        """All lines recorded so far; costs nothing, however many there are."""
        return RecordedLines(self._said, self._count, self._start)


class RecordedLines(Sequence[TranscriptLine]):
    """The first lines of a recorder, which does not change them any more."""

    __slots__ = ("_length", "_said", "_start")

    def __init__(self, said: list[_Said], length: int, start: float) -> None:
        self._said = said
        self._length = length
        self._start = start

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> TranscriptLine: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TranscriptLine, ...]: ...
    def __getitem__(self, index: int | slice) -> TranscriptLine | tuple[TranscriptLine, ...]:
        places = range(self._length)[index]
        if isinstance(places, int):
            return next(self._lines_from(places))
        if places.step == 1:
            return tuple(islice(self._lines_from(places.start), len(places)))
        return tuple([self[place] for place in places])

    def __iter__(self) -> Iterator[TranscriptLine]:
        return islice(self._lines_from(0), self._length)

    def _lines_from(self, place: int) -> Iterator[TranscriptLine]:
        """Give the lines from a place on, those that were recorded since, too."""
        found = bisect.bisect_right(self._said, place, key=operator.itemgetter(0)) - 1
        for number in range(max(0, found), len(self._said)):
            first, when, who, what = self._said[number]
            milliseconds = int((when - self._start) * 1000)
            if isinstance(who, int):
                assert not isinstance(what, str)
                for text in Reply(who, what).text_lines[max(0, place - first) :]:
                    yield TranscriptLine(milliseconds, "S", text)
            else:
                assert isinstance(what, str)
                yield TranscriptLine(milliseconds, who, what)
