"""Fills a data folder with mail for scripts/bench, by the store's own writer, in batches."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from bench_mail import Letter, letters

from bindpost.server.message.model import Envelope, Message, Recipient, SessionFacts, new_id
from bindpost.server.store.sqlite_connection import DATABASE_FILE, open_writer
from bindpost.server.store.sqlite_inbox import SqliteInbox
from bindpost.server.store.sqlite_schema import migrate

BATCH: Final = 1000


def fill(folder: Path, count: int) -> None:
    """Make a data folder with so many messages; every third is read."""
    folder.mkdir(parents=True)
    path = folder / DATABASE_FILE
    connection = open_writer(path)
    migrate(connection, path)
    inbox = SqliteInbox(connection, path, keep_free=0)
    written = iter(letters(count))
    while batch := list(islice(written, BATCH)):
        inbox.begin()
        rows = [inbox.add(_message(letter), ()) for letter in batch]
        inbox.mark([row.id for row in rows[::3]], read=True)
        inbox.commit()
    inbox.close()


class Kept(NamedTuple):
    """A message that is in the inbox."""

    cursor: int
    id: str


def kept(folder: Path, count: int) -> list[Kept]:
    """Give so many messages that have an HTML form, spread evenly from the newest to the oldest."""
    with closing(open_writer(folder / DATABASE_FILE)) as connection:
        (last,) = connection.execute("SELECT max(cursor) FROM message").fetchone()
        return [
            Kept(
                *connection.execute(
                    "SELECT cursor, id FROM message JOIN body USING (cursor) WHERE cursor <= ?"
                    " AND instr(raw, CAST('text/html' AS BLOB)) ORDER BY cursor DESC LIMIT 1",
                    (last - last * number // (count + 1),),
                ).fetchone()
            )
            for number in range(count)
        ]


def _message(letter: Letter) -> Message:
    return Message(
        id=new_id(),
        received=letter.received,
        envelope=Envelope(letter.sender, (Recipient(letter.recipient),), {}),
        session=SessionFacts(
            session_id=new_id(),
            started=letter.received,
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            peer="127.0.0.1:40000",
            helo="bench.example",
            esmtp=True,
        ),
        raw=letter.raw,
    )
