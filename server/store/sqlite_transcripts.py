"""Transcripts in `mail.db`: one a session, grown piece by piece; used by the thread that writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from ..message.model import Transcript, TranscriptLine
from .codec import encode
from .sqlite_rows import Rows, marks, pieces

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


_NOTHING: Final = _Written(0, None)


@final
class Transcripts:
    """
    Collects what has to be written of transcripts, until `write` does so.

    After a rollback `forget` must be called: what was remembered as written may not be.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._written: dict[str, _Written] = {}
        self._replaced: dict[str, None] = {}
        self._pieces: dict[str, list[tuple[int, Transcript]]] = {}
        self._rows = Rows("transcript", "session", "line", "lines")

    def grow(self, session: str, transcript: Transcript) -> None:
        """Make the transcript of a live session longer, by writing only the lines that are new."""
        written = self._written.get(session)
        if written is None or not written.begins(transcript):
            written = _NOTHING
            self._replaced[session] = None
            self._pieces[session] = []
        new = transcript[written.lines :]
        if not new and written is not _NOTHING:
            return
        self._pieces.setdefault(session, []).append((written.lines, new))
        if len(self._written) >= _SESSIONS:
            self._written.clear()
        self._written[session] = _Written(written.lines + len(new), new[-1] if new else None)

    def knows(self, session: str) -> bool:
        """Say whether a session is remembered as one that has kept a message."""
        return session in self._written

    def finish(self, session: str, transcript: Transcript) -> None:
        """Give the transcript of a session that is over; of none when it has kept no message."""
        if not self.knows(session):
            kept = self._connection.execute("SELECT 1 FROM message WHERE session = ?", (session,))
            if not kept.fetchone():
                return
        self.grow(session, transcript)
        del self._written[session]

    def write(self) -> None:
        """Write what was collected. Raises what SQLite raises."""
        for some in pieces(list(self._replaced)):
            self._connection.execute(
                f"DELETE FROM transcript WHERE session IN ({marks(some)})",  # noqa: S608 - only marks
                some,
            )
        for session, grown in self._pieces.items():
            for line, lines in grown:
                self._rows.add(session, line, encode(lines))
        self._replaced.clear()
        self._pieces.clear()
        self._rows.write(self._connection)

    def drop_unused(self, sessions: Iterable[str]) -> None:
        """Remove the transcripts of those of these sessions that have no message left."""
        for some in pieces(list(sessions)):
            named = f"session IN ({marks(some)})"
            used = self._connection.execute(
                f"SELECT DISTINCT session FROM message WHERE {named}",  # noqa: S608 - only marks
                some,
            ).fetchall()
            self._connection.execute(
                f"DELETE FROM transcript WHERE {named}"  # noqa: S608 - only marks
                " AND NOT EXISTS (SELECT 1 FROM message"
                " WHERE message.session = transcript.session)",
                some,
            )
            for session in {*some} - {session for (session,) in used}:
                self._written.pop(session, None)

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        self._written.clear()
        self._replaced.clear()
        self._pieces.clear()
        self._rows.clear()
