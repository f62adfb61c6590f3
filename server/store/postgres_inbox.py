"""
The write side of an inbox in PostgreSQL: how its transactions are made, and what other nodes did.

A transaction locks the one row of `inbox` at its begin, as those of all other nodes do. So it sees
all that they have done, and the numbers that it gives are the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

from bindpost.errors import StoreAwayError, StoreError

from ..message.model import Message
from .codec import decode, encode
from .postgres_connection import Server, Session
from .postgres_transcripts import PostgresTranscripts
from .sql_inbox import TOTALS, SqlInbox, Totals
from .store import Change, Sort, unsorted

_CHANGES: Final = "SELECT told FROM change WHERE sequence > ? AND sequence <= ? ORDER BY sequence"


@final
class PostgresInbox(SqlInbox):
    """
    The inbox as one node sees it.

    While it `is_looked_at`, `commit` gives the changes of other nodes too that have not been heard
    of, in front of its own. Of all changes the latest `remembered` are kept, and a few more;
    `channel` is where nodes are told that there are new ones, `node` the name of this one. Belongs
    to one thread at a time, as its session does, but for `hear`.
    """

    is_looked_at: Callable[[], bool]
    _parts = ("body", "recipient", "header", "content", "tag", "message")

    def __init__(
        self,
        server: Server,
        session: Session,
        *,
        channel: str,
        remembered: int,
        sort: Sort = unsorted,
        node: str | None = None,
    ) -> None:
        with server.translated():
            totals = _begin(session)
            session.rollback()
        super().__init__(session, PostgresTranscripts(session), totals, sort=sort, node=node)
        self._server = server
        self._session = session
        self._channel = channel
        self._remembered = remembered
        self._told = session.new_rows("change", "sequence", "told")
        self._heard = 0
        self._unheard: tuple[int, int] | None = None
        self.is_looked_at = lambda: True

    def hear(self, sequence: int) -> None:
        """Take note, in any thread, that changes of others were heard of elsewhere, up to one."""
        self._heard = max(self._heard, sequence)

    def begin(self) -> None:
        """Begin a transaction, in which nobody else changes the inbox."""
        seen = max(self._heard, self._committed.sequence)
        self._totals = _begin(self._session, "FOR UPDATE")
        if self._totals.sequence < seen:
            raise StoreAwayError(
                f"{self._server} has lost changes: it is at {self._totals.sequence}, and was at "
                f"{seen}; if that is meant, start bindpost again"
            )
        self._unheard = (seen, self._totals.sequence) if self._totals.sequence > seen else None
        if self._may_be_thinned():
            self._transcripts.forget()  # those of sessions whose messages all went are gone

    def commit(self) -> list[Change]:
        """Make the transaction durable; give what was changed, here and before by others."""
        changes, ended, missed = self._changes, None, None
        try:
            with self._session.together():
                self._write_collected()
                if changes:
                    self._tell(changes)
                    self._totals.write(self._session)
                ended = self._session.execute("COMMIT")
                if self._unheard and self.is_looked_at():  # nobody waits for it any more
                    missed = self._session.execute(_CHANGES, self._unheard)
            heard = [decode(told, Change) for (told,) in missed or ()]
        except Exception:
            if ended is None or ended.statusmessage != "COMMIT":
                raise
            heard = []  # they are recalled; what is durable must not be called refused
        return [*heard, *self._settle()]

    def rollback(self) -> None:
        """Undo the transaction, or let go of the connection if it was lost."""
        self._session.rollback()
        self._undo()
        self._told.clear()

    def end_silence(self) -> None:
        """Give up, in any thread, what has waited too long for an answer; see `Session`."""
        self._session.end_silence()

    def translate(self, error: Exception) -> StoreError:
        """Say what an error of PostgreSQL means."""
        return self._server.translate(error)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _keep_body(self, cursor: int, message: Message) -> None:
        self._new.add_body(cursor, message.raw)

    def _write_new(self) -> None:
        with self._session.together():
            self._write_collected()

    def _tell(self, changes: Sequence[Change]) -> None:
        """Write changes down for the other nodes, and have these told that there are some."""
        for change in changes:
            self._told.add(change.sequence, encode(change))
        self._told.write(self._session)
        self._forget_old(changes)
        last = str(changes[-1].sequence)
        self._session.execute("SELECT pg_notify(?, ?)", (self._channel, last))

    def _forget_old(self, changes: Sequence[Change]) -> None:
        """Delete changes that are too old; a hundredth at once, as each commit would pay for it."""
        step = max(1, self._remembered // 100)
        last = changes[-1].sequence
        if last // step > (changes[0].sequence - 1) // step:
            self._session.execute(
                "DELETE FROM change WHERE sequence <= ?", (last - self._remembered,)
            )

    def _may_be_thinned(self) -> bool:
        """
        Say whether others may have deleted messages since this node last wrote.

        Each message that comes is a change of its own, and so is whatever deletes some: so if there
        are as many more messages as there were changes, none of these was anything else.
        """
        was, now = self._committed, self._totals
        return now.total - was.total != now.sequence - was.sequence


def _begin(session: Session, how: str = "") -> Totals:
    """Begin a transaction by reading the row of `inbox`."""
    return Totals(*session.begin(f"{TOTALS} {how}").fetchall()[0])
