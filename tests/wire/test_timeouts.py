"""Clients that fall silent are dropped, with the event that tells why (RFC 5321, 4.5.3.2)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.config.model import Ims, Limits
from bindpost.server.smtp.reverse import reverse_name

if TYPE_CHECKING:
    from tests.wire.conftest import Clock, Peer, Serve

SHORT = 0.05
IMPATIENT = Limits(command_timeout=SHORT, data_timeout=SHORT)
"""A client of these can't rely on any reply but the banner: on a busy machine it is silent."""


@pytest.mark.parametrize(
    "before",
    [b"", b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\n", b"NOO", b"AUTH LOGIN\r\n", b"XEXCH50 10 2\r\nx"],
)
async def test_a_silent_client_is_dropped(serve: Serve, before: bytes) -> None:
    """Without a command within the limit the connection is closed."""
    bench = await serve(limits=IMPATIENT)
    peer = await bench.greeted()

    peer.send(before)
    await peer.rest()

    event = await bench.events.wait_for(events.CLIENT_DROPPED)
    assert event["peer"] == "127.0.0.1"
    assert bench.events.of(events.BODY_TIMEOUT) == []
    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("before", [b"", b"Subject: x\r\n\r\nhalf", b"x\n.\n", b"x\r\n."])
async def test_a_silent_message_is_dropped(serve: Serve, before: bytes) -> None:
    """Silence between DATA and the final dot is event 4051, and nothing is kept (KB Q152944)."""
    bench = await serve(limits=Limits(data_timeout=SHORT))
    peer = await bench.data()

    peer.send(before)
    assert await peer.rest() == b""

    event = await bench.events.wait_for(events.BODY_TIMEOUT)
    assert event["host"] == "127.0.0.1"
    assert bench.events.of(events.CLIENT_DROPPED) == []
    await bench.sessions.wait_for(0)
    assert await bench.kept() == []


async def test_a_message_has_its_own_limit(serve: Serve, clock: Clock) -> None:
    """While a message comes the command time-out does not count, and afterwards it does again."""
    bench = await serve(limits=Limits(command_timeout=60, data_timeout=180))
    peer = await bench.data()
    await clock.move_on(61)

    peer.send(b"x\r\n.\r\n")

    assert (await peer.reply()).startswith(b"250")
    await clock.move_on(61)
    await bench.events.wait_for(events.CLIENT_DROPPED)
    assert len(await bench.kept()) == 1


async def test_progress_gives_time(serve: Serve, clock: Clock) -> None:
    """A message may take longer than the limit as a whole, as long as it goes on."""
    bench = await serve(limits=Limits(data_timeout=60))
    wire = bench.wire()
    await wire.feed(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
    await wire.wait_for_replies(5)
    for _ in range(3):
        await wire.feed((b"x" * 998 + b"\r\n") * 66)
        await clock.move_on(45)

    await wire.feed(b".\r\n")
    await wire.wait_for_replies(6)
    wire.close()

    assert wire.replies[-1].startswith(b"250")


async def test_commands_give_time(serve: Serve, clock: Clock) -> None:
    """A client that goes on talking is not dropped."""
    bench = await serve(limits=Limits(command_timeout=60))
    peer = await bench.ehlo()

    for _ in range(3):
        await clock.move_on(45)
        assert (await peer.say("NOOP")).startswith(b"250")


async def test_nonsense_gives_no_time(serve: Serve) -> None:
    """A client that feeds an endless line, byte by byte, is dropped like a silent one."""
    bench = await serve(limits=IMPATIENT)
    peer = await bench.greeted()

    async def drip() -> None:
        while True:
            peer.send(b"x")
            await asyncio.sleep(0)

    dripping = asyncio.create_task(drip())
    await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)
    dripping.cancel()


async def test_a_client_that_takes_no_replies_is_cut(serve: Serve) -> None:
    """Who never reads holds its connection no longer than the limit, twice."""
    bench = await serve(limits=IMPATIENT)
    peer = await bench.greeted()
    peer.stop_reading()

    peer.send(b"HELP\r\n" * 20_000)

    await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)


async def test_a_client_that_takes_no_goodbye_is_cut(serve: Serve) -> None:
    """Nor does one that says QUIT and reads nothing."""
    bench = await serve(limits=IMPATIENT)
    peer = await bench.greeted()
    peer.stop_reading()

    peer.send(b"HELP\r\n" * 20_000 + b"QUIT\r\n")
    peer.half_close()

    await bench.sessions.wait_for(0)


async def drip(peer: Peer) -> None:
    """Send for as long as the connection is there."""
    with contextlib.suppress(ConnectionError):
        while True:
            peer.send(b"NOOP\r\n")
            await peer.writer.drain()
            await asyncio.sleep(0)


@pytest.mark.parametrize("engine", ["fast", "stock"])
@pytest.mark.parametrize("before", [b"", b"RCPT TO:<c@d>\r\nDATA\r\n"], ids=["MAIL", "DATA"])
async def test_a_transaction_that_never_ends_is_ended(
    serve: Serve, engine: str, before: bytes
) -> None:
    """However busy its client is, and however patient the other limits are."""
    bench = await serve(engine=engine, limits=Limits(transaction_time=SHORT))
    peer = await bench.mail()
    peer.send(before)

    dripping = asyncio.create_task(drip(peer))
    event = await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)
    dripping.cancel()

    assert event["reason"] == "a transaction longer than the time limit"
    assert await bench.kept() == []


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_a_chunk_that_never_ends_is_ended(serve: Serve, engine: str) -> None:
    """It belongs to no transaction, and its size has no bound; it has a transaction's time."""
    bench = await serve(engine=engine, personality="plain", limits=Limits(transaction_time=SHORT))
    peer = await bench.ehlo()
    peer.send(b"BDAT 99999999999999999999\r\n")

    dripping = asyncio.create_task(drip(peer))
    event = await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)
    dripping.cancel()

    assert event["reason"] == "a transaction longer than the time limit"


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_a_session_that_never_ends_is_ended(serve: Serve, engine: str) -> None:
    """It gets 421, although it has always something to say."""
    bench = await serve(engine=engine, limits=Limits(session_time=SHORT))
    peer = await bench.greeted()

    reply = b"250"
    while reply.startswith(b"250"):
        reply = await peer.say("NOOP")

    assert reply.startswith(b"421")
    assert await peer.rest() == b""
    (event,) = bench.events.of(events.CLIENT_DROPPED)
    assert event["reason"] == "a session longer than the time limit"


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_the_end_of_a_session_waits_for_its_message(
    serve: Serve, clock: Clock, engine: str
) -> None:
    """A transaction that has begun is not cut: it has a limit of its own."""
    bench = await serve(engine=engine, limits=Limits(session_time=60))
    peer = await bench.data()

    for _ in ("it is seen first", "its time is over"):
        await clock.move_on(60)
    await bench.events.wait_for(events.CLIENT_DROPPED)
    replies = await peer.say("x\r\n.") + await peer.rest()

    assert [line[:3] for line in replies.splitlines()] == [b"250", b"421"]
    assert await bench.kept() == [b"x\r\n"]


async def test_a_lookup_that_hangs_does_not_hold_the_banner(serve: Serve) -> None:
    """The banner comes after limits.reverse_lookup at the latest, with the address as the name."""

    async def lookup(host: str | None, seconds: float) -> str | None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return None
        return host

    bench = await serve(
        ims=Ims(disable_reverse_resolve=False), limits=Limits(reverse_lookup=SHORT), lookup=lookup
    )
    peer = await bench.greeted()

    assert (await peer.say("EHLO c")).startswith(b"250-exchange Hello [127.0.0.1]\r\n")


@pytest.mark.parametrize(
    ("host", "seconds"), [(None, 1.0), ("no address", 1.0), ("127.0.0.1", 1e-9)]
)
async def test_a_name_that_is_not_found_is_none(host: str | None, seconds: float) -> None:
    """No host, a bad one, or no time give no name, and no error."""
    assert await reverse_name(host, seconds) is None
