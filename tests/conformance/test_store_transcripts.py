"""The contract of `MessageStore`, sentence by sentence: transcripts."""

from __future__ import annotations

import pytest

from bindpost.server.message.model import Transcript, TranscriptLine
from bindpost.server.store.store import MessageStore

from .bench import SAID, MakeMessage


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
