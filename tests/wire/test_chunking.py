"""Messages by BDAT (RFC 3030): octets are counted, whatever they look like, on both engines."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost import events
from bindpost.config.fault import Action, Fault, Stage
from bindpost.config.model import Limits, Tls

from .conftest import Bench, Clock, Peer, Serve

Start = Callable[..., Awaitable[Bench]]
MIB = 1 << 20
SHORT = 0.05
OPEN = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
SMUGGLED = b"\r\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nx\r\n.\r\nBDAT 1\r\n"


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service that has CHUNKING, on either engine."""

    async def start_one(**settings: Any) -> Bench:
        return await serve(engine=request.param, personality="plain", **settings)

    return start_one


def bdat(data: bytes, *, last: bool = False) -> bytes:
    """Give a chunk and its command."""
    return b"BDAT %d%b\r\n%b" % (len(data), b" LAST" if last else b"", data)


async def play(bench: Bench, *pieces: bytes) -> list[bytes]:
    """Send a session in pieces, to its end; gives the codes of the replies."""
    wire = bench.wire()
    for piece in pieces:
        await wire.feed(piece)
    await wire.wait_for_close()
    return [reply[:3] for reply in wire.replies]


def codes(text: str) -> list[bytes]:
    """Give the codes in a text."""
    return [code.encode() for code in text.split()]


async def test_the_pipelined_session_of_rfc_3030(start: Start) -> None:
    """Section 4.2: two chunks of 100,000 and 324 octets, an empty one at the end, all at once."""
    bench = await start()
    first, second = bytes(range(256)) * 390 + b"x" * 160, b"\n" * 324
    peer = await bench.ehlo()
    peer.send(
        b"MAIL FROM:<ned@ymir.claremont.edu> BODY=BINARYMIME\r\n"
        b"RCPT TO:<gvaudre@cnri.reston.va.us>\r\nRCPT TO:<jstewart@cnri.reston.va.us>\r\n"
    )
    peer.send(bdat(first) + bdat(second) + bdat(b"", last=True) + b"QUIT\r\n")

    assert (await peer.rest()).splitlines()[3:5] == [
        b"250 2.0.0 100000 octets received",
        b"250 2.0.0 324 octets received",
    ]
    assert await bench.kept() == [first + second]
    (row,) = await bench.rows()
    assert dict(row.envelope.parameters) == {"BODY": "BINARYMIME"}
    assert ("C", "BDAT 100000") in await bench.transcript(row)


async def test_a_session_split_at_every_byte(start: Start) -> None:
    """Wherever a network cuts it, it is the same."""
    bench = await start()
    session = OPEN + bdat(b"a\r") + bdat(SMUGGLED) + bdat(b"\n.", last=True) + b"NOOP\r\nQUIT\r\n"
    expected = codes("220 250 250 250 250 250 250 250 221")

    for cut in range(len(session)):
        assert await play(bench, session[:cut], session[cut:]) == expected, cut
    assert await play(bench, *(bytes([octet]) for octet in session)) == expected

    kept = await bench.kept()
    assert len(kept) == len(session) + 1
    assert set(kept) == {b"a\r" + SMUGGLED + b"\n."}
    assert {row.envelope.reverse_path for row in await bench.rows()} == {"a@b"}


@pytest.mark.parametrize(
    ("before", "expected", "kept"),
    [
        (b"", "250", [SMUGGLED]),
        (b"RSET\r\n", "250 503", []),
        (b"BDAT 3\r\nabcDATA\r\n", "250 503 503", []),
        (b"DATA\r\nabc\r\n.\r\n", "354 250 503", [b"abc\r\n"]),
        (b"BDAT 3 LAST\r\nabc", "250 503", [b"abc"]),
        (b"BDAT 99\r\n" + b"x" * 99 + b"BDAT 999\r\n" + b"x" * 999, "250 552 503", []),
    ],
    ids=["plain", "RSET", "DATA-after-BDAT", "after-DATA", "after-LAST", "too-large"],
)
async def test_a_chunk_is_never_heard_as_commands(
    start: Start, before: bytes, expected: str, kept: list[bytes]
) -> None:
    """Accepted or refused, mixed with DATA or not: what is inside of a chunk stays there."""
    bench = await start(limits=Limits(message_size=1000))
    session = OPEN + before + bdat(SMUGGLED, last=True) + b"QUIT\r\n"

    assert await play(bench, session) == codes(f"220 250 250 250 {expected} 221")

    assert await bench.kept() == kept
    assert {row.envelope.reverse_path for row in await bench.rows()} <= {"a@b"}


async def test_a_chunk_inside_data_is_content(start: Start) -> None:
    """After DATA no BDAT is heard before the final dot."""
    bench = await start()
    inside = bdat(b"abc", last=True) + b"\r\n"

    assert await play(bench, OPEN + b"DATA\r\n" + inside + b".\r\nQUIT\r\n") == codes(
        "220 250 250 250 354 250 221"
    )
    assert await bench.kept() == [inside]


async def test_many_small_chunks_at_once(start: Start) -> None:
    """A client that pipelines a chunk for each octet is answered as often."""
    bench = await start()
    peer = await bench.ehlo()
    peer.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + bdat(b"x") * 3000)
    peer.send(bdat(b"y", last=True) + b"QUIT\r\n")

    replies = (await peer.rest()).splitlines()

    assert replies[2:-2] == [b"250 2.0.0 1 octets received"] * 3000
    assert await bench.kept() == [b"x" * 3000 + b"y"]


async def test_a_chunk_over_the_limit_costs_no_memory(start: Start) -> None:
    """It is read to its end, in bounded memory, and the next message is taken."""
    bench = await start(limits=Limits(message_size=MIB))
    peer = await bench.rcpt()
    assert (await peer.say(b"BDAT 1000\r\n" + b"x" * 998)).startswith(b"250 ")

    tracemalloc.start()
    try:
        peer.send(b"BDAT %d LAST\r\n" % (32 * MIB))
        await peer.flood(b"x" * 65536, 32 * 16)
        reply = await peer.reply()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert reply == b"552 5.3.4 Message too big, at most 1048576 bytes\r\n"
    assert peak < 8 * MIB
    assert bench.sessions.activity.rejected == 1
    assert bench.sessions.in_flight.size == 0
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "BDAT 6 LAST\r\nnext"):
        assert (await peer.say(command)).startswith(b"250 ")
    assert await bench.kept() == [b"next\r\n"]


@pytest.mark.parametrize("sent", [b"BDAT 10", b"BDAT 10\r\nhalf", b"BDAT 4 LAST\r\nhal"])
async def test_a_client_that_goes_within_a_chunk(start: Start, sent: bytes) -> None:
    """Nothing is kept of half a message."""
    bench = await start()
    peer = await bench.rcpt()
    peer.send(sent)
    peer.close()

    await bench.sessions.wait_for(0)
    assert await bench.kept() == []


async def test_a_silent_client_is_dropped(start: Start, clock: Clock) -> None:
    """Silence within a chunk is that of a message, silence behind one that of a command."""
    bench = await start(limits=Limits(data_timeout=SHORT))
    peer = await bench.rcpt()
    peer.send(b"BDAT 10\r\nhalf")
    assert await peer.rest() == b""
    await bench.events.wait_for(events.BODY_TIMEOUT)

    bench = await start(limits=Limits(command_timeout=60))
    peer = await bench.rcpt()
    peer.send(bdat(b"half"))
    assert await peer.reply() == b"250 2.0.0 4 octets received\r\n"
    await clock.move_on(61)
    assert await peer.rest() == b""
    await bench.events.wait_for(events.CLIENT_DROPPED)


async def test_tls_in_the_middle_of_a_message(start: Start, client_tls: ssl.SSLContext) -> None:
    """STARTTLS forgets the chunks before it with the transaction (RFC 3207, 4.2)."""
    bench = await start(tls=Tls(certificate="self-signed"))
    peer = await bench.rcpt()
    await peer.say(b"BDAT 5\r\nabc")
    assert (await peer.say("STARTTLS")).startswith(b"220 ")
    await peer.writer.start_tls(client_tls)

    assert b"250-REQUIRETLS\r\n" in await peer.say("EHLO inside")
    assert (await peer.say("BDAT 3 LAST\r\n.")).startswith(b"503 5.5.1 Need MAIL")
    for command in ("MAIL FROM:<a@b> REQUIRETLS MT-PRIORITY=3", "RCPT TO:<c@d>"):
        assert (await peer.say(command)).startswith(b"250 ")
    assert (await peer.say("BDAT 5 LAST\r\nnew")).startswith(b"250 ")

    assert await bench.kept() == [b"new\r\n"]
    (row,) = await bench.rows()
    assert dict(row.envelope.parameters) == {"REQUIRETLS": None, "MT-PRIORITY": "3"}


def fault(stage: Stage, action: Action, **more: Any) -> Fault:
    """Make a rule whose name is its action."""
    return Fault(name=action, stage=stage, action=action, **more)


async def rest_after(peer: Peer, *sent: bytes) -> bytes:
    """Send pieces, and give all that comes until the server closes."""
    for piece in sent:
        peer.send(piece)
    return await peer.rest()


async def test_a_message_in_chunks_is_cut_off_while_it_comes(start: Start) -> None:
    """After so many octets of the message, in whichever chunk they are."""
    bench = await start(fault=(fault("in-data", "drop", bytes=150),))
    peer = await bench.rcpt()
    chunk = bdat(b"x" * 100)

    assert await rest_after(peer, chunk, chunk, chunk) == b"250 2.0.0 100 octets received\r\n"

    assert [one.action for one in bench.faults.log()] == ["drop"]
    assert await bench.kept() == []


async def test_a_message_in_chunks_is_taken_slowly_and_answered_late(start: Start) -> None:
    """It is kept as it came; the next message meets with the rules anew."""
    rules = (
        fault("in-data", "slow", bytes=10_000, seconds=0.01),
        fault("end-of-data", "reply", code=451, text="Later", nth=2),
    )
    bench = await start(fault=rules)
    peer = await bench.rcpt()
    peer.send(bdat(b"y" * 70_000) + bdat(b"z", last=True))

    assert (await peer.reply(), (await peer.reply())[:4]) == (
        b"250 2.0.0 70000 octets received\r\n",
        b"250 ",
    )
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>"):
        assert (await peer.say(command)).startswith(b"250 ")
    assert await peer.say("BDAT 5 LAST\r\nabc") == b"451 Later\r\n"

    assert await bench.kept() == [b"y" * 70_000 + b"z"]
    assert [one.action for one in bench.faults.log()] == ["slow", "slow", "reply"]


async def test_rules_that_go_in_the_middle_of_a_message(start: Start) -> None:
    """What has been decided at its beginning holds; the session goes on as ever."""
    bench = await start(fault=(fault("in-data", "delay", bytes=3, seconds=0.01),))
    peer = await bench.rcpt()
    assert (await peer.say("BDAT 2\r\n")).startswith(b"250 ")
    bench.faults.clear()
    async with asyncio.timeout(10):
        assert (await peer.say("BDAT 5\r\nabc")).startswith(b"250 ")
        assert (await peer.say("BDAT 3 LAST\r\n.")).startswith(b"250 ")

    assert await bench.kept() == [b"\r\nabc\r\n.\r\n"]
