"""A database that an earlier bindpost made is brought up to date, and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from bindpost.server.message.headers import HeaderFields
from bindpost.server.message.model import (
    Envelope,
    Recipient,
    SessionFacts,
    TranscriptLine,
    utc_now,
)
from bindpost.server.store.codec import encode
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import Query
from bindpost.server.store.terms import Term

RAW = b"From: Jane <jane@x.example>\r\nTo: bob@x.example\r\nReply-To: r@x.example\r\n\r\nwords\r\n"
LARGE_RAW = bytes(range(256)) * 4096
SAID = (
    TranscriptLine(0, "S", "220"),
    TranscriptLine(1, "C", "HELO"),
    TranscriptLine(3, "C", "MAIL"),
)


def make_first_version(path: Path) -> None:
    """Write a database of schema version 1 with one message, as that version did."""
    schema = (files("bindpost.server.store") / "schema" / "0001_inbox.sql").read_text("utf-8")
    envelope = Envelope(
        "jane@x.example", (Recipient("bob@x.example"), Recipient("blind@x.example"))
    )
    facts = SessionFacts("s", utc_now(), "127.0.0.1:1025", "direct:", "plain")
    fields = HeaderFields("", "Jane <jane@x.example>", "bob@x.example", "", "<m@x>")
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema)
        database.execute(
            "INSERT INTO message VALUES (1, ?, 1, ?, 0, 'jane@x.example', '', 's', ?, ?, ?)",
            ("0" * 22, len(RAW), encode(envelope), encode(facts), encode(fields)),
        )
        database.execute("INSERT INTO body VALUES (1, ?)", (RAW,))
        database.executemany(
            "INSERT INTO recipient VALUES (1, ?)", [("bob@x.example",), ("blind@x.example",)]
        )
        database.execute("UPDATE inbox SET sequence = 1, total = 1, unread = 1, size = 1")
        database.execute("PRAGMA user_version = 1")
        database.commit()


async def test_messages_of_the_first_version_are_found(tmp_path: Path) -> None:
    """What was kept before there were searches and tags is searched and tagged like the rest."""
    make_first_version(tmp_path / "mail.db")

    store = await SqliteStore.open(tmp_path)
    found = [
        len(await store.find(Query(terms=(term,))))
        for term in (
            Term("from", "jane jane@x.example"),
            Term("to", "bob@"),
            Term("bcc", "blind@"),
            Term("message-id", "m@x"),
            Term("text", "words"),
            Term("tagged", negated=True),
        )
    ]
    changed = await store.set_tags(["0" * 22], ["old"])
    tags = await store.tags()
    await store.close()

    assert found == [1] * 6
    assert (changed, tags) == (1, {"old": 1})


def make_second_version(path: Path) -> None:
    """Make a database of schema version 2: a session of two messages, one of them large."""
    make_first_version(path)
    schema = (files("bindpost.server.store") / "schema" / "0002_search.sql").read_text("utf-8")
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema)
        database.execute(
            "INSERT INTO message SELECT 2, ?, 2, ?, 0, sender, subject, session, envelope, facts,"
            " fields FROM message",
            ("1" * 22, len(LARGE_RAW)),
        )
        database.execute("INSERT INTO body VALUES (2, ?)", (LARGE_RAW,))
        database.executemany(
            "INSERT INTO transcript VALUES ('s', ?, ?)",
            [(0, encode(SAID[:2])), (2, encode(SAID[2:]))],
        )
        database.execute("UPDATE inbox SET sequence = 2, total = 2, unread = 2, size = 2")
        database.execute("PRAGMA user_version = 2")
        database.commit()


async def test_messages_of_the_second_version_are_read(tmp_path: Path) -> None:
    """Bodies and transcripts from before there were segments are read, grow, and are deleted."""
    make_second_version(tmp_path / "mail.db")

    store = await SqliteStore.open(tmp_path)
    try:
        assert await store.raw("0" * 22) == RAW
        assert await store.raw("1" * 22) == LARGE_RAW
        assert await store.transcript("1" * 22) == SAID
        await store.end_session("s", (*SAID, TranscriptLine(4, "C", "QUIT")))
        transcript = await store.transcript("0" * 22)
        assert transcript is not None
        assert [line.text for line in transcript] == ["220", "HELO", "MAIL", "QUIT"]
        assert await store.delete(["1" * 22]) == 1
        assert await store.raw("1" * 22) is None
        assert await store.raw("0" * 22) == RAW
    finally:
        await store.close()


async def test_a_new_folder_has_the_newest_schema(tmp_path: Path) -> None:
    """Every schema file is applied, once, in order."""
    for _ in range(2):
        await (await SqliteStore.open(tmp_path)).close()
    schema = files("bindpost.server.store") / "schema"

    with closing(sqlite3.connect(tmp_path / "mail.db")) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()

    assert version == sum(file.name.endswith(".sql") for file in schema.iterdir())
