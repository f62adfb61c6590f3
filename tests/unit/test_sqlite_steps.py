"""What is asked of an inbox takes as many steps of SQLite at 400 messages as at 1,200."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bindpost.server.indexer.building import Building
from bindpost.server.indexer.file import IndexFile
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store import sqlite_queries, sqlite_search
from bindpost.server.store.content import ContentSearch
from bindpost.server.store.sqlite_connection import open_reader, open_writer
from bindpost.server.store.sqlite_inbox import SqliteInbox
from bindpost.server.store.sqlite_index import SearchIndex
from bindpost.server.store.sqlite_schema import migrate
from bindpost.server.store.store import Query
from bindpost.server.store.terms import Term

FEW, MANY = 400, 1_200
TOLERANCE = 1.2
"""A tree of more rows may be a level deeper."""

Question = Callable[[sqlite3.Connection], object]
Work = Callable[[SqliteInbox, str], object]


def make_message(number: int) -> Message:
    """Make a message; one of twenty-five is rare in every way that can be asked for."""
    rare = number % 25 == 0
    word = f"rare{number // 25 % 4}" if rare else "common"
    boundary = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n" if rare else ""
    body = "--b\r\nContent-Type: application/pdf\r\n\r\nx\r\n--b--" if rare else "words for all"
    header = f"From: {word}@x\r\nTo: {word}@y\r\nX-Tags: {word}\r\nSubject: {word}\r\n{boundary}"
    return Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope(f"{word}@x", (Recipient(f"{word}@y"),), {}),
        session=SessionFacts(
            session_id=new_id(),
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            peer="127.0.0.1:40000",
            helo="client.example",
            esmtp=True,
        ),
        raw=f"{header}\r\n{body}\r\n".encode(),
    )


class Filled:
    """An inbox with its index, as large as it is wanted."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mail.db"
        self._writer = open_writer(self.path)
        migrate(self._writer, self.path)
        self._inbox = SqliteInbox(self._writer, self.path, keep_free=0, sort=lambda *_: ("all",))
        self._mail = open_reader(self.path)
        self._file = IndexFile(folder / "index.db")
        self._building = Building(self._file, self._mail, ending=lambda: False)
        self.index = SearchIndex(folder / "index.db")

    def grow(self, count: int) -> None:
        """Add messages up to this many; all but the rare ones are read."""
        self._inbox.begin()
        have = self._inbox.counts.total
        rows = [self._inbox.add(make_message(number), ()) for number in range(have, count)]
        self._inbox.mark([row.id for row in rows if "common" in row.fields.subject], read=True)
        self._inbox.commit()
        while self._building.step() or self._building.tidy():
            pass
        self.index.trust(self._file.state().upto, is_new=False)

    def steps_of(self, work: Work) -> int:
        """Give the steps that SQLite takes for some work on the newest message."""
        (newest,) = sqlite_queries.find(self._mail, Query(), limit=1, offset=0)
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        self._inbox.begin()
        self._writer.set_progress_handler(count, 1)
        work(self._inbox, newest.id)
        self._writer.set_progress_handler(None, 1)
        self._inbox.rollback()
        return taken

    def close(self) -> None:
        """Let go of the files."""
        self._file.close()
        self._mail.close()
        self._inbox.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Give an empty inbox."""
    inbox = Filled(tmp_path_factory.mktemp("steps"))
    yield inbox
    inbox.close()


def page(query: Query) -> Question:
    """Ask for three rows of a query."""
    return partial(sqlite_queries.find, query=query, limit=3, offset=0)


def search(
    index: SearchIndex, *terms: Term, limit: int = 3, mailbox: str | None = None
) -> Question:
    """Ask for rows of a search, by the index."""
    return partial(
        sqlite_search.find_indexed,
        query=Query(terms=terms, mailbox=mailbox),
        content=ContentSearch(),
        index=index,
        folder=index.path.parent,
        limit=limit,
        offset=0,
        deadline=time.monotonic() + 60,
    )


def questions(index: SearchIndex) -> dict[str, Question]:
    """Give what is asked; each finds its rows among the newest few hundred messages."""
    common = [Term("text", "words for"), Term("from", "common"), Term("subject", "common")]
    rare = [Term(field, "rare") for field in ("text", "from", "to", "recipient", "subject")]
    return {
        "newest": page(Query()),
        "before": page(Query(before=300)),
        "unread": page(Query(unread=True)),
        "is:unread": page(Query(terms=(Term("read", negated=True),))),
        "recipient": page(Query(recipient="rare1@y")),
        "sender": page(Query(sender="rare1@x", before=350)),
        "tag": page(Query(terms=(Term("tag", "rare1"),))),
        "tag names": sqlite_queries.tag_names,
        "digests": lambda database: sqlite_search.digests(database, index, [1, 100, 200]),
        "attachment": search(index, Term("attachment")),
        "newest of a mailbox": page(Query(mailbox="all")),
        "unread of a mailbox": page(Query(mailbox="all", unread=True)),
        "tag in a mailbox": page(Query(mailbox="all", terms=(Term("tag", "rare1"),))),
        "rare text in a mailbox": search(index, rare[0], mailbox="all"),
        "common text in a mailbox": search(index, common[0], mailbox="all"),
        "two": search(index, Term("text", "rare1"), Term("text", "are1@")),
        **{f"common {term.field}": search(index, term) for term in common},
        **{f"rare {term.field}": search(index, term) for term in rare},
        "nothing": search(index, Term("text", "nowhere"), limit=0),
    }


def statements(connection: sqlite3.Connection, question: Question) -> list[str]:
    """Give what a question selects, its values put in; what FTS5 does for itself is left out."""
    said: list[str] = []
    connection.set_trace_callback(said.append)
    question(connection)
    connection.set_trace_callback(None)
    return [sql for sql in said if sql.startswith(("SELECT", "WITH"))]


def steps(path: Path, question: Question) -> int:
    """Give the steps that SQLite takes for a question."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with closing(open_reader(path)) as connection:
        for sql in statements(connection, question):
            connection.set_progress_handler(count, 1)
            connection.execute(sql).fetchall()
            connection.set_progress_handler(None, 1)
    return taken


def test_no_question_takes_longer_in_a_larger_inbox(filled: Filled) -> None:
    """Lists, pages, searches, common or rare, never go through the inbox."""
    filled.grow(FEW)
    few = {name: steps(filled.path, ask) for name, ask in questions(filled.index).items()}
    filled.grow(MANY)
    many = {name: steps(filled.path, ask) for name, ask in questions(filled.index).items()}

    assert all(few.values())
    assert {
        name: (few[name], many[name]) for name in few if many[name] > TOLERANCE * few[name]
    } == {}


def test_no_question_sorts(filled: Filled) -> None:
    """Every question is answered in the order in which its rows are found."""
    filled.grow(FEW)
    with closing(open_reader(filled.path)) as connection:
        for name, ask in questions(filled.index).items():
            for sql in statements(connection, ask):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
                # The names of one message's tags are put in order, which are few.
                outer = [step[3] for step in plan if "TEMP B-TREE" in step[3] and not step[1]]
                assert outer == [], f"{name}: {sql}"


@pytest.mark.parametrize("mailbox", [None, "all"])
def test_no_work_takes_longer_in_a_larger_inbox(tmp_path: Path, mailbox: str | None) -> None:
    """To mark, tag or delete a message never goes through the inbox, or through a mailbox."""
    works: dict[str, Work] = {
        "mark": lambda inbox, known: inbox.mark([known], read=False, mailbox=mailbox),
        "tag": lambda inbox, known: inbox.set_tags([known], ["common", "new"], mailbox=mailbox),
        "delete": lambda inbox, known: inbox.delete([known], mailbox=mailbox),
        "add": lambda inbox, _: inbox.add(make_message(1), ()),
    }
    with closing(Filled(tmp_path)) as filled:
        filled.grow(FEW)
        few = {name: filled.steps_of(work) for name, work in works.items()}
        filled.grow(MANY)
        many = {name: filled.steps_of(work) for name, work in works.items()}

    assert all(few.values())
    assert {
        name: (few[name], many[name]) for name in few if many[name] > TOLERANCE * few[name]
    } == {}
