"""limits.in_flight: what all messages on their way may hold in memory together, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.config.model import Limits

if TYPE_CHECKING:
    from bindpost.server.smtp.budget import Budget, Receiver
    from tests.wire.conftest import Serve

pytestmark = pytest.mark.parametrize("engine", ["fast", "stock"])
MIB = 1 << 20
ONE_READ = 256 * 1024
"""Bytes that a session may have got before it is told to receive nothing."""


def _watch(budget: Budget, monkeypatch: pytest.MonkeyPatch, see: Callable[[], None]) -> None:
    """Look after each time that a session tells what it holds."""
    take = budget.take

    def watched(session: Receiver, size: int) -> None:
        take(session, size)
        see()

    monkeypatch.setattr(budget, "take", watched)


@pytest.mark.parametrize("kind", ["DATA", "BDAT"])
async def test_messages_in_flight_are_bounded(
    serve: Serve, engine: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Above the budget clients are held in the network, and all their messages come through."""
    limits = Limits(in_flight=MIB, message_size=8 * MIB)
    bench = await serve(engine=engine, personality="plain", limits=limits)
    budget, sizes = bench.sessions.in_flight, list[int]()
    _watch(budget, monkeypatch, lambda: sizes.append(budget.size))
    body = (b"x" * 998 + b"\r\n") * 2000
    peers = [await (bench.data() if kind == "DATA" else bench.rcpt()) for _ in range(8)]

    for peer in peers:
        if kind == "DATA":
            peer.send(body + b".\r\n")
        else:
            peer.send(b"BDAT %d LAST\r\n" % len(body) + body)
    replies = await asyncio.gather(*(peer.reply() for peer in peers))

    assert {reply[:3] for reply in replies} == {b"250"}
    assert await bench.kept() == [body] * 8
    # Of the stock engine each session's stream may have read before the session is told to wait.
    reads = 1 if engine == "fast" else len(peers)
    assert MIB < max(sizes) <= MIB + len(body) + reads * ONE_READ + 2
    assert (budget.size, budget.is_full) == (0, False)


async def test_small_lines_count_as_well(
    serve: Serve, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many messages, none of them small for the budget, whose ends do not come."""
    bench = await serve(engine=engine, limits=Limits(in_flight=64 * 1024))
    budget, full = bench.sessions.in_flight, asyncio.Event()
    _watch(budget, monkeypatch, lambda: full.set() if budget.is_full else None)

    peers = [await bench.data() for _ in range(20)]
    for peer in peers:
        peer.send(b"x\r\n" * 3000)
    await full.wait()
    size = budget.size
    for peer in peers:
        peer.send(b".\r\n")
    replies = [await peer.reply() for peer in peers]

    assert size <= 64 * 1024 + ONE_READ
    assert {reply[:3] for reply in replies} == {b"250"}


async def test_large_messages_that_stop_hold_up_no_small_one(
    serve: Serve, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three clients that stop in the middle use the budget up, and mail goes on being taken."""
    bench = await serve(engine=engine, limits=Limits(in_flight=MIB))
    budget, full = bench.sessions.in_flight, asyncio.Event()
    _watch(budget, monkeypatch, lambda: full.set() if budget.is_full else None)
    for _ in range(3):
        await (await bench.data()).flood(b"x" * 65536, 8)
    await full.wait()

    honest = await bench.data()
    reply = await honest.say(b"small\r\n.")

    assert reply.startswith(b"250")
    assert budget.is_full


async def test_who_is_held_may_be_silent(serve: Serve, engine: str) -> None:
    """A client that was told to wait is not dropped meanwhile, and has its time again."""
    limits = Limits(in_flight=10, data_timeout=0.1)
    bench = await serve(engine=engine, limits=limits)
    first, second = await bench.data(), await bench.data()
    first.send(b"longer than the budget".ljust(5000, b"x"))
    second.send(b"held up".ljust(5000, b"x") + b"\r\n.\r\n")

    await bench.events.wait_for(events.BODY_TIMEOUT)
    assert (await second.reply()).startswith(b"250")

    assert len(bench.events.of(events.BODY_TIMEOUT)) == 1


async def test_the_first_one_that_goes_away_lets_the_others_go_on(
    serve: Serve, engine: str
) -> None:
    """What it held is free again."""
    bench = await serve(engine=engine, limits=Limits(in_flight=10))
    first, second = await bench.data(), await bench.data()
    first.send(b"longer than the budget".ljust(5000, b"x"))
    second.send(b"held up".ljust(5000, b"x") + b"\r\n.\r\n")

    first.reset()

    assert (await second.reply()).startswith(b"250")
    assert bench.sessions.in_flight.size == 0


@pytest.mark.parametrize("end", ["RSET", "EHLO c", "MAIL FROM:<a@b>\r\nQUIT", "gone"])
async def test_chunks_are_in_flight_until_something_has_come_of_them(
    serve: Serve, engine: str, end: str
) -> None:
    """They count between their commands, and no longer than the transaction lasts."""
    bench = await serve(engine=engine, personality="plain")
    budget = bench.sessions.in_flight
    peer = await bench.rcpt()
    await peer.say(b"BDAT 1000\r\n" + b"x" * 998)
    await peer.say(b"BDAT 500\r\n" + b"x" * 498)
    assert budget.size == 1500

    if end == "gone":
        peer.close()
        await bench.sessions.wait_for(0)
    else:
        await peer.say(end)
        if end.endswith("QUIT"):
            await peer.rest()
            await bench.sessions.wait_for(0)

    assert budget.size == 0
