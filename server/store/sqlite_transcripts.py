"""Transcripts in `mail.db`: one a session, grown piece by piece; used by the thread that writes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final, final

from ..message.model import Transcript, TranscriptLine
from .codec import encode

_SESSIONS: Final = 10_000
"""Live sessions whose length is remembered; of the others the whole transcript is written anew."""


@dataclass(frozen=True, slots=True)
class _Written:
    """How much of a session's transcript is in the database."""

    lines: int
    last: TranscriptLine


@final
class Transcripts:
    """
    Writes transcripts, inside the transaction that the caller has begun.

    After a rollback `forget` must be called: what was remembered as written may not be.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._written: dict[str, _Written] = {}

    def grow(self, session: str, transcript: Transcript) -> None:
        """Make the transcript of a live session longer, by writing only the lines that are new."""
        written = self._written.get(session)
        if (
            written is not None
            and len(transcript) >= written.lines
            and transcript[written.lines - 1] == written.last
        ):
            if len(transcript) > written.lines:
                self._insert(session, written.lines, transcript[written.lines :])
        else:
            self.replace(session, transcript)
        if len(self._written) >= _SESSIONS:
            self.forget()
        if transcript:
            self._written[session] = _Written(len(transcript), transcript[-1])
        else:
            self._written.pop(session, None)

    def finish(self, session: str, transcript: Transcript) -> None:
        """Replace the transcript of a session that is over; of none when it kept no message."""
        kept = self._connection.execute("SELECT 1 FROM message WHERE session = ?", (session,))
        if kept.fetchone():
            self.replace(session, transcript)
        self._written.pop(session, None)

    def replace(self, session: str, transcript: Transcript) -> None:
        """Write a transcript as a whole."""
        self._connection.execute("DELETE FROM transcript WHERE session = ?", (session,))
        self._insert(session, 0, transcript[:])

    def drop_unused(self, session: str) -> None:
        """Remove the transcript of a session unless it has a message left."""
        dropped = self._connection.execute(
            "DELETE FROM transcript WHERE session = ?1"
            " AND NOT EXISTS (SELECT 1 FROM message WHERE session = ?1)",
            (session,),
        )
        if dropped.rowcount:
            self._written.pop(session, None)

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        self._written.clear()

    def _insert(self, session: str, line: int, lines: Transcript) -> None:
        self._connection.execute(
            "INSERT INTO transcript (session, line, lines) VALUES (?, ?, ?)",
            (session, line, encode(lines)),
        )
