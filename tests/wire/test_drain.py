"""The end of the service: idle sessions are told, transactions may finish, the rest is cut."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

PERSONALITIES = ["ims-5.5", "plain"]
LONG = 60.0


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_idle_sessions_are_told(serve: Serve, personality: str) -> None:
    """A session without a transaction gets 421 and is closed (RFC 5321, 3.8)."""
    bench = await serve(personality=personality)
    peers = [await bench.greeted(), await bench.ehlo(pair=True), await bench.ehlo()]

    await bench.sessions.drain(LONG)

    for peer in peers:
        rest = await peer.rest()
        assert rest.startswith(b"421 ")
        assert rest.count(b"\r\n") == 1


async def test_a_message_may_finish(serve: Serve) -> None:
    """A session in DATA gets its 250, then 421; its message is kept."""
    bench = await serve()
    peer = await bench.data()
    peer.send(b"first half\r\n")

    draining = asyncio.create_task(bench.sessions.drain(LONG))
    await asyncio.sleep(0)
    peer.send(b"second half\r\n.\r\n")

    assert await peer.reply() == b"250 OK\r\n"
    assert (await peer.rest()).startswith(b"421 ")
    await draining
    assert await bench.kept() == [b"first half\r\nsecond half\r\n"]


async def test_a_transaction_may_finish(serve: Serve) -> None:
    """So may one that has not come to DATA yet; RSET ends it too."""
    bench = await serve()
    sender, resetter = await bench.mail(), await bench.rcpt()

    draining = asyncio.create_task(bench.sessions.drain(LONG))
    await asyncio.sleep(0)
    for command in ("RCPT TO:<c@d>", "DATA", "x\r\n."):
        assert (await sender.say(command))[:3] in {b"250", b"354"}
    assert (await resetter.say("RSET")).startswith(b"250")

    for peer in (sender, resetter):
        assert (await peer.rest()).startswith(b"421 ")
    await draining
    assert await bench.kept() == [b"x\r\n"]


async def test_no_new_transaction_begins(serve: Serve) -> None:
    """What is pipelined behind the message that finishes is not heard any more."""
    bench = await serve()
    peer = await bench.data()

    draining = asyncio.create_task(bench.sessions.drain(LONG))
    await asyncio.sleep(0)
    peer.send(b"one\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n")
    replies = await peer.rest()
    await draining

    assert [reply[:3] for reply in replies.splitlines()] == [b"250", b"421"]
    assert await bench.kept() == [b"one\r\n"]


async def test_a_login_may_not_hold_up_the_end(serve: Serve) -> None:
    """A session in the middle of AUTH is cut when the time is over."""
    bench = await serve()
    peer = await bench.ehlo()
    await peer.say("AUTH LOGIN")

    await bench.sessions.drain(0.05)

    assert await peer.rest() == b""


async def test_what_does_not_finish_is_cut(serve: Serve) -> None:
    """A message that does not come to its end in time is not kept."""
    bench = await serve()
    peer = await bench.data()
    peer.send(b"half")

    await bench.sessions.drain(0.05)

    assert len(bench.sessions) == 0
    assert await peer.rest() == b""
    assert await bench.kept() == []


async def test_cut_ends_all_at_once(serve: Serve) -> None:
    """Nobody is asked, at whatever step."""
    bench = await serve()
    peers = [
        await bench.connected(),
        await bench.greeted(),
        await bench.ehlo(pair=True),
        await bench.rcpt(),
        await bench.data(),
    ]
    await bench.sessions.wait_for(len(peers))

    bench.sessions.cut()

    await bench.sessions.wait_for(0)
    for peer in peers[1:]:
        assert await peer.rest() == b""


async def test_who_takes_no_replies_is_cut(serve: Serve) -> None:
    """A client that does not read its goodbye does not hold up the end."""
    bench = await serve()
    peer = await bench.ehlo()
    peer.stop_reading()
    peer.send(b"HELP\r\n" * 20_000)

    await bench.sessions.drain(0.05)

    assert len(bench.sessions) == 0


async def test_who_has_just_connected_is_told(serve: Serve) -> None:
    """A session that was accepted in the same moment does not outlive the service."""
    bench = await serve()
    wire = bench.wire()

    await bench.sessions.drain(LONG)

    assert len(bench.sessions) == 0
    assert wire.replies[-1].startswith(b"421 ")


async def test_draining_twice_is_harmless(serve: Serve) -> None:
    """A second signal finds nothing to say again."""
    bench = await serve()
    peer = await bench.ehlo()

    await asyncio.gather(bench.sessions.drain(LONG), bench.sessions.drain(LONG))

    assert (await peer.rest()).count(b"421 ") == 1


async def test_the_transcripts_end_is_kept_before_the_store_goes(serve: Serve) -> None:
    """When draining returns, the 421 stands in the transcript of the mail that was kept."""
    bench = await serve()
    peer = await bench.data()
    await peer.say("x\r\n.")

    await bench.sessions.drain(LONG)

    (row,) = await bench.rows()
    speaker, text = (await bench.transcript(row))[-1]
    assert (speaker, text[:3]) == ("S", "421")
