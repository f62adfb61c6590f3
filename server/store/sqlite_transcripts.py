"""
Sessions in `mail.db`: how many messages of each are kept, and its transcript.

A transcript is a chain of pieces, each with the number of the one before it. So writing one changes
no page but the last, and that of the live sessions, which are neighbours.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, final

from ..message.model import Transcript, TranscriptLine
from .codec import decode, encode
from .sql_places import Scope
from .sql_rows import Rows, marks, pieces

_SESSIONS: Final = 10_000
"""Live sessions whose length is remembered; of the others the whole transcript is written anew."""
_CHAIN: Final = (
    " UNION ALL SELECT transcript.previous FROM chain JOIN transcript USING (piece)"
    " WHERE transcript.previous > 0"
)
_Lines = tuple[TranscriptLine, ...]


@dataclass(slots=True)
class _Written:
    """How much of a session's transcript is in the database, or will be, and its last piece."""

    lines: int = 0
    last: TranscriptLine | None = None
    piece: int = 0

    def begins(self, transcript: Transcript) -> bool:
        """Say whether a transcript goes on from this one."""
        return 0 < self.lines <= len(transcript) and transcript[self.lines - 1] == self.last


@dataclass(slots=True)
class _Grown:
    """What has to be written of a session. `is_anew`: in the place of all there may be of it."""

    written: _Written
    is_anew: bool
    messages: int = 0
    lines: list[TranscriptLine] = field(default_factory=list)


@final
class Transcripts:
    """
    Collects what has to be written of sessions, until `write` does so; used by one thread.

    After a rollback `forget` must be called: what was remembered as written may not be.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._written: dict[str, _Written] = {}
        self._grown: dict[str, _Grown] = {}
        self._pieces = Rows("transcript", "piece", "previous", "lines")
        self._sessions = Rows(
            *("session", "name", "messages", "piece"),
            otherwise=(
                "ON CONFLICT (name) DO UPDATE"
                " SET messages = messages + excluded.messages, piece = excluded.piece"
            ),
        )

    def grow(self, session: str, transcript: Transcript, *, messages: int = 1) -> None:
        """Count messages of a session, and take note of the lines that its transcript has more."""
        written = self._written.get(session)
        grown = self._grown.get(session)
        if written is None or not written.begins(transcript):
            kept = grown.messages if grown else 0
            written = _Written()
            grown = self._grown[session] = _Grown(written, is_anew=True, messages=kept)
            self._remember(session, written)
        elif grown is None:
            grown = self._grown[session] = _Grown(written, is_anew=False)
        grown.messages += messages
        if new := transcript[written.lines :]:
            grown.lines += new
            written.lines += len(new)
            written.last = new[-1]

    def count(self, session: str) -> None:
        """Count a message of a session whose transcript stays as it is written."""
        written = self._written.get(session)
        if written is None:
            found = self._connection.execute("SELECT piece FROM session WHERE name = ?", (session,))
            written = _Written(piece=(found.fetchone() or (0,))[0])
        self._grown.setdefault(session, _Grown(written, is_anew=False)).messages += 1

    def _remember(self, session: str, written: _Written) -> None:
        if len(self._written) >= _SESSIONS:
            self._written.clear()
        self._written[session] = written

    def knows(self, session: str) -> bool:
        """Say whether a session is remembered as one that has kept a message."""
        return session in self._written

    def finish(self, session: str, transcript: Transcript) -> None:
        """Give the transcript of a session that is over; of none when it has kept no message."""
        if not self.knows(session):
            kept = self._connection.execute("SELECT 1 FROM session WHERE name = ?", (session,))
            if not kept.fetchone():
                return
        self.grow(session, transcript, messages=0)
        del self._written[session]

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
        self._written.clear()
        self._grown.clear()
        self._pieces.clear()
        self._sessions.clear()

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
