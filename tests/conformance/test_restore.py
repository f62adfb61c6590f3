"""`SharedStore.restore`: messages of another inbox are kept as they were there."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from bindpost.errors import StoreError
from bindpost.server.message.model import Message, Transcript, TranscriptLine
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.store import Copy, Counts, Place, Query, Retention, SharedStore

from .bench import SAID, MakeMessage
from .conftest import OpenStore

RAW = b"Subject: hello\r\nX-Tags: Brought\r\n\r\nbody\r\n"
MORE: Transcript = (*SAID, TranscriptLine(3, "S", "250 ok"))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give each kind of store with mailboxes."""
    return str(request.param)


@pytest.fixture
async def store(open_store: OpenStore) -> SharedStore:
    """Give an empty store without rules for mailboxes."""
    return cast("SharedStore", await open_store())


def copy_of(message: Message, **given: object) -> Copy:
    """Give a copy of a message: unread, without tags, in no mailbox, unless it is told."""
    plain = Copy(message=message, transcript=SAID, whole=Place(), mailboxes={})
    return msgspec.structs.replace(plain, **given)


async def test_all_is_as_it_was(store: SharedStore, message: MakeMessage) -> None:
    """Id, time, envelope, session, bytes and transcript; flags and tags in each place."""
    kept = message(RAW)
    places = {"a": Place(read=False, tags=("In a",)), "b": Place(read=True)}

    there = await store.restore(
        [copy_of(kept, whole=Place(read=True, tags=("Mine", "Other")), mailboxes=places)]
    )

    assert list(there) == []
    row = await store.get(kept.id)
    assert row is not None
    assert (row.id, row.received, row.envelope) == (kept.id, kept.received, kept.envelope)
    assert (row.session, row.size) == (kept.session, len(RAW))
    assert (row.read, row.tags, row.mailboxes) == (True, ("Mine", "Other"), ("a", "b"))
    assert await store.raw(kept.id) == RAW
    assert await store.transcript(kept.id) == SAID
    for name, place in places.items():
        here = await store.get(kept.id, mailbox=name)
        assert here is not None
        assert (here.read, here.tags) == (place.read, place.tags)


async def test_counts_know_what_was_read(store: SharedStore, message: MakeMessage) -> None:
    """The whole inbox and each mailbox count what is unread there; the tags are counted too."""
    size = len(RAW)
    places = {"a": Place(), "b": Place(read=True, tags=("Mine",))}
    await store.restore(
        [copy_of(message(RAW), whole=Place(read=True, tags=("Mine",)), mailboxes=places)]
    )
    await store.restore([copy_of(message(RAW), mailboxes=places)])

    assert await store.count() == Counts(total=2, unread=1, size=2 * size)
    assert await store.mailboxes() == {
        "a": Counts(total=2, unread=2, size=2 * size),
        "b": Counts(total=2, unread=0, size=2 * size),
    }
    assert await store.count(Query(unread=True)) == Counts(total=1, unread=1, size=size)
    assert await store.tags() == {"Mine": 1}
    assert await store.tags(mailbox="b") == {"Mine": 2}


async def test_the_order_is_kept(store: SharedStore, message: MakeMessage) -> None:
    """Cursors rise in the order of the copies, behind all that is there."""
    first = await store.add(message(), ())
    copies = [copy_of(message(str(number).encode() * 90)) for number in range(100)]

    await store.restore(copies)

    ids = [row.id for row in await store.find(limit=0)]
    assert ids[::-1] == [first.id, *(copy.message.id for copy in copies)]


async def test_what_is_there_is_left_alone(store: SharedStore, message: MakeMessage) -> None:
    """The same id again is told, once for each time, and changes nothing."""
    old, new = message(RAW), message(RAW, session="another")
    before = await store.add(old, MORE)
    other = msgspec.structs.replace(old, raw=b"other")

    there = await store.restore([copy_of(other, whole=Place(read=True)), *[copy_of(new)] * 2])

    assert list(there) == [old.id, new.id]
    assert await store.get(old.id) == before
    assert await store.raw(old.id) == RAW
    assert await store.transcript(old.id) == MORE
    assert (await store.count()).total == 2
    assert list(await store.restore([copy_of(new)])) == [new.id]


async def test_a_transcript_that_is_known(store: SharedStore, message: MakeMessage) -> None:
    """None leaves that of the session as it is, also when its first message is gone."""
    first, second, third = message(), message(), message()
    await store.restore([copy_of(first), copy_of(second, transcript=None)])
    await store.restore([copy_of(third, transcript=None)])
    await store.delete([first.id, second.id])

    assert await store.transcript(third.id) == SAID

    await store.restore([copy_of(first, transcript=MORE)])
    assert await store.transcript(third.id) == MORE
    await store.delete([third.id])
    assert await store.transcript(first.id) == MORE


async def test_a_transcript_that_nobody_told(store: SharedStore, message: MakeMessage) -> None:
    """It is empty."""
    kept = message()

    await store.restore([copy_of(kept, transcript=None)])

    assert await store.transcript(kept.id) == ()


async def test_followers_are_told_how_it_is(store: SharedStore, message: MakeMessage) -> None:
    """In the whole inbox and in a mailbox they see a row with flag and tags as they are there."""
    whole, view = store.changes(), MailboxView(store, "a").changes()
    kept = message(RAW)
    places = {"a": Place(read=True, tags=("In a",)), "b": Place()}
    await store.restore([copy_of(kept, whole=Place(tags=("Mine",)), mailboxes=places)])

    told, here = await anext(whole), await anext(view)

    assert told.row == await store.get(kept.id)
    assert here.row == await store.get(kept.id, mailbox="a")
    assert "b" not in str(here.places) + str(here.mailboxes)


async def test_mailboxes_forget_what_is_deleted(store: SharedStore, message: MakeMessage) -> None:
    """Counts that began with a read message end at nothing."""
    places = {"a": Place(read=True), "b": Place()}
    await store.restore([copy_of(message(), whole=Place(read=True), mailboxes=places)])

    await store.delete(None)

    assert await store.count() == Counts(total=0, unread=0, size=0)
    assert await store.mailboxes() == {}


async def test_retention_is_applied(open_store: OpenStore, message: MakeMessage) -> None:
    """What is too much is let go, the oldest first, as with mail that comes."""
    store = cast("SharedStore", await open_store(Retention(max_messages=2)))
    copies = [copy_of(message()) for _ in range(5)]

    await store.restore(copies)
    await store.sweep()

    ids = [row.id for row in await store.find()]
    assert ids == [copy.message.id for copy in copies[:2:-1]]


async def test_a_closed_store_says_so(store: SharedStore, message: MakeMessage) -> None:
    """And keeps nothing."""
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.restore([copy_of(message())])


async def test_copies_are_what_was_kept(store: SharedStore, message: MakeMessage) -> None:
    """Of messages of the whole inbox `copies` gives what `restore` took, in the order asked."""
    places = {"a": Place(read=False, tags=("In a", "Too")), "b": Place(read=True)}
    whole = Place(read=True, tags=("Mine",))
    kept = [
        copy_of(message(RAW, session="one"), transcript=MORE, whole=whole, mailboxes=places),
        copy_of(message(b"other", session="two")),
    ]
    await store.restore(kept)
    rows = await store.find(limit=0)

    assert list(await store.copies(rows)) == kept[::-1]
    assert list(await store.copies([])) == []


async def test_copies_tell_a_transcript_once(store: SharedStore, message: MakeMessage) -> None:
    """It stands with the first message of its session that is still there, unless it was told."""
    one, two, three = [await store.add(message(RAW, session="one"), SAID) for _ in range(3)]
    other = await store.add(message(RAW, session="two"), MORE)
    await store.delete([one.id])

    copies = await store.copies([one, two, three, other])
    later = await store.copies([three, other], told={"one"})

    ids = [(copy.message.id, copy.transcript) for copy in copies]
    assert ids == [(two.id, SAID), (three.id, None), (other.id, MORE)]
    assert [copy.transcript for copy in later] == [None, MORE]
