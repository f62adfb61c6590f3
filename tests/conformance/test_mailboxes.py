"""Mailboxes of a store: what is done in one of them is seen in it, and in no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bindpost.errors import StoreError
from bindpost.server.message.model import Envelope, SessionFacts, TranscriptLine
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import Change, Counts, MessageStore, Query, SharedStore
from bindpost.server.store.terms import Term

from .bench import NOTHING, MakeMessage

HELLO = b"Subject: hello\r\nX-Tags: News\r\n\r\nbody\r\n"


def by_domain(envelope: Envelope, _: SessionFacts) -> tuple[str, ...]:
    """Put a message into a mailbox for each domain of a recipient."""
    return tuple(sorted({to.address.rpartition("@")[2] for to in envelope.recipients}))


@dataclass(frozen=True)
class Inbox:
    """A store with mail for a, mail for b, mail for both, and mail for neither; ids of these."""

    store: SharedStore
    a: MailboxView
    b: MailboxView
    for_a: str
    for_b: str
    for_both: str
    for_none: str


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def inbox(
    request: pytest.FixtureRequest, tmp_path: Path, message: MakeMessage
) -> AsyncIterator[Inbox]:
    """Give a store with mail in it."""
    async with AsyncExitStack() as stack:
        store: SharedStore
        if request.param == "memory":
            store = MemoryStore(sort=by_domain)
        elif request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("postgres").inbox())
            store = await PostgresStore.open(url, sort=by_domain)
        else:
            store = await SqliteStore.open(tmp_path / "mail", sort=by_domain)
        stack.push_async_callback(store.close)
        ids = [
            (await store.add(message(HELLO, to=to), ())).id
            for to in (["x@a"], ["x@b"], ["x@a", "x@b"], [])
        ]
        yield Inbox(store, MailboxView(store, "a"), MailboxView(store, "b"), *ids)


async def ids_in(store: MessageStore, query: Query = Query()) -> list[str]:  # noqa: B008 - frozen
    """Give the ids of what is found, the oldest first."""
    return [row.id for row in await store.find(query, limit=0)][::-1]


async def test_each_sees_its_own(inbox: Inbox) -> None:
    """A message is in the mailboxes that the rules say; the whole inbox has all."""
    assert await ids_in(inbox.a) == [inbox.for_a, inbox.for_both]
    assert await ids_in(inbox.b) == [inbox.for_b, inbox.for_both]
    assert await ids_in(inbox.store) == [
        *(inbox.for_a, inbox.for_b, inbox.for_both, inbox.for_none)
    ]
    assert [row.mailboxes for row in await inbox.store.find()] == [(), ("a", "b"), ("b",), ("a",)]
    assert {row.mailboxes for row in await inbox.a.find()} == {("a",)}


async def test_counts_are_those_of_the_mailbox(inbox: Inbox) -> None:
    """A mailbox counts what is in it, with and without a condition; all are listed by name."""
    two = Counts(total=2, unread=2, size=2 * len(HELLO))

    assert await inbox.a.count() == await inbox.a.count(Query(after=0)) == two
    assert await inbox.store.mailboxes() == {"a": two, "b": two}
    assert (await inbox.store.count()).total == 4
    assert await MailboxView(inbox.store, "c").count() == NOTHING


async def test_another_s_ids_are_unknown(inbox: Inbox) -> None:
    """Of another's message there is no row, no bytes and no transcript; nothing can be done."""
    before = inbox.store.sequence

    assert await inbox.a.get(inbox.for_b) is None
    assert await inbox.a.raw(inbox.for_b) is None
    assert await inbox.a.transcript(inbox.for_b) is None
    assert await inbox.a.mark([inbox.for_b], read=True) == 0
    assert await inbox.a.set_tags([inbox.for_b], ["x"]) == 0
    assert await inbox.a.delete([inbox.for_b, inbox.for_none]) == 0
    assert inbox.store.sequence == before


@pytest.mark.parametrize(
    "query",
    [
        Query(recipient="x@b"),
        Query(subject="hello"),
        Query(sender="from@example.com"),
        Query(mailbox="b"),
        Query(unread=True),
        Query(terms=(Term("tag", "news"), Term("tagged"), Term("recipient", "x@"))),
        Query(terms=(Term("text", "body"),)),
    ],
)
async def test_no_search_finds_another_s(inbox: Inbox, query: Query) -> None:
    """Whatever is looked for, what is found is in the mailbox, and counted so."""
    found = await ids_in(inbox.a, query)

    assert set(found) <= {inbox.for_a, inbox.for_both}
    assert (await inbox.a.count(query)).total == len(found)


async def test_marking_in_one_leaves_the_other(inbox: Inbox) -> None:
    """Marking all of a mailbox marks a message that is in two only there, and in the whole."""
    assert await inbox.a.mark(None, read=True) == 2

    assert await ids_in(inbox.a, Query(unread=True)) == []
    assert await ids_in(inbox.b, Query(unread=True)) == [inbox.for_b, inbox.for_both]
    assert await ids_in(inbox.store, Query(unread=True)) == [inbox.for_b, inbox.for_none]
    assert [(await view.count()).unread for view in (inbox.a, inbox.b, inbox.store)] == [0, 2, 2]
    assert (await inbox.store.mailboxes())["b"].unread == 2


async def test_marking_in_the_whole_marks_everywhere(inbox: Inbox) -> None:
    """Who marks in the whole inbox marks in the mailboxes too, what was marked already as well."""
    await inbox.a.mark(None, read=True)

    assert await inbox.store.mark(None, read=True) == 2

    assert [(await view.count()).unread for view in (inbox.a, inbox.b, inbox.store)] == [0, 0, 0]


async def test_tags_of_one_are_not_the_other_s(inbox: Inbox) -> None:
    """Tags that are set, renamed and removed in a mailbox stay as they were in another."""
    assert await inbox.a.set_tags([inbox.for_both], ["Red", "news"]) == 1
    assert await inbox.a.tags() == {"News": 2, "Red": 1}
    assert await inbox.b.tags() == {"News": 2}
    assert await inbox.store.tags() == {"News": 4, "Red": 1}

    assert await inbox.a.rename_tag("NEWS", "Old") == 2
    assert await inbox.a.remove_tag("red") == 1

    assert await inbox.a.tags() == {"Old": 2}
    assert await inbox.b.tags() == {"News": 2}
    assert await inbox.store.tags() == {"News": 2, "Old": 2}
    row = await inbox.b.get(inbox.for_both)
    assert row is not None
    assert row.tags == ("News",)


async def test_a_tag_s_case_tells_nothing_of_another(inbox: Inbox) -> None:
    """A tag keeps the case that the mailbox knows it in, whatever another one has."""
    await inbox.b.set_tags([inbox.for_b], ["SECRET"])

    await inbox.a.set_tags([inbox.for_a], ["secret"])

    assert await inbox.a.tags() == {"News": 1, "secret": 1}


async def test_tags_of_the_whole_are_everybody_s(inbox: Inbox) -> None:
    """Who renames or removes a tag in the whole inbox does so in the mailboxes too."""
    await inbox.b.set_tags([inbox.for_b], ["green"])

    assert await inbox.store.rename_tag("news", "old") == 3
    assert await inbox.store.remove_tag("green") == 1

    assert await inbox.a.tags() == {"old": 2}
    assert await inbox.b.tags() == {"old": 1}


async def test_deleting_in_one_leaves_the_other(inbox: Inbox) -> None:
    """Emptying a mailbox deletes what was in it alone; what is in another is there as before."""
    assert await inbox.a.delete(None) == 2

    assert await ids_in(inbox.a) == []
    assert await ids_in(inbox.b) == [inbox.for_b, inbox.for_both]
    assert await ids_in(inbox.store) == [inbox.for_b, inbox.for_both, inbox.for_none]
    assert await inbox.b.raw(inbox.for_both) == HELLO
    assert await inbox.a.tags() == {}
    assert list(await inbox.store.mailboxes()) == ["b"]


async def test_deleting_in_the_last_deletes(inbox: Inbox) -> None:
    """A message that was taken out of each of its mailboxes is gone."""
    await inbox.a.delete([inbox.for_both])
    await inbox.b.delete([inbox.for_both])

    assert await inbox.store.get(inbox.for_both) is None
    assert (await inbox.store.count()).total == 3


async def test_deleting_in_the_whole_deletes_everywhere(inbox: Inbox) -> None:
    """Who deletes in the whole inbox deletes in the mailboxes."""
    assert await inbox.store.delete([inbox.for_both]) == 1
    assert await ids_in(inbox.a) == [inbox.for_a]
    assert await inbox.store.delete(None) == 3
    assert await inbox.store.mailboxes() == {}
    assert await inbox.b.count() == NOTHING


async def test_each_hears_of_its_own(inbox: Inbox, message: MakeMessage) -> None:
    """A follower of a mailbox is told of its messages only, and that all were meant if so."""
    begun = inbox.store.sequence
    changes = inbox.a.changes()
    only_b = await inbox.store.add(message(to=["x@b"]), ())
    both = await inbox.store.add(message(to=["x@a", "x@b"]), ())
    await inbox.b.mark(None, read=True)
    await inbox.a.mark([both.id], read=True)
    await inbox.b.delete(None)
    await inbox.a.delete(None)

    added, marked, deleted = [await anext(changes) for _ in range(3)]

    assert added.row is not None
    assert (added.ids, added.row.id, added.row.mailboxes) == ((both.id,), both.id, ("a",))
    assert (marked.kind, marked.ids, marked.cause) == ("marked", (both.id,), "ids")
    assert (deleted.ids, deleted.cause) == ((inbox.for_a, inbox.for_both, both.id), "all")
    told = str([added, marked, deleted])
    assert only_b.id not in told
    assert '"b"' not in told.replace("'", '"')
    whole = [change async for change in _taken(inbox.store.changes(begun), 6)]
    assert [change.cause for change in whole] == ["ids"] * 6
    assert whole[-1].ids == (inbox.for_a, inbox.for_both, both.id)
    assert whole[-2].ids == (inbox.for_b, only_b.id)


async def _taken(changes: AsyncIterator[Change], count: int) -> AsyncIterator[Change]:
    for _ in range(count):
        yield await anext(changes)


async def test_the_rules_are_asked_once(tmp_path: Path, message: MakeMessage) -> None:
    """Mail stays where it was put when a store is opened again with other rules."""
    store = await SqliteStore.open(tmp_path, sort=by_domain)
    old = await store.add(message(to=["x@a"]), ())
    await store.close()
    store = await SqliteStore.open(tmp_path)
    try:
        new = await store.add(message(to=["x@a"]), ())

        assert await ids_in(MailboxView(store, "a")) == [old.id]
        assert new.mailboxes == ()
        assert list(await store.mailboxes()) == ["a"]
        recalled = await anext(MailboxView(store, "a").changes(0))
        assert recalled.ids == (old.id,)
    finally:
        await store.close()


async def test_what_is_added_in_a_mailbox_is_in_it(inbox: Inbox, message: MakeMessage) -> None:
    """A message that comes through a mailbox is in it beside those that the rules say."""
    row = await inbox.a.add(message(to=["x@b"]), ())

    assert row.mailboxes == ("a",)
    whole = await inbox.store.get(row.id)
    assert whole is not None
    assert whole.mailboxes == ("a", "b")


async def test_the_transcript_leaves_others_out(inbox: Inbox, message: MakeMessage) -> None:
    """Of a session that brought mail for others too, a mailbox gets what was about its own."""
    said = tuple(
        TranscriptLine(number, "C" if number % 2 else "S", text)
        for number, text in enumerate(
            [
                *("220 ready", "EHLO x", "250 ok"),
                *("MAIL FROM:<z@z>", "250 ok", "RCPT TO:<x@a>", "250 ok", "DATA", "250 ok"),
                *("mail from:<z@z>", "250 ok", "RCPT TO:<x@b>", "250 ok", "DATA", "250 ok"),
            ]
        )
    )
    row = await inbox.store.add(message(to=["x@a"], session="two"), said)
    await inbox.store.add(message(to=["x@b"], session="two"), said)

    mine = await inbox.a.transcript(row.id)

    assert mine is not None
    assert mine[:9] == said[:9]
    assert "x@b" not in str(mine)
    assert mine[9].speaker == "-"
    assert await inbox.store.transcript(row.id) == said


async def test_a_view_ends_with_its_store(inbox: Inbox) -> None:
    """A mailbox of a closed store says so."""
    await inbox.store.close()

    with pytest.raises(StoreError, match="closed"):
        await inbox.a.find()
