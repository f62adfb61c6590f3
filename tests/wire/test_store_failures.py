"""When a message can't be kept the client is told so, keeps it, and the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.errors import StoreError, StoreFullError

if TYPE_CHECKING:
    from tests.wire.conftest import FailingStore, Serve


@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
@pytest.mark.parametrize(
    ("failure", "code", "event"),
    [
        (StoreFullError("no space left"), b"452", events.DISK_LOW),
        (StoreError("the disk is broken"), b"451", events.STORE_FAILED),
    ],
)
async def test_a_failed_store_is_told_and_the_next_message_is_kept(
    serve: Serve,
    failing_store: FailingStore,
    personality: str,
    failure: Exception,
    code: bytes,
    event: events.EventType,
) -> None:
    """Full is 452, any other failure 451; nothing is acknowledged that is not kept."""
    bench = await serve(personality=personality, store=failing_store)
    peer = await bench.data()
    failing_store.failure = failure

    assert (await peer.say("lost\r\n.")).startswith(code + b" ")
    assert await bench.kept() == []
    assert bench.events.of(event)[0]["error"] == str(failure)
    failing_store.failure = None

    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"):
        assert (await peer.say(command))[:1] in {b"2", b"3"}
    assert (await peer.say("kept\r\n.")).startswith(b"250")
    assert (await peer.say("QUIT")).startswith(b"221")
    assert await bench.kept() == [b"kept\r\n"]
    assert bench.events.of(events.INTERNAL_ERROR) == []


async def test_a_failed_message_leaves_its_transaction(
    serve: Serve, failing_store: FailingStore
) -> None:
    """After the end of data, good or bad, a new transaction begins (RFC 5321, 4.1.1.4)."""
    bench = await serve(store=failing_store)
    peer = await bench.data()
    failing_store.failure = StoreError("no")
    await peer.say("lost\r\n.")

    assert (await peer.say("DATA")).startswith(b"503")


@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
async def test_an_unexpected_exception_ends_that_session_only(
    serve: Serve, failing_store: FailingStore, personality: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gets 421 without any detail, the event is logged, and others are served."""
    bench = await serve(personality=personality, store=failing_store)
    other = await bench.data()
    peer = await bench.data()
    failing_store.failure = ZeroDivisionError("a secret of the inside")

    peer.send(b"lost\r\n.\r\nNOOP\r\n")
    last = await peer.rest()

    assert last.startswith(b"421 ")
    assert last.count(b"\r\n") == 1
    assert b"secret" not in last
    assert b"ZeroDivision" not in last
    (event,) = bench.events.of(events.INTERNAL_ERROR)
    assert "ZeroDivisionError" in event["error"]
    await bench.sessions.wait_for(1)
    failing_store.failure = None
    assert (await other.say("kept\r\n.")).startswith(b"250")
    assert await bench.kept() == [b"kept\r\n"]


async def test_a_closed_store_is_a_failed_one(serve: Serve) -> None:
    """A message that comes after the store's end is not acknowledged."""
    bench = await serve()
    peer = await bench.data()
    await bench.store.close()

    assert (await peer.say("lost\r\n.")).startswith(b"451")


async def test_the_end_of_a_transcript_may_be_lost(serve: Serve) -> None:
    """A store that fails when the session is over harms nobody."""
    bench = await serve()
    peer = await bench.data()
    await peer.say("kept\r\n.")
    await bench.store.close()

    assert (await peer.say("QUIT")).startswith(b"221")
    await bench.sessions.wait_for(0)
    await bench.sessions.drain(0)
