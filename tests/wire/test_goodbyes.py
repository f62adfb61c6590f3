"""
Clients that go away without QUIT, at every step: the session ends, and nothing is half kept.

That no traceback and no session is left is checked by the bench when the test is over.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.config.model import Ims, Tls

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Peer, Serve, SlowStore

STAIRS = ["connected", "greeted", "ehlo", "mail", "rcpt", "data"]
UNFINISHED = {
    "in-a-command": (STAIRS[:-1], b"MAIL FR"),
    "in-a-command-line's-end": (STAIRS[:-1], b"NOOP\r"),
    "in-an-endless-command": (STAIRS[:-1], b"x" * 100_000),
    "behind-a-command": (STAIRS[:-1], b"NOOP\r\nNOOP\r\nNO"),
    "in-a-message": (["data"], b"Subject: x\r\n\r\nhalf"),
    "in-a-long-line": (["data"], b"x" * 100_000),
    "in-the-message's-end": (["data"], b"Subject: x\r\n\r\n."),
    "in-the-message's-last-CRLF": (["data"], b"Subject: x\r\n\r\n.\r"),
    "in-AUTH": (STAIRS[1:-1], b"AUTH LOGIN\r\n"),
    "in-AUTH-after-the-name": (STAIRS[1:-1], b"AUTH LOGIN\r\ndXNlcg==\r\n"),
    "in-AUTH's-response": (STAIRS[1:-1], b"AUTH LOGIN\r\ndXNl"),
    "in-XEXCH50": (STAIRS[1:-1], b"XEXCH50 100 2\r\nhalf"),
    "behind-STARTTLS": (STAIRS[1:-1], b"STARTTLS\r\n"),
    "in-the-TLS-handshake": (STAIRS[1:-1], b"STARTTLS\r\n\x16\x03\x01\x00"),
}

Step = Callable[..., Awaitable["Peer"]]
CLOSINGS: dict[str, Callable[[Peer], None]] = {
    "FIN": lambda peer: peer.close(),
    "RST": lambda peer: peer.reset(),
    "half": lambda peer: peer.half_close(),
}
"""The ways to go. The last one leaves the other direction open."""


async def _has_ended(bench: Bench, peer: Peer) -> None:
    await bench.sessions.wait_for(0)
    peer.close()
    assert await bench.kept() == []
    assert bench.events.of(events.INTERNAL_ERROR) == []


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("stair", STAIRS)
async def test_a_client_leaves_after_a_step(serve: Serve, stair: str, closing: str) -> None:
    """Whatever was said before, the session ends with its client."""
    bench = await serve()
    step: Step = getattr(bench, stair)
    peer = await step()
    await bench.sessions.wait_for(1)

    CLOSINGS[closing](peer)

    await _has_ended(bench, peer)


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("name", UNFINISHED)
async def test_a_client_leaves_in_the_middle(serve: Serve, name: str, closing: str) -> None:
    """Half a command, message, login or handshake is nothing."""
    bench = await serve(tls=Tls(certificate="self-signed"))
    stairs, data = UNFINISHED[name]
    for stair in stairs:
        step: Step = getattr(bench, stair)
        peer = await step()
        peer.send(data)
        for _ in range(data.count(b"\r\n") if stair != "data" else 0):
            await peer.reply()

        CLOSINGS[closing](peer)

        await _has_ended(bench, peer)


@pytest.mark.parametrize("closing", CLOSINGS)
async def test_a_client_leaves_before_the_banner(serve: Serve, closing: str) -> None:
    """A port scan, which closes at once, leaves nothing behind."""
    bench = await serve()
    for _ in range(20):
        peer = await bench.connected()
        CLOSINGS[closing](peer)

    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("closing", CLOSINGS)
async def test_a_client_leaves_while_its_name_is_looked_up(serve: Serve, closing: str) -> None:
    """The banner waits for the lookup (KB Q258745); who does not, is gone by then at the latest."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def lookup(_host: str | None, _seconds: float) -> str | None:
        asked.set()
        await answer.wait()
        return None

    bench = await serve(ims=Ims(disable_reverse_resolve=False), lookup=lookup)
    peer = await bench.connected()
    await asked.wait()

    CLOSINGS[closing](peer)
    if closing != "RST":  # it may still want the banner
        answer.set()

    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("closing", ["cut", "RST"])
async def test_a_client_leaves_without_reading(serve: Serve, closing: str) -> None:
    """A client that sends much, reads nothing and goes leaves nothing behind."""
    bench = await serve()
    peer = await bench.ehlo()
    peer.stop_reading()
    peer.send(b"HELP\r\n" * 20_000)

    peer.reset() if closing == "RST" else peer.writer.transport.abort()

    await bench.sessions.wait_for(0)


async def test_a_client_leaves_while_a_reply_waits_for_it(serve: Serve) -> None:
    """A reply that can't go out does not hold the session of the plain engine."""
    bench = await serve(engine="stock")
    wire = bench.wire()
    await wire.wait_for_replies(1)
    wire.pause_writing()
    await wire.feed(b"NOOP\r\n")
    await wire.wait_for_replies(2)

    wire.abort()

    await bench.sessions.wait_for(0)


async def test_a_client_leaves_while_its_commands_wait_for_it(serve: Serve) -> None:
    """Nor does a command hold the fast engine's, which takes none while replies can't go out."""
    bench = await serve()
    wire = bench.wire()
    await wire.wait_for_replies(1)
    wire.pause_writing()
    await wire.feed(b"NOOP\r\n" * 20_000)
    assert len(wire.replies) == 1

    wire.abort()

    await bench.sessions.wait_for(0)


async def test_a_reset_while_a_message_is_on_its_way_to_the_store_harms_nobody(
    serve: Serve, slow_store: SlowStore
) -> None:
    """A client that resets while its message is being kept ends its own session only."""
    bench = await serve(store=slow_store)
    peer = await bench.data()
    peer.send(b"x\r\n.\r\n")
    await slow_store.asked.wait()

    peer.reset()

    await _has_ended(bench, peer)


async def test_a_message_on_its_way_to_the_store_is_kept_though_its_client_has_closed(
    serve: Serve, slow_store: SlowStore
) -> None:
    """Who has sent all and closes may be listening still; the message is whole, and is kept."""
    bench = await serve(store=slow_store)
    wire = bench.wire()
    await wire.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n")
    await slow_store.asked.wait()

    await wire.half_close()
    slow_store.go_on.set()
    await wire.wait_for_close()

    assert wire.replies[-1] == b"250 OK\r\n"
    assert await bench.kept() == [b"x\r\n"]


@pytest.mark.parametrize("pair", [True, False], ids=["socketpair", "tcp"])
@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
async def test_a_half_closed_client_gets_all_replies(
    serve: Serve, slow_store: SlowStore, personality: str, pair: bool
) -> None:
    """Who sends a whole session and then only listens is answered to the end; its mail is kept."""
    bench = await serve(personality=personality, store=slow_store)
    peer = await bench.connected(pair=pair)
    message = b"Subject: x\r\n\r\n" + b"y" * 100_000 + b"\r\n"

    peer.send(
        b"EHLO c\r\n"
        + (b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + message + b".\r\n") * 3
        + b"QUIT\r\n"
    )
    peer.half_close()
    await slow_store.asked.wait()
    slow_store.go_on.set()
    replies = await peer.rest()

    codes = [line[:3] for line in replies.splitlines() if line[3:4] == b" "]
    assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 3, b"221"]
    assert await bench.kept() == [message] * 3


async def test_a_half_closed_client_need_not_say_quit(serve: Serve) -> None:
    """The end of its input ends the session when all is answered."""
    bench = await serve()
    peer = await bench.connected()

    peer.send(b"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n")
    peer.half_close()

    assert (await peer.rest()).endswith(b"354 Send data.  End with CRLF.CRLF\r\n250 OK\r\n")
    assert await bench.kept() == [b"x\r\n"]


@pytest.mark.parametrize("closing", ["FIN", "RST"])
@pytest.mark.parametrize("command", [b"", b"MAIL FR", b"NOOP\r\n"])
async def test_a_client_leaves_inside_tls(
    serve: Serve, client_tls: ssl.SSLContext, command: bytes, closing: str
) -> None:
    """Inside TLS it is the same, with and without TLS's own goodbye."""
    bench = await serve(tls=Tls(certificate="self-signed"))
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220")
    await peer.writer.start_tls(client_tls)
    assert (await peer.say("EHLO c")).startswith(b"250")
    peer.send(command)

    CLOSINGS[closing](peer)

    await _has_ended(bench, peer)
