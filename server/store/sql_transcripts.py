"""How transcripts grow while their sessions last; used by the thread that writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..message.model import Transcript, TranscriptLine

_SESSIONS: Final = 10_000
"""Live sessions whose length is remembered; of the others the whole transcript is written anew."""


@dataclass(slots=True)
class Written:
    """
    How much of a session's transcript is in the database, or will be.

    `piece` is the number of the last piece, where pieces have numbers.
    """

    lines: int = 0
    last: TranscriptLine | None = None
    piece: int = 0

    def begins(self, transcript: Transcript) -> bool:
        """Say whether a transcript goes on from this one."""
        return 0 < self.lines <= len(transcript) and transcript[self.lines - 1] == self.last


@dataclass(slots=True)
class Grown:
    """
    What has to be written of a session: so many messages, and the last `lines` of its transcript.

    `is_anew`: in the place of all there may be of it.
    """

    written: Written
    is_anew: bool
    messages: int = 0
    lines: list[TranscriptLine] = field(default_factory=list)


class Transcripts(ABC):
    """
    Collects what has to be written of sessions, until `write` does so.

    After a rollback `forget` must be called: what was remembered as written may not be.
    """

    def __init__(self) -> None:
        self._written: dict[str, Written] = {}
        self._grown: dict[str, Grown] = {}

    def grow(self, session: str, transcript: Transcript, *, messages: int = 1) -> None:
        """Count messages of a session, and take note of the lines that its transcript has more."""
        written = self._written.get(session)
        grown = self._grown.get(session)
        if written is None or not written.begins(transcript):
            kept = grown.messages if grown else 0
            written = Written()
            grown = self._grown[session] = Grown(written, is_anew=True, messages=kept)
            self._remember(session, written)
        elif grown is None:
            grown = self._grown[session] = Grown(written, is_anew=False)
        grown.messages += messages
        if new := transcript[written.lines :]:
            grown.lines += new
            written.lines += len(new)
            written.last = new[-1]

    @abstractmethod
    def keep(self, session: str) -> None:
        """Count a message of a session whose transcript stays as it is written."""

    def knows(self, session: str) -> bool:
        """Say whether a session is remembered as one that has kept a message."""
        return session in self._written

    def finish(self, session: str, transcript: Transcript) -> None:
        """Give the transcript of a session that is over; of none when it has kept no message."""
        if self.knows(session) or self._has_kept(session):
            self.grow(session, transcript, messages=0)
            del self._written[session]

    @abstractmethod
    def write(self) -> None:
        """Write what was collected. Raises what the database raises."""

    @abstractmethod
    def drop_unused(self, sessions: Iterable[str]) -> None:
        """Take note of the sessions of removed messages; of those without any nothing is left."""

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        self._written.clear()
        self._grown.clear()

    @abstractmethod
    def _has_kept(self, session: str) -> bool:
        """Say whether the database has a message of a session."""

    def _remember(self, session: str, written: Written) -> None:
        if len(self._written) >= _SESSIONS:
            self._written.clear()
        self._written[session] = written
