"""Transcript: what both sides said in a session, without secrets, in bounded memory."""

from __future__ import annotations

import time
from typing import Final, Literal

from ..message.model import Transcript, TranscriptLine, TranscriptView

MAX_LINES: Final = 100_000
"""Lines kept of one session; 32,766 recipients make 65,532."""
MAX_TEXT: Final = 1024
"""Characters kept of one line."""
MAX_SIZE: Final = 8 * 1024 * 1024
"""Characters kept of one session."""


class Recorder:
    """
    Collects what is said in a session.

    Whoever records must have replaced the secrets of AUTH before.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lines: list[TranscriptLine] = []
        self._size = 0
        self._full = False

    def add(self, speaker: Literal["C", "S", "-"], text: str) -> None:
        """Record a line; at a limit one last note says that the rest is left out."""
        if self._full:
            return
        text = text[:MAX_TEXT]
        self._size += len(text)
        if len(self._lines) == MAX_LINES or self._size > MAX_SIZE:
            self._full = True
            speaker, text = (
                "-",
                f"the rest of the session is left out after {len(self._lines)} lines",
            )
        milliseconds = int((time.monotonic() - self._start) * 1000)
        self._lines.append(TranscriptLine(milliseconds, speaker, text))

    @property
    def lines(self) -> Transcript:
        """All lines recorded so far; those recorded later are not among them."""
        return TranscriptView(self._lines)
