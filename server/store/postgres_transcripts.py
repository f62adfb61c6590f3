"""Transcripts in PostgreSQL: one a session, grown by pieces; used by the thread that writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from .codec import encode
from .postgres_connection import Session
from .sql_transcripts import Transcripts


@final
class PostgresTranscripts(Transcripts):
    """The transcripts; a session's messages are counted by nobody, as they are found at once."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows = session.new_rows("transcript", "session", "line", "lines")

    def keep(self, session: str) -> None:
        """See that a session has a transcript: an empty one, if there is none yet."""
        if session in self._written or session in self._grown:
            return
        sql = "SELECT 1 FROM transcript WHERE session = ? LIMIT 1"
        if not self._session.execute(sql, (session,)).fetchone():
            self.grow(session, ())

    def write(self) -> None:
        """Write what was collected. Raises what psycopg raises."""
        anew = [name for name, grown in self._grown.items() if grown.is_anew]
        if anew:
            self._session.execute("DELETE FROM transcript WHERE session = ANY(?)", (anew,))
        for session, grown in self._grown.items():
            if grown.lines or grown.is_anew:
                first = grown.written.lines - len(grown.lines)
                self._rows.add(session, first, encode(grown.lines))
        self._grown.clear()
        self._rows.write(self._session)

    def drop_unused(self, sessions: Iterable[str]) -> None:
        """Remove the transcripts of those of these sessions that have no message left."""
        found = self._session.execute(
            "DELETE FROM transcript WHERE session = ANY(?) AND NOT EXISTS"
            " (SELECT 1 FROM message WHERE message.session = transcript.session)"
            " RETURNING session",
            (list(set(sessions)),),
        )
        for (session,) in found.fetchall():
            self._written.pop(session, None)

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        super().forget()
        self._rows.clear()

    def _has_kept(self, session: str) -> bool:
        kept = self._session.execute("SELECT 1 FROM message WHERE session = ? LIMIT 1", (session,))
        return kept.fetchone() is not None
