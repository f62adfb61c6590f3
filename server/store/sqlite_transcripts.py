"""
Sessions in `mail.db`: how many messages of each are kept, and its transcript.

A transcript is a chain of pieces, each with the number of the one before it. So writing one changes
no page but the last, and that of the live sessions, which are neighbours.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Final, final

from ..message.model import Transcript, TranscriptLine
from .codec import decode, encode
from .sql_places import Scope
from .sql_rows import Rows, marks, pieces
from .sql_transcripts import Grown, Transcripts, Written

_CHAIN: Final = (
    " UNION ALL SELECT transcript.previous FROM chain JOIN transcript USING (piece)"
    " WHERE transcript.previous > 0"
)
_Lines = tuple[TranscriptLine, ...]


@final
class SqliteTranscripts(Transcripts):
    """The transcripts, and how many messages of each session are kept."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self._pieces = Rows("transcript", "piece", "previous", "lines")
        self._sessions = Rows(
            *("session", "name", "messages", "piece"),
            otherwise=(
                "ON CONFLICT (name) DO UPDATE"
                " SET messages = messages + excluded.messages, piece = excluded.piece"
            ),
        )

    def keep(self, session: str) -> None:
        """Count a message of a session whose transcript stays as it is written."""
        written = self._written.get(session)
        if written is None:
            found = self._connection.execute("SELECT piece FROM session WHERE name = ?", (session,))
            written = Written(piece=(found.fetchone() or (0,))[0])
        self._grown.setdefault(session, Grown(written, is_anew=False)).messages += 1

    def write(self) -> None:
        """Write what was collected. Raises what SQLite raises."""
        if not self._grown:
            return
        self._drop_chains([name for name, grown in self._grown.items() if grown.is_anew])
        number = self._last_piece()
        for session, grown in self._grown.items():
            written = grown.written
            if grown.lines or grown.is_anew:
                number += 1
                self._pieces.add(number, written.piece, encode(grown.lines))
                written.piece = number
            self._sessions.add(session, grown.messages, written.piece)
        self._grown.clear()
        self._pieces.write(self._connection)
        self._sessions.write(self._connection)

    def drop_unused(self, sessions: Iterable[str]) -> None:
        """Take note of the sessions of removed messages; of those without any nothing is left."""
        removed = Counter(sessions)
        self._connection.executemany(
            "UPDATE session SET messages = messages - ? WHERE name = ?",
            [(count, name) for name, count in removed.items()],
        )
        for some in pieces(list(removed)):
            unused = self._connection.execute(
                f"SELECT name FROM session WHERE name IN ({marks(some)}) AND messages <= 0",  # noqa: S608 - only marks
                some,
            ).fetchall()
            names = [name for (name,) in unused]
            self._drop_chains(names)
            for part in pieces(names):
                self._connection.execute(
                    f"DELETE FROM session WHERE name IN ({marks(part)})",  # noqa: S608 - only marks
                    part,
                )
            for name in names:
                self._written.pop(name, None)

    def forget(self) -> None:
        """Forget what is written, so that transcripts are written as a whole again."""
        super().forget()
        self._pieces.clear()
        self._sessions.clear()

    def _has_kept(self, session: str) -> bool:
        kept = self._connection.execute("SELECT 1 FROM session WHERE name = ?", (session,))
        return kept.fetchone() is not None

    def _last_piece(self) -> int:
        found = self._connection.execute("SELECT max(piece) FROM transcript").fetchone()
        return found[0] or 0

    def _drop_chains(self, sessions: list[str]) -> None:
        """Remove the transcripts of those of these sessions that have any."""
        for some in pieces(sessions):
            ends = self._connection.execute(
                f"SELECT piece FROM session WHERE name IN ({marks(some)})",  # noqa: S608 - only marks
                some,
            ).fetchall()
            for (end,) in ends:
                self._connection.execute(
                    f"WITH RECURSIVE chain (piece) AS (SELECT ?{_CHAIN})"  # noqa: S608 - constants only
                    " DELETE FROM transcript WHERE piece IN chain",
                    (end,),
                )


def read(
    connection: sqlite3.Connection, message_id: str, mailbox: str | None = None
) -> Transcript | None:
    """Give the transcript of the session that brought a message, None if there is none."""
    scope = Scope.of(mailbox)
    end = connection.execute(
        f"{scope.sql}SELECT piece FROM message JOIN session ON session.name = message.session"  # noqa: S608 - constants only
        " WHERE id = ?",
        (*scope.parameters, message_id),
    ).fetchone()
    if end is None:
        return None
    found = connection.execute(
        f"WITH RECURSIVE chain (piece) AS (SELECT ?{_CHAIN})"  # noqa: S608 - constants only
        " SELECT lines FROM transcript WHERE piece IN chain ORDER BY piece",
        end,
    )
    return tuple(chain.from_iterable(decode(lines, _Lines) for (lines,) in found))
