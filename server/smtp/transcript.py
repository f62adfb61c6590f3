"""Transcript: what both sides said in a session, without secrets, in bounded memory."""

from __future__ import annotations

import time
from typing import Final, Literal

from ..message.model import Transcript, TranscriptLine

MAX_LINES: Final = 100_000
"""Lines kept of one session; 10,000 recipients make 20,000."""
MAX_TEXT: Final = 1024
"""Characters kept of one line."""


class Recorder:
    """
    Collects lines until they are kept with a message.

    Whoever records must have replaced the secrets of AUTH before.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lines: list[TranscriptLine] = []
        self._room = MAX_LINES

    def add(self, speaker: Literal["C", "S", "-"], text: str) -> None:
        """Record a line; after `MAX_LINES` one last note says that the rest is left out."""
        if self._room < 0:
            return
        if self._room == 0:
            speaker, text = "-", f"the rest of the session is left out ({MAX_LINES} lines kept)"
        self._room -= 1
        milliseconds = int((time.monotonic() - self._start) * 1000)
        self._lines.append(TranscriptLine(milliseconds, speaker, text[:MAX_TEXT]))

    @property
    def lines(self) -> Transcript:
        """The lines recorded since they were last forgotten."""
        return tuple(self._lines)

    def forget(self) -> None:
        """Let go of the lines that are kept elsewhere now."""
        self._lines.clear()
