"""The contract of `MessageStore`, sentence by sentence: finding, counting, marking, deleting."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.server.store.store import Counts, MessageStore, Query

from .bench import NOTHING, SAID, UNKNOWN_IDS, MakeMessage, ids_found

# Finding and counting


@pytest.fixture
async def inbox(store: MessageStore, message: MakeMessage) -> list[str]:
    """Fill the store with four messages; give their ids, oldest first."""
    kept = [
        message(
            b"Subject: Hello World\r\n\r\n", sender="Alice@Example.com", to=["bob@example.com"]
        ),
        message(b"Subject: hello\r\n\r\n", sender="", to=["Bob@Example.COM", "carol@example.com"]),
        message(b"Subject: Gr\xc3\xb6\xc3\x9fe\r\n\r\n", sender="ÄRGER@example.com", to=["dave@x"]),
        message(b"no header", sender="alice@example.com", to=["bob@example.com.example"]),
    ]
    for one in kept:
        await store.add(one, SAID)
    await store.mark([kept[1].id], read=True)
    return [one.id for one in kept]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(Query(), [3, 2, 1, 0], id="everything"),
        pytest.param(Query(recipient="BOB@example.com"), [1, 0], id="recipient, any case"),
        pytest.param(Query(recipient="bob@example"), [], id="recipient, whole only"),
        pytest.param(Query(recipient="carol@example.com"), [1], id="second recipient"),
        pytest.param(Query(recipient="b%@example.com"), [], id="recipient, no wildcard"),
        pytest.param(Query(sender="ALICE@EXAMPLE.COM"), [3, 0], id="sender, any case"),
        pytest.param(Query(sender="ärger@EXAMPLE.com"), [2], id="sender, case of any script"),
        pytest.param(Query(sender=""), [1], id="null sender"),
        pytest.param(Query(subject="HELLO"), [1, 0], id="subject contains"),
        pytest.param(Query(subject="GRÖSSE"), [2], id="subject, case of any script"),
        pytest.param(Query(subject="hello%"), [], id="subject, no wildcard"),
        pytest.param(Query(subject=""), [3, 2, 1, 0], id="empty subject is contained in all"),
        pytest.param(Query(unread=True), [3, 2, 0], id="unread"),
        pytest.param(Query(unread=False), [1], id="read"),
        pytest.param(Query(recipient="bob@example.com", unread=True), [0], id="recipient, unread"),
        pytest.param(
            Query(recipient="bob@example.com", sender="alice@example.com", subject="world"),
            [0],
            id="all must hold",
        ),
        pytest.param(Query(recipient="dave@x", sender=""), [], id="nothing holds both"),
        pytest.param(Query(recipient="\ud800", sender="\udcff"), [], id="lone surrogates"),
        pytest.param(Query(after=10**30), [], id="after a huge number"),
        pytest.param(Query(before=10**30), [3, 2, 1, 0], id="before a huge number"),
        pytest.param(Query(after=-(10**30)), [3, 2, 1, 0], id="after a hugely negative number"),
    ],
)
async def test_find_and_count_agree_on_a_query(
    store: MessageStore, inbox: list[str], query: Query, expected: list[int]
) -> None:
    """A query finds what it says, newest first, and counts the same."""
    rows = await store.find(query)

    assert [inbox.index(row.id) for row in rows] == expected
    assert await store.count(query) == Counts(
        total=len(rows),
        unread=sum(not row.read for row in rows),
        size=sum(row.size for row in rows),
    )


async def test_after_and_before_are_exclusive(store: MessageStore, inbox: list[str]) -> None:
    """`after` and `before` leave out the message at the cursor itself."""
    cursors = [row.cursor for row in reversed(await store.find())]

    assert await ids_found(store, Query(after=cursors[1])) == [inbox[3], inbox[2]]
    assert await ids_found(store, Query(before=cursors[1])) == [inbox[0]]
    assert await ids_found(store, Query(after=cursors[0], before=cursors[3])) == [
        inbox[2],
        inbox[1],
    ]
    bobs = Query(recipient="bob@example.com", before=cursors[1])
    assert await ids_found(store, bobs) == [inbox[0]]


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [
        (2, 0, [3, 2]),
        (2, 1, [2, 1]),
        (0, 0, [3, 2, 1, 0]),
        (0, 3, [0]),
        (5, 4, []),
        (10**30, 10**30, []),
    ],
)
async def test_limit_and_offset_cut_a_page(
    store: MessageStore, inbox: list[str], limit: int, offset: int, expected: list[int]
) -> None:
    """`limit` messages are given after skipping `offset`; limit 0 means all."""
    rows = await store.find(limit=limit, offset=offset)

    assert [inbox.index(row.id) for row in rows] == expected


async def test_find_gives_fifty_by_default(store: MessageStore, message: MakeMessage) -> None:
    """Without a limit, a page is 50 messages."""
    await asyncio.gather(*(store.add(message(), SAID) for _ in range(60)))

    assert len(await store.find()) == 50


async def test_empty_store_counts_nothing(store: MessageStore) -> None:
    """A fresh store has no messages, and its sequence is 0."""
    assert await store.count() == await store.count(Query(after=0)) == NOTHING
    assert await store.find() == []
    assert store.sequence == 0


async def test_count_follows_what_happens(store: MessageStore, inbox: list[str]) -> None:
    """The counts of all that is kept are right after adding, marking and deleting."""
    assert await store.count() == await store.count(Query(after=0))

    await store.delete([inbox[0], inbox[1]])

    left = await store.find()
    assert await store.count() == Counts(total=2, unread=2, size=sum(row.size for row in left))


# Marking and deleting


async def test_mark_sets_the_read_flag(store: MessageStore, inbox: list[str]) -> None:
    """Marking tells how many messages changed, skipping unknown, repeated and unchanged ones."""
    ids = [inbox[0], inbox[0], inbox[1], *UNKNOWN_IDS]

    assert await store.mark(ids, read=True) == 1
    assert await ids_found(store, Query(unread=False)) == [inbox[1], inbox[0]]
    assert await store.mark(ids, read=False) == 2
    assert await ids_found(store, Query(unread=False)) == []


async def test_mark_none_means_all(store: MessageStore, inbox: list[str]) -> None:
    """Marking `None` marks every message."""
    assert await store.mark(None, read=True) == 3
    assert (await store.count()).unread == 0
    assert await store.mark(None, read=False) == 4
    assert (await store.count()).unread == 4
    assert await store.mark([], read=True) == 0


async def test_delete_removes_everything_of_a_message(
    store: MessageStore, inbox: list[str]
) -> None:
    """A deleted message has no row, no bytes, no transcript, and no query finds it."""
    assert await store.delete([inbox[0], inbox[0], *UNKNOWN_IDS]) == 1

    assert await store.get(inbox[0]) is None
    assert await store.raw(inbox[0]) is None
    assert await store.transcript(inbox[0]) is None
    assert await ids_found(store, Query(recipient="bob@example.com")) == [inbox[1]]
    assert await store.delete([inbox[0]]) == 0


async def test_delete_none_means_all(store: MessageStore, inbox: list[str]) -> None:
    """Deleting `None` empties the store, deleting nothing leaves it."""
    assert await store.delete([]) == 0
    assert await store.delete(None) == 4
    assert await store.count() == await store.count(Query(after=0)) == NOTHING
    assert await store.delete(None) == 0


async def test_many_are_marked_and_deleted_at_once(
    store: MessageStore, message: MakeMessage
) -> None:
    """More messages than any slice holds are marked and deleted by one call."""
    rows = await asyncio.gather(*(store.add(message(), SAID) for _ in range(1200)))
    ids = [row.id for row in rows]

    assert await store.mark(None, read=True) == 1200
    assert await store.mark(ids, read=False) == 1200
    assert await store.delete(ids[:1100]) == 1100
    assert await store.delete(None) == 100
