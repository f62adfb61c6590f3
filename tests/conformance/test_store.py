"""The contract of `MessageStore`, sentence by sentence, held by every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from bindpost.errors import StoreError
from bindpost.server.message.model import Message, Transcript, TranscriptLine
from bindpost.server.store.store import Change, Counts, MessageStore, Query, Retention

MakeMessage = Callable[..., Message]
OpenStore = Callable[..., Awaitable[MessageStore]]

SAID: Transcript = (TranscriptLine(0, "S", "220 ready"), TranscriptLine(2, "C", "HELO x"))
NOTHING = Counts(total=0, unread=0, size=0)
UNKNOWN_IDS = ["0000000000000000000000", "", "\x00", "\ud800", "x' OR 1=1"]


async def take(changes: AsyncIterator[Change], count: int) -> list[Change]:
    """Give the next changes."""
    return [await anext(changes) for _ in range(count)]


async def ids_found(store: MessageStore, query: Query) -> list[str]:
    """Give the ids of all that match."""
    return [row.id for row in await store.find(query, limit=0)]


# Adding and reading


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(range(256)), id="every byte"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00", id="one NUL"),
        pytest.param(bytes(range(256)) * 4096, id="1 MiB"),
        pytest.param(b"a\nb\rc\r\n.\r\n\xff\xfe", id="odd line ends"),
    ],
)
async def test_bytes_are_kept_as_they_came(
    store: MessageStore, message: MakeMessage, raw: bytes
) -> None:
    """The bytes that come out are the bytes that went in."""
    kept = message(raw)

    row = await store.add(kept, SAID)

    assert await store.raw(kept.id) == raw
    assert row.size == len(raw)


async def test_row_tells_all_that_was_known(store: MessageStore, message: MakeMessage) -> None:
    """The row of a message has its envelope, session facts, time and fields, and is unread."""
    raw = (
        b"From: a@x\r\nTo: b@x\r\nCc: c@x\r\n"
        b"Subject: =?utf-8?q?h=C3=A9?=\r\nMessage-ID: <1@x>\r\n\r\n"
    )
    kept = message(raw)

    row = await store.add(kept, SAID)

    assert row == await store.get(kept.id)
    assert (row.id, row.received, row.size) == (kept.id, kept.received, len(raw))
    assert (row.envelope, row.session, row.read) == (kept.envelope, kept.session, False)
    assert (row.fields.subject, row.fields.from_, row.fields.to) == ("hé", "a@x", "b@x")
    assert (row.fields.cc, row.fields.message_id) == ("c@x", "<1@x>")


async def test_time_zone_does_not_move_the_time(store: MessageStore, message: MakeMessage) -> None:
    """A message received in another time zone comes back with the same instant."""
    received = datetime(1998, 3, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=-5)))

    row = await store.add(message(received=received), SAID)

    kept = await store.get(row.id)
    assert kept is not None
    assert kept.received == received
    assert kept.received.tzinfo is not None


async def test_odd_characters_in_the_envelope_survive(
    store: MessageStore, message: MakeMessage
) -> None:
    """Octets without a charset and NUL in addresses and transcript come back unchanged."""
    said = (TranscriptLine(1, "C", "MAIL FROM:<\udcff\x00>"),)
    kept = message(sender="\udcff\x00@x", to=["é@x", "\udc80@x"])

    await store.add(kept, said)

    row = await store.get(kept.id)
    assert row is not None
    assert row.envelope == kept.envelope
    assert await store.transcript(kept.id) == said


async def test_recipient_given_twice_is_kept_twice(
    store: MessageStore, message: MakeMessage
) -> None:
    """The envelope lists a repeated recipient as often as it was given; it is found once."""
    row = await store.add(message(to=["b@x", "B@x", "b@x"]), SAID)

    assert [to.address for to in row.envelope.recipients] == ["b@x", "B@x", "b@x"]
    assert await ids_found(store, Query(recipient="b@x")) == [row.id]


async def test_message_without_recipients_is_kept(
    store: MessageStore, message: MakeMessage
) -> None:
    """An imported message may have no recipient."""
    row = await store.add(message(to=[]), SAID)

    assert await store.get(row.id) == row


@pytest.mark.parametrize("unknown", UNKNOWN_IDS)
async def test_unknown_id_gives_none(
    store: MessageStore, message: MakeMessage, unknown: str
) -> None:
    """There is no row, no bytes and no transcript of a message that isn't there."""
    await store.add(message(), SAID)

    assert await store.get(unknown) is None
    assert await store.raw(unknown) is None
    assert await store.transcript(unknown) is None


async def test_an_id_ends_where_it_ends(store: MessageStore, message: MakeMessage) -> None:
    """An id with something behind a NUL is unknown, whatever a database makes of NULs."""
    row = await store.add(message(), ())

    assert await store.mark([f"{row.id}\0", f"{row.id}\0x"], read=True) == 0
    assert await store.delete([f"{row.id}\0"]) == 0

    assert await store.find() == [row]


async def test_cursors_rise(store: MessageStore, message: MakeMessage) -> None:
    """Cursors are positive and rise in the order of acceptance."""
    cursors = [(await store.add(message(), SAID)).cursor for _ in range(5)]

    assert cursors[0] > 0
    assert cursors == sorted(set(cursors))


async def test_cursor_is_never_reused(store: MessageStore, message: MakeMessage) -> None:
    """A cursor stays used even when the newest message is deleted."""
    first = await store.add(message(), SAID)
    await store.delete([first.id])

    second = await store.add(message(), SAID)

    assert second.cursor > first.cursor


async def test_second_message_of_an_id_is_refused(
    store: MessageStore, message: MakeMessage
) -> None:
    """Adding an id again raises, keeps the first message, and the store goes on."""
    kept = message(b"first")
    await store.add(kept, SAID)

    with pytest.raises(StoreError, match=kept.id):
        await store.add(kept, SAID)

    assert await store.count() == Counts(total=1, unread=1, size=5)
    await store.add(message(), SAID)


async def test_concurrent_adds_are_all_kept(store: MessageStore, message: MakeMessage) -> None:
    """200 adds at once are all kept, with distinct cursors in the order of the calls."""
    messages = [message(f"number {number}".encode()) for number in range(200)]

    rows = await asyncio.gather(*(store.add(kept, SAID) for kept in messages))

    cursors = [row.cursor for row in rows]
    assert cursors == sorted(set(cursors))
    assert [row.id for row in reversed(await store.find(limit=0))] == [kept.id for kept in messages]
    assert [await store.raw(kept.id) for kept in messages] == [kept.raw for kept in messages]


async def test_one_bad_message_fails_alone(store: MessageStore, message: MakeMessage) -> None:
    """Of messages added at once, a bad one is refused and the others are kept."""
    messages = [message() for _ in range(20)]
    messages[10] = messages[3]

    results = await asyncio.gather(
        *(store.add(kept, SAID) for kept in messages), return_exceptions=True
    )

    assert [isinstance(result, StoreError) for result in results] == [
        number == 10 for number in range(20)
    ]
    assert (await store.count()).total == 19
    assert len(await store.find(limit=0)) == 19


async def test_cancelled_add_harms_nobody(store: MessageStore, message: MakeMessage) -> None:
    """When one of several adds is cancelled, the others are kept and the store goes on."""
    messages = [message() for _ in range(10)]
    tasks = [asyncio.ensure_future(store.add(kept, SAID)) for kept in messages]
    await asyncio.sleep(0)

    tasks[4].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    failed = [number for number, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed in ([], [4])
    others = {kept.id for number, kept in enumerate(messages) if number != 4}
    assert others <= {row.id for row in await store.find(limit=0)}
    await store.add(message(), SAID)


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


# Transcripts


async def test_transcript_belongs_to_the_session(store: MessageStore, message: MakeMessage) -> None:
    """All messages of a session have its latest transcript; other sessions have their own."""
    longer = (*SAID, TranscriptLine(9, "C", "DATA"))
    other: Transcript = (TranscriptLine(1, "-", "other"),)
    first = await store.add(message(session="one"), SAID)
    second = await store.add(message(session="one"), longer)
    third = await store.add(message(session="two"), other)

    assert await store.transcript(first.id) == longer
    assert await store.transcript(second.id) == longer
    assert await store.transcript(third.id) == other


async def test_end_session_replaces_the_transcript(
    store: MessageStore, message: MakeMessage
) -> None:
    """The final form of a transcript takes the place of what was known before."""
    final: Transcript = (TranscriptLine(0, "S", "220 other"), TranscriptLine(5, "S", "221 bye"))
    first = await store.add(message(session="one"), SAID)
    second = await store.add(message(session="one"), (*SAID, TranscriptLine(3, "C", "QUIT")))

    await store.end_session("one", final)

    assert await store.transcript(first.id) == final
    assert await store.transcript(second.id) == final


@pytest.mark.parametrize(
    "later",
    [
        pytest.param((), id="empty"),
        pytest.param(SAID[:1], id="shorter"),
        pytest.param(SAID, id="the same"),
        pytest.param((TranscriptLine(7, "-", "a"), TranscriptLine(8, "-", "b")), id="another"),
    ],
)
async def test_latest_transcript_holds_however_it_changed(
    store: MessageStore, message: MakeMessage, later: Transcript
) -> None:
    """A transcript that does not go on from the one before takes its place, too."""
    row = await store.add(message(), SAID)
    await store.add(message(), later)

    assert await store.transcript(row.id) == later

    await store.add(message(), (*later, *SAID))
    assert await store.transcript(row.id) == (*later, *SAID)


async def test_end_of_an_unknown_session_is_ignored(
    store: MessageStore, message: MakeMessage
) -> None:
    """A session that kept no message, or whose messages are deleted, ends silently."""
    row = await store.add(message(session="one"), SAID)
    await store.delete([row.id])

    await store.end_session("one", SAID)
    await store.end_session("two", SAID)

    again = await store.add(message(session="one"), ())
    assert await store.transcript(again.id) == ()


async def test_transcript_lives_as_long_as_its_last_message(
    store: MessageStore, message: MakeMessage
) -> None:
    """Deleting one message of a session leaves the transcript to the others."""
    first = await store.add(message(session="one"), SAID)
    second = await store.add(message(session="one"), SAID)

    await store.delete([first.id])

    assert await store.transcript(second.id) == SAID


# Retention


async def kept_after(store: MessageStore, adding: list[Message], expected: int) -> list[str]:
    """Add messages, wait until `expected` are left; give their ids, oldest first."""
    changes = store.changes()
    for one in adding:
        await store.add(one, SAID)
    while (await store.count()).total > expected:
        await anext(changes)
    return [row.id for row in reversed(await store.find(limit=0))]


async def test_retention_by_number_lets_the_oldest_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, no more than `max_messages` stay, and they are the newest."""
    store = await open_store(Retention(max_messages=3))
    messages = [message() for _ in range(7)]

    left = await kept_after(store, messages, 3)

    assert left == [one.id for one in messages[-3:]]
    assert await store.sweep() == 0


async def test_retention_by_size_lets_the_oldest_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, no more than `max_bytes` stay, and they are the newest."""
    store = await open_store(Retention(max_bytes=250))
    messages = [message(b"x" * 100) for _ in range(5)]

    left = await kept_after(store, messages, 2)

    assert left == [one.id for one in messages[-2:]]
    assert (await store.count()).size == 200
    assert await store.sweep() == 0


async def test_retention_by_age_lets_the_old_go(
    open_store: OpenStore, message: MakeMessage
) -> None:
    """After adding, messages older than `max_age` go, wherever in the order they stand."""
    store = await open_store(Retention(max_age=60))
    old = datetime.now(UTC) - timedelta(seconds=90)
    young = datetime.now(UTC) - timedelta(seconds=5)
    messages = [message(received=young), message(received=old), message()]
    for one in messages:
        await store.add(one, SAID)

    await store.sweep()

    assert [row.id for row in await store.find()] == [messages[2].id, messages[0].id]


async def test_sweep_without_rules_deletes_nothing(
    store: MessageStore, message: MakeMessage
) -> None:
    """A store without limits keeps everything."""
    await store.add(message(received=datetime(1970, 1, 1, tzinfo=UTC)), SAID)

    assert await store.sweep() == 0
    assert (await store.count()).total == 1


async def test_retention_is_announced(open_store: OpenStore, message: MakeMessage) -> None:
    """A message that retention deletes is a change like any other."""
    store = await open_store(Retention(max_messages=1))
    first, second = message(), message()
    changes = store.changes()

    await store.add(first, SAID)
    await store.add(second, SAID)

    seen = await take(changes, 3)
    assert [(change.kind, change.ids) for change in seen] == [
        ("added", (first.id,)),
        ("added", (second.id,)),
        ("deleted", (first.id,)),
    ]


# Changes


async def test_changes_tell_what_happened(store: MessageStore, message: MakeMessage) -> None:
    """Adding, marking and deleting are each a change, rising in sequence; added ones have a row."""
    changes = store.changes()
    row = await store.add(message(), SAID)
    await store.mark([row.id], read=True)
    await store.delete([row.id])

    added, marked, deleted = await take(changes, 3)

    assert (added.kind, added.ids, added.row) == ("added", (row.id,), row)
    assert (marked.kind, marked.ids, marked.row, marked.read) == ("marked", (row.id,), None, True)
    assert (deleted.kind, deleted.ids, deleted.row) == ("deleted", (row.id,), None)
    assert 0 < added.sequence < marked.sequence < deleted.sequence == store.sequence


async def test_what_changes_nothing_is_no_change(store: MessageStore, message: MakeMessage) -> None:
    """Marking what is marked, deleting what isn't there, sweeping and ending tell nobody."""
    await store.add(message(), SAID)
    before = store.sequence

    await store.mark(None, read=False)
    await store.delete(UNKNOWN_IDS)
    await store.sweep()
    await store.end_session("session-1", SAID)

    assert store.sequence == before


async def test_now_is_the_moment_of_the_call(store: MessageStore, message: MakeMessage) -> None:
    """Changes from now on leave out what was, and miss nothing between call and first step."""
    await store.add(message(), SAID)
    changes = store.changes()
    row = await store.add(message(), SAID)

    assert (await anext(changes)).row == row


async def test_changes_go_on_from_a_sequence_number(
    store: MessageStore, message: MakeMessage
) -> None:
    """Changes since a number are all that came after it, then live ones."""
    rows = [await store.add(message(), SAID) for _ in range(5)]
    everything = await take(store.changes(0), 5)
    assert [change.row for change in everything] == rows

    later = store.changes(everything[2].sequence)

    assert await take(later, 2) == everything[3:]
    live = asyncio.ensure_future(anext(later))
    await asyncio.sleep(0)
    row = await store.add(message(), SAID)
    assert (await live).row == row


async def test_no_gap_between_past_and_live(store: MessageStore, message: MakeMessage) -> None:
    """Followers that start while messages come in each see every message, in order, once."""
    count = 120

    async def follow(since: int) -> list[str]:
        seen: list[str] = []
        async for change in store.changes(since):
            seen.extend(change.ids)
            if len(seen) == count:
                break
        return seen

    async def add_all() -> list[str]:
        ids: list[str] = []
        for _ in range(count // 4):
            rows = await asyncio.gather(*(store.add(message(), SAID) for _ in range(4)))
            ids.extend(row.id for row in rows)
            followers.append(asyncio.ensure_future(follow(0)))
        return ids

    followers = [asyncio.ensure_future(follow(0))]
    ids = await add_all()

    assert await asyncio.gather(*followers) == [ids] * len(followers)


async def test_cancelled_step_loses_no_change(store: MessageStore, message: MakeMessage) -> None:
    """A follower whose wait is cancelled can go on and still gets the next change."""
    changes = store.changes()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    row = await store.add(message(), SAID)

    assert (await anext(changes)).row == row


async def test_forgotten_changes_are_an_error(open_store: OpenStore, message: MakeMessage) -> None:
    """Changes that are no longer remembered raise, when asked for and when falling behind."""
    store = await open_store(remembered=3)
    row = await store.add(message(), SAID)
    begun, behind = store.sequence, store.changes()
    for read in (True, False, True, False):
        await store.mark([row.id], read=read)

    with pytest.raises(StoreError, match="no longer remembered"):
        await anext(store.changes(begun))
    with pytest.raises(StoreError, match="no longer remembered"):
        await anext(behind)
    assert len(await take(store.changes(store.sequence - 3), 3)) == 3


async def test_changes_from_the_future_are_an_error(
    store: MessageStore, message: MakeMessage
) -> None:
    """A number that this store has not reached is another store's, and raises."""
    await store.add(message(), SAID)

    with pytest.raises(StoreError, match="has not happened"):
        await anext(store.changes(store.sequence + 1))
    with pytest.raises(StoreError):
        await anext(store.changes(-1))


# Closing


async def test_close_is_final(store: MessageStore, message: MakeMessage) -> None:
    """Every call on a closed store raises; closing it again is harmless."""
    row = await store.add(message(), SAID)
    changes = store.changes()

    await store.close()

    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.add(message(), SAID),
        lambda: store.end_session("session-1", SAID),
        lambda: store.get(row.id),
        lambda: store.raw(row.id),
        lambda: store.transcript(row.id),
        lambda: store.find(),
        lambda: store.count(),
        lambda: store.mark(None, read=True),
        lambda: store.delete(None),
        lambda: store.sweep(),
        lambda: anext(store.changes()),
        lambda: anext(changes),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="closed"):
            await call()
    await store.close()


async def test_close_finishes_what_is_queued(store: MessageStore, message: MakeMessage) -> None:
    """Messages that were being added when the store is closed are kept, and followers see them."""
    changes = store.changes()
    adding = [asyncio.ensure_future(store.add(message(), SAID)) for _ in range(20)]
    await asyncio.sleep(0)

    await store.close()

    rows = await asyncio.gather(*adding)
    assert [change.row for change in await take(changes, 20)] == rows
    with pytest.raises(StoreError, match="closed"):
        await anext(changes)


async def test_follower_wakes_up_when_the_store_closes(store: MessageStore) -> None:
    """A follower that waits for a change is told that the store is closed."""
    waiting = asyncio.ensure_future(anext(store.changes()))
    await asyncio.sleep(0)

    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await waiting
