"""The inbox file by Hypothesis: what is written is read, in any pieces; any bytes are refused."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
)
from bindpost.server.store.inbox_file import (
    HEAD,
    CutOffError,
    Entry,
    InboxFileError,
    Reader,
    write,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Copy, Place
from bindpost.server.web.app import create_app

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
moments = st.datetimes(datetime(1901, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))
places = st.builds(Place, st.booleans(), st.just(()) | st.just(("One", "two")))
facts = st.builds(
    SessionFacts,
    session_id=st.builds(new_id),
    started=moments,
    listener=texts,
    via=texts,
    personality=texts,
    peer=st.none() | texts,
    login=st.none() | texts,
    proxy_tlvs=st.dictionaries(texts, texts | st.integers(0, 9), max_size=1),
    faults=st.lists(texts, max_size=2).map(tuple),
)
raws = st.binary(max_size=50) | st.sampled_from([HEAD, HEAD * 2 + b"x", b"\n\n", b'{"bindpost":"'])
lines = st.builds(TranscriptLine, st.integers(0, 9), st.sampled_from("CS-"), texts)
recipients = st.builds(Recipient, texts, st.dictionaries(texts, st.none() | texts, max_size=1))
copies = st.builds(
    Copy,
    message=st.builds(
        Message,
        id=st.builds(new_id),
        received=moments,
        envelope=st.builds(
            Envelope,
            texts,
            st.lists(recipients, max_size=2).map(tuple),
        ),
        session=facts,
        raw=raws,
    ),
    transcript=st.none() | st.lists(lines, max_size=3).map(tuple),
    whole=places,
    mailboxes=st.dictionaries(st.sampled_from(["a", "b-1", "x.y"]), places),
)
inboxes = st.lists(copies, max_size=2)


def read(pieces: Iterable[bytes]) -> list[Entry]:
    """Read a file that comes in pieces."""
    reader = Reader(size_limit=1000)
    found = [entry for piece in pieces for entry in reader.feed(piece)]
    reader.finish()
    return found


@given(inboxes, st.integers(1, 50))
def test_what_is_written_is_read(inbox: list[Copy], size: int) -> None:
    """Whatever it is cut into; each message is given as it stands in the file."""
    file = HEAD + b"".join(map(write, inbox))

    found = read(file[start : start + size] for start in range(0, len(file), size))

    assert [entry.copy for entry in found] == inbox
    assert HEAD + b"".join(entry.data for entry in found) == file


@given(inboxes)
def test_a_transcript_can_be_left_out(inbox: list[Copy]) -> None:
    """Then nothing else is missing."""
    told = [copy for copy in inbox if copy.transcript is not None]
    found = read([HEAD, *map(write, told)])

    without = read([HEAD, *(entry.without_transcript() for entry in found)])

    assert all(entry.copy.transcript is None for entry in without)
    assert [entry.copy.message for entry in without] == [copy.message for copy in told]
    assert [entry.copy.mailboxes for entry in without] == [copy.mailboxes for copy in told]


@given(inboxes, st.data())
def test_a_file_that_is_cut_off(inbox: list[Copy], data: st.DataObject) -> None:
    """What is whole is given, its end is known, and the rest is never taken for a message."""
    parts = [HEAD, *map(write, inbox)]
    file = b"".join(parts)
    end = data.draw(st.integers(0, len(file)))
    reader = Reader()

    found = list(reader.feed(file[:end]))

    whole = [sum(map(len, parts[:count])) for count in range(len(parts) + 1)]
    assert reader.end == max(length for length in whole if length <= end)
    assert [entry.copy for entry in found] == inbox[: max(0, whole.index(reader.end) - 1)]
    if end not in whole:
        with pytest.raises(CutOffError):
            reader.finish()


@given(
    st.lists(st.binary() | st.sampled_from([HEAD, b"\n", b"{", b'{"bindpost":"message","id":"']))
)
def test_any_bytes(pieces: list[bytes]) -> None:
    """They are refused in a sentence, or have no message."""
    with contextlib.suppress(InboxFileError):
        assert read(pieces) == []


@given(copies, st.data())
def test_any_damage(copy: Copy, data: st.DataObject) -> None:
    """What other bytes are given stand for a message with other facts, never with other bytes."""
    file = bytearray(HEAD + write(copy))
    at = data.draw(st.integers(0, len(file) - 1))
    file[at] = data.draw(st.integers(0, 255))
    try:
        found = read([bytes(file)])
    except InboxFileError:
        return
    for entry in found:
        raw = entry.copy.message.raw
        assert hashlib.sha256(raw).digest() == hashlib.sha256(copy.message.raw).digest()


async def post(file: bytes) -> tuple[int, str, set[bytes]]:
    """Give such a file to a server with an empty inbox; give its answer, and what it keeps."""
    store = MemoryStore()
    app = create_app(store, ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.post("/api/bindpost/v1/inbox", content=file)
        listed = await http.get("/api/bindpost/v1/messages")
    assert listed.status_code == 200, "the inbox can't be shown any more"
    kept = {await store.raw(row.id) or b"" for row in await store.find(limit=0)}
    await store.close()
    return answer.status_code, answer.text, kept


@settings(max_examples=50)
@given(st.lists(copies, min_size=1, max_size=2), st.data())
def test_a_server_keeps_all_of_a_damaged_file_or_nothing(
    inbox: list[Copy], data: st.DataObject
) -> None:
    """It answers in a sentence, and can show what it has."""
    file = bytearray(HEAD + b"".join(map(write, inbox)))
    at = data.draw(st.integers(0, len(file) - 1))
    file[at:] = data.draw(st.binary(max_size=3)) + file[at + data.draw(st.integers(0, 3)) :]

    status, text, kept = asyncio.run(post(bytes(file)))

    assert status in (200, 400), text
    assert kept == ({copy.message.raw for copy in inbox} if status == 200 else set())
