"""Tags and terms of a search: the part of `MessageStore`'s contract that others' clients need."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bindpost.errors import SearchTimeoutError, StoreError
from bindpost.server.message.model import Message
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.rules import to_microseconds
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.store import MessageStore, Query
from bindpost.server.store.terms import Term

MakeMessage = Callable[..., Message]
MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

RICH = (
    b'From: "Doe, J\xc3\xa4ne" <jane@one.example>\r\nTo: Bob <bob@two.example>\r\n'
    b"Cc: carol@three.example\r\nReply-To: answers@four.example\r\n"
    b"Subject: Gr\xc3\xbc\xc3\x9fe, 100% _sure_\r\nMessage-ID: <m-1@one.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable"
    b"\r\n\r\n<p>Your <b>se=\r\ncret</b> code: 4711</p>\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; "
    b"filename=Invoice.pdf\r\n\r\n%PDF\r\n--b--\r\n"
)
POOR = b"From: bob@two.example\r\nSubject: plain\r\n\r\nnothing to see\r\n"
INLINE = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<img src=cid:x>\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <x>\r\n\r\nPNG\r\n--b--\r\n"
)


@pytest.fixture(params=["memory", "sqlite", "indexed", "postgres", "postgres indexed"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give each kind of store, and one whose index is up to date."""
    return str(request.param)


@pytest.fixture
async def rich(store: MessageStore, message: MakeMessage) -> str:
    """Keep a message that has everything between two that have little; give its id."""
    early = message(POOR, received=MOMENT - timedelta(hours=1), to=["other@five.example"])
    kept = message(
        RICH,
        received=MOMENT,
        sender="bounces@one.example",
        to=["bob@two.example", "carol@three.example", "blind@six.example"],
    )
    await store.add(early, ())
    row = await store.add(kept, ())
    late = message(INLINE, received=MOMENT + timedelta(hours=1), to=["other@five.example"])
    await store.add(late, ())
    await store.mark([row.id], read=True)
    return row.id


async def found(store: MessageStore, *terms: Term) -> list[str]:
    """Give the ids of what a search finds; its counts must agree."""
    query = Query(terms=terms)
    rows = await store.find(query, limit=0)
    counts = await store.count(query)
    assert (counts.total, counts.unread) == (len(rows), sum(not row.read for row in rows))
    assert counts.size == sum(row.size for row in rows)
    return [row.id for row in rows]


@pytest.mark.parametrize(
    "term",
    [
        Term("from", "JÄNE"),
        Term("from", "doe, jäne"),
        Term("from", "doe jäne jane@one"),
        Term("from", "@one.example"),
        Term("to", "bob <bob@TWO"),
        Term("cc", "carol@three.example"),
        Term("bcc", "blind@six"),
        Term("reply-to", "answers@"),
        *(Term("addressed", name) for name in ("jane@", "bob@two", "carol@", "answers@", "blind@")),
        Term("subject", "grÜSSE, 100% _"),
        Term("message-id", "<M-1@one.example>"),
        Term("sender", "bounces@one"),
        Term("sender", "jane@one"),
        Term("recipient", "blind@six"),
        Term("recipient", "Bob"),
        Term("read"),
        Term("after", to_microseconds(MOMENT) + 1, negated=True),
        Term("larger", len(RICH) - 1),
        Term("larger", len(INLINE)),
        Term("smaller", len(RICH), negated=True),
        Term("text", "secret code: 4711"),
        Term("text", "invoice.PDF"),
        Term("text", "blind@six.example"),
        Term("text", "bounces@"),
        Term("raw", "SE=\r\nCRET"),
        Term("attachment"),
    ],
    ids=lambda term: f"{term.field} {term.value}",
)
async def test_a_term_finds_what_it_says(store: MessageStore, rich: str, term: Term) -> None:
    """Each kind of term finds the message it holds for; negated, it finds the others."""
    everything = [row.id for row in await store.find(limit=0)]

    hits = await found(store, term)

    assert rich in hits
    negated = Term(term.field, term.value, not term.negated)
    assert await found(store, negated) == [one for one in everything if one not in hits]


@pytest.mark.parametrize(
    "term",
    [
        Term("from", "bob@two.example"),
        Term("to", "carol"),
        Term("to", "%"),
        Term("cc", "bob@two"),
        *(Term("bcc", name) for name in ("bob@two", "carol@three", "jane")),
        Term("reply-to", "jane"),
        Term("subject", "100x"),
        Term("subject", "grüße  100"),
        Term("sender", "blind@six"),
        Term("recipient", "jane@"),
        Term("tag", "x"),
        Term("tagged"),
        Term("after", to_microseconds(MOMENT) + 1),
        Term("before", to_microseconds(MOMENT) - 1),
        Term("larger", len(RICH)),
        Term("smaller", len(RICH)),
        Term("text", "se= cret"),
        Term("raw", "secret"),
        Term("inline"),
    ],
    ids=lambda term: f"{term.field} {term.value}",
)
async def test_a_term_does_not_find_more(store: MessageStore, rich: str, term: Term) -> None:
    """What a term doesn't say is not found, and no character is a wildcard."""
    assert rich not in await found(store, term)


async def test_terms_hold_together(store: MessageStore, rich: str) -> None:
    """Every term must hold, those about content beside the others, and pages are cut behind."""
    both = (Term("after", to_microseconds(MOMENT)), Term("text", "e"))
    everything = await found(store, *both)

    assert rich in everything
    assert len(everything) == 2
    assert [row.id for row in await store.find(Query(terms=both), limit=1, offset=1)] == [rich]
    assert await found(store, *both, Term("read", negated=True)) == everything[:1]


async def test_a_term_goes_with_the_other_conditions(store: MessageStore, rich: str) -> None:
    """A whole recipient and a term narrow each other."""
    query = Query(recipient="bob@two.example", terms=(Term("from", "jane"),))
    other = Query(recipient="other@five.example", terms=(Term("from", "jane"),))

    assert [row.id for row in await store.find(query)] == [rich]
    assert await store.find(other) == []


async def test_recipients_stand_in_for_a_long_to(store: MessageStore, message: MakeMessage) -> None:
    """Of a To field that is too long to be kept whole, every recipient is found by `to`."""
    names = [f"someone{number:03}@example.com" for number in range(100)]
    raw = b"To: %b\r\n\r\n" % ",\r\n ".join(names).encode()
    row = await store.add(message(raw, to=names), ())

    assert await found(store, Term("to", names[-1])) == [row.id]
    assert await found(store, Term("bcc", names[-1])) == []


@pytest.mark.parametrize("field", ["to", "subject", "tag", "text", "raw", "bcc"])
async def test_odd_values_find_nothing(store: MessageStore, rich: str, field: str) -> None:
    """Whatever is looked for is a value and no SQL; it finds nothing and breaks nothing."""
    for value in ("\x00", "'", "?", "\ud800", "🙂", "a" * 100_000):
        assert await found(store, Term(field, value)) == []  # type: ignore[arg-type]  # any
    assert rich in [row.id for row in await store.find()]


async def test_a_number_beyond_all_is_compared(store: MessageStore, rich: str) -> None:
    """Numbers larger than the database's are compared as well as they can be."""
    assert rich in await found(store, Term("smaller", 10**30))
    assert await found(store, Term("after", 10**30)) == []


@pytest.mark.parametrize("where", ["memory", "sqlite", "postgres"])
async def test_a_search_through_contents_has_a_limit(
    tmp_path: Path, message: MakeMessage, where: str, request: pytest.FixtureRequest
) -> None:
    """Out of time, a search through contents says so and finds nothing; others go on."""
    async with AsyncExitStack() as stack:
        store: MessageStore
        if where == "memory":
            store = MemoryStore(search_seconds=0)
        elif where == "sqlite":
            store = await SqliteStore.open(tmp_path / "data", search_seconds=0)
        else:
            url = stack.enter_context(request.getfixturevalue("postgres").inbox())
            store = await PostgresStore.open(url, search_seconds=0)
        stack.push_async_callback(store.close)
        row = await store.add(message(RICH), ())

        with pytest.raises(SearchTimeoutError, match="narrow it"):
            await store.find(Query(terms=(Term("text", "secret"),)))
        with pytest.raises(SearchTimeoutError):
            await store.count(Query(terms=(Term("raw", "secret"),)))

        assert await found(store, Term("from", "jane")) == [row.id]


async def test_a_full_page_leaves_nothing_half_read(
    store: MessageStore, message: MakeMessage
) -> None:
    """What a search has begun to read is let go of with its answer, not some time later."""
    for _ in range(3):
        await store.add(message(POOR), ())
    begun: list[Any] = []
    own = asyncio.current_task()

    def begin(generator: Any) -> None:
        if asyncio.current_task() is own:  # and not what follows the database meanwhile
            begun.append(generator)

    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=begin)
    try:
        for term in (Term("text", "nothing to see"), Term("raw", "nothing to see")):
            assert len(await store.find(Query(terms=(term,)), limit=1)) == 1
    finally:
        sys.set_asyncgen_hooks(firstiter=hooks.firstiter)

    assert [one for one in begun if one.ag_frame is not None] == []


# Tags


@pytest.fixture
async def three(store: MessageStore, message: MakeMessage) -> list[str]:
    """Keep three messages without tags; give their ids."""
    return [(await store.add(message(), ())).id for _ in range(3)]


async def tags_of(store: MessageStore, message_id: str) -> tuple[str, ...]:
    """Give the tags of a message."""
    row = await store.get(message_id)
    assert row is not None
    return row.tags


async def test_a_message_brings_its_tags(store: MessageStore, message: MakeMessage) -> None:
    """X-Tags and plus-addresses are tags from the start, cleaned and each once."""
    kept = message(
        b"X-Tags: News, a/b ,news,, =?utf-8?q?x?=\r\nFrom: f+From@x\r\nTo: t+Head.er@x\r\n\r\n",
        to=["bob+one+two@x", "+none@x", "plain@x+y"],
    )

    row = await store.add(kept, ())

    assert row.tags == ("a b", "From", "Head.er", "News", "one", "two", "x")
    assert await store.get(kept.id) == row
    assert (await anext(store.changes(0))).row == row


async def test_tags_are_replaced(store: MessageStore, three: list[str]) -> None:
    """set_tags gives messages these tags and no others, cleaned, and tells how many changed."""
    assert await store.set_tags(three[:2], ["b", " A  c<>", "B", ""]) == 2
    assert await store.set_tags([three[0], "unknown", "\ud800"], ["b", "A c"]) == 0

    assert await tags_of(store, three[0]) == ("A c", "b")
    assert await tags_of(store, three[2]) == ()
    assert await store.tags() == {"A c": 2, "b": 2}
    assert await store.set_tags(three, []) == 2
    assert await store.tags() == {}


async def test_a_tag_has_one_case_everywhere(store: MessageStore, three: list[str]) -> None:
    """A tag that is known keeps its case, and is found in any."""
    await store.set_tags([three[0]], ["News"])
    await store.set_tags([three[1]], ["nEWS"])

    assert await store.tags() == {"News": 2}
    assert await found(store, Term("tag", "NEWS")) == [three[1], three[0]]
    assert await found(store, Term("tagged", negated=True)) == [three[2]]


async def test_a_tag_is_renamed(store: MessageStore, three: list[str]) -> None:
    """A renamed tag has its new name on every message; its case may be all that changes."""
    await store.set_tags(three[:2], ["old", "z"])

    assert await store.rename_tag("OLD", "new") == 2
    assert await store.tags() == {"new": 2, "z": 2}
    assert await store.rename_tag("new", "NEW") == 2
    assert await store.tags() == {"NEW": 2, "z": 2}
    assert await tags_of(store, three[0]) == ("NEW", "z")
    assert await store.rename_tag("unknown", "x") == 0


async def test_a_tag_renamed_to_another_is_taken_in(store: MessageStore, three: list[str]) -> None:
    """Of two tags that become one, a message has one."""
    await store.set_tags([three[0]], ["a", "B"])
    await store.set_tags([three[1]], ["a"])

    await store.rename_tag("a", "b")

    assert await store.tags() == {"B": 2}
    assert await tags_of(store, three[0]) == ("B",)


async def test_a_tag_is_removed(store: MessageStore, three: list[str]) -> None:
    """A removed tag is on no message, and the messages stay."""
    await store.set_tags(three, ["gone", "stays"])

    assert await store.remove_tag("GONE") == 3
    assert await store.remove_tag("gone") == 0
    assert await store.tags() == {"stays": 3}
    assert (await store.count()).total == 3


async def test_tags_go_with_their_message(store: MessageStore, three: list[str]) -> None:
    """A tag whose last message is deleted is no longer in use."""
    await store.set_tags(three[:1], ["last"])

    await store.delete(three[:1])

    assert await store.tags() == {}


async def test_changes_of_tags_are_told(store: MessageStore, three: list[str]) -> None:
    """What changes tags is a change, and what changes none is not."""
    changes = store.changes()
    await store.set_tags([*three, "unknown"], ["a"])
    await store.set_tags(three, ["a"])
    await store.rename_tag("a", "b")
    await store.remove_tag("nothing")
    await store.remove_tag("b")

    told = [await anext(changes) for _ in range(3)]

    assert [(change.kind, change.cause) for change in told] == [
        ("tagged", "ids"),
        ("tagged", "all"),
        ("tagged", "all"),
    ]
    assert all(sorted(change.ids) == sorted(three) for change in told)
    assert store.sequence == told[-1].sequence


async def test_changes_tell_their_cause(store: MessageStore, three: list[str]) -> None:
    """Whether messages were named or all were meant is told."""
    changes = store.changes()
    await store.mark(three[:1], read=True)
    await store.mark(None, read=True)
    await store.delete(three[:1])
    await store.delete(None)

    told = [await anext(changes) for _ in range(4)]

    assert [change.cause for change in told] == ["ids", "all", "ids", "all"]


async def test_tags_of_a_closed_store_are_refused(store: MessageStore) -> None:
    """A closed store changes no tags."""
    await store.close()

    for refused in (store.tags(), store.set_tags([], []), store.rename_tag("a", "b")):
        with pytest.raises(StoreError):
            await refused
