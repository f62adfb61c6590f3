"""Whatever is kept and looked for, the index finds what reading every message finds."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store import postgres_search
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import Counts, MessageRow, Query
from bindpost.server.store.terms import Term
from bindpost.testing.postgres import PostgresServer

LETTERS = 'aAbcß?ÄäǅİÉ"<>,;() .@-_%\t\0\ufeff\ufffd\ufffe🙂中\u0301'
"""What folding, SQLite or FTS5 may stumble over, and little else, so that much is found."""
TEXTS = st.text(LETTERS, max_size=12)
FIELDS = st.sampled_from(
    [
        *("from", "to", "cc", "bcc", "reply-to", "addressed", "sender", "recipient", "subject"),
        *("message-id", "text", "text", "text", "text", "attachment", "inline", "read"),
    ]
)
ADDRESSES = st.text(LETTERS.replace("\0", ""), min_size=1, max_size=8)


Mail = tuple[Envelope, bytes]
MakeIndex = Callable[..., None]


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    """Make an envelope and a message, some of it MIME, all of it odd."""
    names = ("From", "To", "Cc", "Reply-To", "Subject", "Message-ID")
    header = "".join(f"{name}: {draw(TEXTS)}\r\n" for name in names if draw(st.booleans()))
    body = draw(TEXTS)
    if draw(st.booleans()):
        header += "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
        disposition = draw(st.sampled_from(["inline", "attachment"]))
        body = (
            f"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>{body}</p>\r\n"
            f"--b\r\nContent-Disposition: {disposition}; filename=abc.bin\r\n\r\nx\r\n--b--"
        )
    recipients = tuple(map(Recipient, draw(st.lists(ADDRESSES, max_size=2))))
    raw = f"{header}\r\n{body}\r\n".encode()
    return Envelope(draw(ADDRESSES), recipients, {}), raw


def pieces(mail: Mail) -> list[str]:
    """Give texts of a message that somebody could look for a part of."""
    envelope, raw = mail
    addresses = [recipient.address for recipient in envelope.recipients]
    values = [line.partition(": ")[2] or line for line in raw.decode().split("\r\n")]
    return [text for text in (envelope.reverse_path, *addresses, *values) if text]


@st.composite
def needles(draw: st.DrawFn, kept: list[Mail]) -> str:
    """Give anything, or a part of what was kept."""
    sources = [piece for mail in kept for piece in pieces(mail)]
    if not sources or draw(st.integers(0, 4)) == 0:
        return draw(TEXTS)
    source = draw(st.sampled_from(sources))
    start = draw(st.integers(0, max(0, len(source) - 3)))
    return source[start : start + draw(st.integers(1, 6))]


@st.composite
def searches(draw: st.DrawFn, kept: list[Mail]) -> Query:
    """Give a query, mostly about what was kept."""
    terms = st.builds(Term, FIELDS, needles(kept), st.sampled_from([False, False, True]))
    addresses = [to.address for envelope, _ in kept for to in envelope.recipients] or ["x"]
    return Query(
        subject=draw(st.none() | needles(kept)),
        unread=draw(st.sampled_from([None, None, True, False])),
        recipient=draw(st.none() | st.sampled_from(addresses)),
        after=draw(st.none() | st.integers(-1, 9)),
        before=draw(st.none() | st.integers(-1, 9)),
        terms=tuple(draw(st.lists(terms, max_size=2))),
    )


def message_of(envelope: Envelope, raw: bytes) -> Message:
    """Make a message."""
    session = SessionFacts(
        session_id=new_id(),
        started=utc_now(),
        listener="127.0.0.1:1025",
        via="direct:",
        personality="plain",
        peer="127.0.0.1:40000",
        helo="client.example",
        esmtp=True,
    )
    return Message(id=new_id(), received=utc_now(), envelope=envelope, session=session, raw=raw)


Case = tuple[list[Mail], int, list[Query]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Give mail to keep, how much of it the index has, and what is looked for."""
    kept = draw(st.lists(mails(), max_size=6))
    ends = draw(st.integers(0, len(kept)))
    return kept, ends, draw(st.lists(searches(kept), min_size=10, max_size=20))


async def fill(store: SqliteStore | PostgresStore, case: Case, make_index: MakeIndex) -> None:
    """Keep the mail of a case, and index as much of it as it says."""
    kept, ends, _ = case
    for number, mail in enumerate(kept):
        if number == ends:
            make_index(store)
        await store.add(message_of(*mail), ())
    if ends == len(kept):
        make_index(store)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_index_finds_what_reading_finds(
    make_index: MakeIndex,
    case: Case,
) -> None:
    """Rows, pages and counts are the same, wherever the index ends."""

    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = await SqliteStore.open(Path(folder))
            await fill(store, case, make_index)
            _, ends, queries = case
            for query in queries:
                store.index.trust(ends, is_new=False)
                rows = await store.find(query, limit=0)
                page = await store.find(query, limit=2, offset=1)
                counts = await store.count(query)
                assert store.index.is_trusted, "the index was given up"
                store.index.is_trusted = False
                assert rows == await store.find(query, limit=0)
                assert page == rows[1:3]
                assert (counts.total, counts.size) == (len(rows), sum(row.size for row in rows))
            await store.close()

    asyncio.run(compare())


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_index_in_postgres_finds_what_reading_finds(
    make_index: MakeIndex, postgres: PostgresServer, case: Case
) -> None:
    """The same of an inbox in PostgreSQL, also when a search goes through many stretches."""

    async def compare(url: str) -> None:
        store = await PostgresStore.open(url)
        await fill(store, case, make_index)
        _, ends, queries = case
        found = [await asked(store, query) for query in queries]
        assert (await store.progress()).indexed == ends
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE content_frontier SET upto = 0")
        for query, (rows, page, counts) in zip(queries, found, strict=True):
            assert rows == await store.find(query, limit=0)
            assert page == rows[1:3]
            assert (counts.total, counts.size) == (len(rows), sum(row.size for row in rows))
        await store.close()

    with pytest.MonkeyPatch.context() as patched, postgres.inbox() as url:
        patched.setattr(postgres_search, "_STRETCH", 2)
        asyncio.run(compare(url))


async def asked(
    store: PostgresStore, query: Query
) -> tuple[list[MessageRow], list[MessageRow], Counts]:
    """Give all that is found, a page of it, and its counts."""
    rows = await store.find(query, limit=0)
    return rows, await store.find(query, limit=2, offset=1), await store.count(query)
