"""The search index answers alone, is never wrong, and is mended whatever becomes of its file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bindpost.errors import SearchTimeoutError
from bindpost.server.indexer import building, reading
from bindpost.server.indexer import indexing as module
from bindpost.server.indexer.building import Building, NoRoomError
from bindpost.server.indexer.file import IndexFile
from bindpost.server.indexer.indexing import IN_MEMORY, NO_GRAMS, indexing
from bindpost.server.message.headers import read_fields
from bindpost.server.message.model import Envelope, Message, Recipient, SessionFacts, new_id
from bindpost.server.store import counted
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_connection import open_reader
from bindpost.server.store.store import MessageRow, Query
from bindpost.server.store.terms import Term

MakeIndex = Callable[..., None]
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
WITH_FILE = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename=invoice.pdf\r\n\r\n%PDF\r\n--b--\r\n"
)


def text(*words: str) -> Query:
    """Give a search for words in contents."""
    return Query(terms=tuple(Term("text", word) for word in words))


def make_message(raw: bytes | str) -> Message:
    """Make a message: these bytes, or these words."""
    if isinstance(raw, str):
        raw = f"From: Jane <jane@one.example>\r\nSubject: news\r\n\r\n{raw}\r\n".encode()
    return Message(
        id=new_id(),
        received=MOMENT,
        envelope=Envelope("jane@one.example", (Recipient("bob@two.example"),), {}),
        session=SessionFacts(
            session_id=new_id(),
            started=MOMENT,
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            peer="127.0.0.1:40000",
            helo="client.example",
            esmtp=True,
        ),
        raw=raw,
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Give an empty store that gives a search no time at all to read messages."""
    store = await SqliteStore.open(tmp_path / "data", search_seconds=0)
    yield store
    await store.close()


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Give an empty store whose searches may read messages."""
    store = await SqliteStore.open(tmp_path / "patient")
    yield store
    await store.close()


@pytest.fixture
def built(store: SqliteStore) -> Iterator[Building]:
    """Give what builds the index of the store."""
    with closing(open_reader(store.index.path.with_name("mail.db"))) as mail:
        yield Building(IndexFile(store.index.path), mail, ending=lambda: False)


async def keep(store: SqliteStore, *messages: bytes | str) -> list[MessageRow]:
    """Keep messages."""
    return [await store.add(make_message(raw), ()) for raw in messages]


async def test_it_answers_without_reading_messages(
    store: SqliteStore, make_index: MakeIndex
) -> None:
    """What is indexed is found by its words, their parts, two of them, or a file, and counted."""
    plain, filed, _ = await keep(store, "the secret word", WITH_FILE, "nothing")
    make_index(store)

    assert await store.find(text("ECRE")) == [plain]
    assert await store.find(text("secret", "word")) == [plain]
    assert await store.find(text("e")) == await store.find()
    assert await store.find(Query(terms=(Term("attachment"),))) == [filed]
    assert await store.find(Query(terms=(Term("text", "secret", negated=True),)), limit=1) != []
    assert (await store.count(text("secret"))).total == 1


async def test_digests_come_from_it(store: SqliteStore, make_index: MakeIndex) -> None:
    """What a list shows of a message is at hand as soon as it is indexed."""
    (row,) = await keep(store, WITH_FILE)
    assert await store.digests([row]) == {}

    make_index(store)

    digest = (await store.digests([row]))[row.id]
    assert (digest.attachments, digest.snippet) == (1, "see the file")


@pytest.mark.parametrize("limit", [1, 2, 3, 0])
@pytest.mark.parametrize("offset", range(6))
async def test_a_page_may_lie_on_both_sides_of_its_end(
    patient: SqliteStore, make_index: MakeIndex, limit: int, offset: int
) -> None:
    """Messages that are not in the index yet are found with those that are, newest first."""
    rows = await keep(patient, "a word", "other", "a word")
    make_index(patient)
    rows += await keep(patient, "a word", "a word")
    matching = [rows[4], rows[3], rows[2], rows[0]]

    found = await patient.find(text("word"), limit=limit, offset=offset)

    assert found == matching[offset : offset + limit if limit else None]
    assert (await patient.count(text("word"))).total == 4


async def test_a_tail_that_takes_too_long_is_named(
    store: SqliteStore, make_index: MakeIndex
) -> None:
    """A search that can't read what is behind the index says so; it gives no part for the whole."""
    (row,) = await keep(store, "a word")
    make_index(store)
    await keep(store, "a word")

    with pytest.raises(SearchTimeoutError, match=f"behind cursor {row.cursor} are not in the"):
        await store.find(text("word"))
    assert await store.find(Query(before=row.cursor + 1, terms=text("word").terms)) == [row]


async def test_counts_follow_what_happens(store: SqliteStore, make_index: MakeIndex) -> None:
    """A count that was asked before is right after messages came, were read and went."""
    rows = await keep(store, "a word", "a word")
    make_index(store)
    assert (await store.count(text("word"))).total == 2
    await keep(store, "a word", "none")
    make_index(store)
    assert (await store.count(text("word"))).total == 3

    await store.mark([rows[0].id], read=True)
    assert (await store.count(text("word"))).unread == 2
    await store.delete([rows[1].id])
    assert (await store.count(text("word"))).total == 2


async def test_what_is_deleted_leaves_it(store: SqliteStore, built: Building) -> None:
    """Nothing of a deleted message stays: neither its words nor its grams."""
    rows = await keep(store, "a secret", "another")
    built.step()
    await store.delete([rows[0].id, "unknown"])

    built.remove(store.index.take().deleted)

    with closing(sqlite3.connect(store.index.path)) as index:
        assert index.execute("SELECT cursor FROM words").fetchall() == [(rows[1].cursor,)]
        assert index.execute("SELECT id FROM entry").fetchall() == [(rows[1].id,)]
        assert index.execute("SELECT rowid FROM grams('\"ecr\"')").fetchall() == []
        assert index.execute("SELECT rowid FROM grams('\"oth\"')").fetchall() != []


async def test_an_inbox_that_was_emptied_empties_it(store: SqliteStore, built: Building) -> None:
    """When nothing is left the file begins anew, and goes on behind what it has seen."""
    rows = await keep(store, "a secret", "another")
    built.step()
    await store.delete(None)

    built.remove([])

    with closing(sqlite3.connect(store.index.path)) as index:
        assert index.execute("SELECT upto, indexed FROM state").fetchall() == [(rows[1].cursor, 0)]
        assert index.execute("SELECT * FROM words").fetchall() == []


async def test_another_inbox_s_index_is_thrown_away(
    store: SqliteStore, patient: SqliteStore, make_index: MakeIndex
) -> None:
    """A file that was made from other messages is not believed."""
    await keep(patient, "theirs", "theirs", "theirs")
    make_index(patient)
    (row,) = await keep(store, "ours")
    shutil.copy(patient.index.path, store.index.path)

    make_index(store)

    assert await store.find(text("theirs")) == []
    assert await store.find(text("ours")) == [row]


async def test_holes_are_noticed(store: SqliteStore, make_index: MakeIndex) -> None:
    """An index that lacks a message which it should have is made anew."""
    rows = await keep(store, "a word", "a word")
    make_index(store)
    with closing(sqlite3.connect(store.index.path)) as index, index:
        index.execute("DELETE FROM entry WHERE cursor = ?", (rows[0].cursor,))

    make_index(store)

    assert await store.find(text("word")) == [rows[1], rows[0]]


async def test_a_damaged_index_is_no_error(patient: SqliteStore, make_index: MakeIndex) -> None:
    """A search that meets damage reads the messages, and has the index made anew."""
    rows = await keep(patient, "a word", "other", "a word")
    make_index(patient)
    size = patient.index.path.stat().st_size
    patient.index.path.write_bytes(b"\xa5" * size)

    assert await patient.find(text("word")) == [rows[2], rows[0]]
    assert await patient.digests(rows) == {}

    assert not patient.index.is_trusted
    make_index(patient)
    assert await patient.find(text("word")) == [rows[2], rows[0]]
    assert len(await patient.digests(rows)) == 3


async def test_damage_is_told_until_it_is_mended(store: SqliteStore) -> None:
    """A report that was under way vouches for nothing, and a new indexer hears of damage too."""
    index = store.index
    index.trust(1, is_new=False)
    index.give_up()

    index.trust(1, is_new=False)

    assert not index.is_trusted
    assert [index.take().is_damaged, index.take().is_damaged] == [True, False]
    index.start_over()
    assert index.news.is_set()
    assert index.take().is_damaged
    index.trust(1, is_new=True)
    assert index.is_trusted
    index.start_over()
    assert not index.news.is_set()
    assert not index.take().is_damaged


async def test_a_removed_index_is_no_error(patient: SqliteStore, make_index: MakeIndex) -> None:
    """Whoever removes the file takes nothing from a search."""
    rows = await keep(patient, "a word")
    make_index(patient)
    patient.index.path.unlink()

    assert await patient.find(text("word")) == rows

    make_index(patient)
    assert patient.index.path.exists()
    assert await patient.find(text("word")) == rows


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("PRAGMA user_version = 99", "of another version"),
        ("PRAGMA application_id = 1", "of another version"),
        ("DROP TABLE state", "no such table"),
        ("UPDATE state SET boot = 'before'", "the system went down"),
    ],
)
async def test_a_file_that_is_not_to_be_trusted_is_made_anew(
    store: SqliteStore, make_index: MakeIndex, change: str, reason: str
) -> None:
    """Another version's, another program's, and what a power failure left, are thrown away."""
    await keep(store, "a word")
    make_index(store)
    with closing(sqlite3.connect(store.index.path)) as index, index:
        index.execute(change)

    opened = IndexFile(store.index.path)

    assert reason in opened.rebuilt
    assert opened.state().upto == 0
    opened.close()


def test_garbage_is_made_anew(tmp_path: Path) -> None:
    """What is no database at all is thrown away too."""
    (tmp_path / "index.db").write_bytes(b"no database" * 1000)

    opened = IndexFile(tmp_path / "index.db")

    assert "not a database" in opened.rebuilt
    opened.close()


async def test_a_message_that_ends_the_indexer_is_found_out(
    store: SqliteStore, built: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the second end in the same message only its header is indexed, and the rest goes on."""
    rows = await keep(store, "before", "poison word", "behind word")

    def end(row: MessageRow, raw: bytes) -> reading.Read:
        if b"poison" in raw:
            raise SystemExit("ended without a word")
        return reading.read_whole(row, raw)

    monkeypatch.setattr(building, "read_whole", end)
    with pytest.raises(SystemExit):
        built.step()
    with closing(open_reader(store.index.path.with_name("mail.db"))) as mail:
        careful = Building(IndexFile(store.index.path), mail, ending=lambda: False)
        assert careful.step() == 1
        with pytest.raises(SystemExit):
            careful.step()
        last = Building(IndexFile(store.index.path), mail, ending=lambda: False)
        while last.step():
            pass
    store.index.trust(rows[-1].cursor, is_new=False)

    assert await store.find(text("word")) == [rows[2]]
    assert await store.find(text("jane@one")) == rows[::-1]
    assert len(await store.digests(rows)) == 2


def row_of(message: Message) -> MessageRow:
    """Make the row of a message."""
    return MessageRow(
        cursor=1,
        id=message.id,
        received=message.received,
        size=len(message.raw),
        read=False,
        envelope=message.envelope,
        session=message.session,
        fields=read_fields(message.raw),
    )


def test_a_message_that_takes_too_long_is_read_by_its_header() -> None:
    """A bomb of parts and tags is given its time and no more; what the header says is kept."""
    part = b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p <!-- " * 20_000 + b"\r\n"
    bomb = (
        b"Subject: bomb\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + part * 50
    )
    message = make_message(bomb)

    read = reading.read_whole(row_of(message), message.raw, seconds=0.01)

    assert read == reading.read_header(row_of(message))
    assert "bomb" in read.text
    assert "jane@one.example" in read.text
    assert read.digest is None


def test_a_message_in_time_is_read_whole() -> None:
    """What ends in time is not disturbed by the limit."""
    message = make_message("a word")

    read = reading.read_whole(row_of(message), message.raw)

    assert read.text.endswith("a word")
    assert read.digest is not None
    assert msgspec.json.decode(read.digest)["snippet"] == "a word"


async def test_a_disk_that_is_nearly_full_is_left_to_the_mail(
    store: SqliteStore, built: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index takes no room that messages need."""
    await keep(store, "a word")
    monkeypatch.setattr(building, "ROOM", 2**62)

    with pytest.raises(NoRoomError, match="nearly full"):
        built.step()


async def test_without_grams_there_is_none_and_searches_work(
    patient: SqliteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where SQLite can't make the index, this is said once, and messages are read."""
    rows = await keep(patient, "a word")
    monkeypatch.setattr(module, "has_grams", lambda: False)

    async with indexing(patient) as index:
        state = await index.state()
        assert await patient.find(text("word")) == rows

    assert (state.state, state.reason) == ("none", NO_GRAMS)
    assert [record.message for record in caplog.records] == [
        f"There is no search index: {NO_GRAMS}."
    ]


async def test_a_store_in_memory_needs_none() -> None:
    """There is no index beside an inbox in memory, and it says so."""
    store = MemoryStore()
    async with indexing(store) as index:
        assert (await index.state()).reason == IN_MEMORY
    await store.close()


async def test_the_grams_are_put_in_order(
    store: SqliteStore, built: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When enough is new the segments become one, piece by piece, and the same is found."""
    monkeypatch.setattr(building, "TIDY_FROM", 3)
    rows = []
    for number in range(6):
        rows += await keep(store, f"a word {number}")
        built.step()
    assert segments(store.index.path) > 1

    while built.tidy():
        pass

    assert segments(store.index.path) == 1
    assert not built.tidy()
    store.index.trust(rows[-1].cursor, is_new=False)
    assert await store.find(text("word")) == rows[::-1]


def segments(path: Path) -> int:
    """Give how many segments the grams are in."""
    with closing(sqlite3.connect(path)) as index:
        (count,) = index.execute("SELECT count(DISTINCT segid) FROM grams_idx").fetchone()
        return int(count)


@pytest.mark.parametrize(("data", "told"), [("data", True), (":memory:", False)])
def test_check_says_that_there_can_be_none(tmp_path: Path, data: str, told: bool) -> None:
    """`bindpost check` tells of a missing tokenizer before anybody searches."""
    program = (
        "from bindpost.server.indexer import indexing; indexing.has_grams = lambda: False; "
        "from bindpost.cli import main; "
        f"main(['check', '--listen', '127.0.0.1:0', '--data', {data!r}])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert (NO_GRAMS in done.stderr) == told


async def test_a_count_that_takes_too_long_gets_further(
    store: SqliteStore, make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of time, what was counted is known, so that asking again comes to an end."""
    await keep(store, *["a word"] * 6)
    make_index(store)
    monkeypatch.setattr(counted, "_STEP", 1)
    tries = 0
    while True:
        try:
            found = await store.count(text("word"))
        except SearchTimeoutError:
            tries += 1
        else:
            break

    assert found.total == 6
    assert tries == 5
