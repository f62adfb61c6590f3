"""Transcripts in PostgreSQL: one a session, grown by pieces; used by the thread that writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from ..message.model import Transcript, TranscriptLine
from .codec import encode
from .postgres_connection import Session, new_rows

_SESSIONS: Final = 10_000
"""Live sessions whose length is remembered; of the others the whole transcript is written anew."""


@dataclass(frozen=True, slots=True)
class _Written:
    """How much of a session's transcript is in the database, or will be."""

    lines: int
    last: TranscriptLine | None

    def begins(self, transcript: Transcript) -> bool:
        """Say whether a transcript goes on from this one."""
        return 0 < self.lines <= len(transcript) and transcript[self.lines - 1] == self.last


@final
class Transcripts:
    """
    Collects what has to be written of transcripts, until `write` does so.

    After a rollback `forget` must be called: what was remembered as written may not be.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._written: dict[str, _Written] = {}
        self._replaced: dict[str, None] = {}
        self._pieces: dict[str, list[tuple[int, Transcript]]] = {}
        self._rows = new_rows("transcript", "session", "line", "lines")

    def grow(self, session: str, transcript: Transcript) -> None:
        """Make the transcript of a live session longer, by writing only the lines that are new."""
        written = self._written.get(session)
        if written is None or not written.begins(transcript):
            self._replaced[session] = None
            self._pieces[session] = [(0, transcript[:])]
        elif len(transcript) > written.lines:
            new = (written.lines, transcript[written.lines :])
            self._pieces.setdefault(session, []).append(new)
        if len(self._written) >= _SESSIONS:
            self._written.clear()
        self._written[session] = _Written(len(transcript), transcript[-1] if transcript else None)

    def ensure(self, session: str) -> None:
        """See that a session has a transcript: an empty one, if there is none yet."""
        if session in self._written or session in self._pieces:
            return
        sql = "SELECT 1 FROM transcript WHERE session = ? LIMIT 1"
        if not self._session.execute(sql, (session,)).fetchone():
            self.grow(session, ())

    def knows(self, session: str) -> bool:
        """Say whether a session is remembered as one that has kept a message."""
        return session in self._written

    def finish(self, session: str, transcript: Transcript) -> None:
        """Give the transcript of a session that is over; of none when it has kept no message."""
        if not self.knows(session):
            kept = self._session.execute("SELECT 1 FROM message WHERE session = ?", (session,))
            if not kept.fetchone():
                return
        self.grow(session, transcript)
        del self._written[session]

    def write(self) -> None:
        """Write what was collected. Raises what psycopg raises."""
        if self._replaced:
            self._session.execute(
                "DELETE FROM transcript WHERE session = ANY(?)", (list(self._replaced),)
            )
        for session, grown in self._pieces.items():
            for line, lines in grown:
                self._rows.add(session, line, encode(lines))
        self._replaced.clear()
        self._pieces.clear()
        self._rows.write(self._session)

    def drop_unused(self, sessions: Iterable[str]) -> None:
        """Remove the transcripts of those of these sessions that have no message left."""
        named = list(sessions)
        found = self._session.execute(
            "DELETE FROM transcript WHERE session = ANY(?) AND NOT EXISTS"
            " (SELECT 1 FROM message WHERE message.session = transcript.session)"
            " RETURNING session",
            (named,),
        )
        for (session,) in found.fetchall():
            self._written.pop(session, None)

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        self._written.clear()
        self._replaced.clear()
        self._pieces.clear()
        self._rows.clear()
