"""The contract of `MessageStore`, sentence by sentence: adding and reading."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from bindpost.errors import StoreError
from bindpost.server.message.model import TranscriptLine
from bindpost.server.store.store import Counts, MessageStore, Query

from .bench import SAID, UNKNOWN_IDS, MakeMessage, ids_found


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
