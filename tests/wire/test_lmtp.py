"""LMTP: a message that is kept once, answered for each recipient, whatever strikes some of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost.config.fault import Fault, When
from bindpost.errors import ConfigError, StoreError
from bindpost.events import MESSAGE_RECEIVED

from .conftest import Bench, FailingStore, Peer, Serve

LMTP = {"protocol": "lmtp"}
RECIPIENTS = ["ann@test", "bob@test", "cid@test"]
Start = Callable[..., Awaitable[Bench]]


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service that speaks LMTP, on either engine."""

    async def start_one(*faults: Fault, **more: Any) -> Bench:
        return await serve(
            fault=faults, engine=request.param, personality="plain", listener=LMTP, **more
        )

    return start_one


async def in_data(bench: Bench, *recipients: str) -> Peer:
    """Go through a session up to DATA."""
    peer = await bench.greeted()
    assert (await peer.say("LHLO client")).startswith(b"250")
    for command in ("MAIL FROM:<a@b>", *(f"RCPT TO:<{one}>" for one in recipients)):
        assert (await peer.say(command)).startswith(b"250 ")
    assert (await peer.say("DATA")).startswith(b"354 ")
    return peer


async def answers(peer: Peer, number: int = len(RECIPIENTS)) -> list[str]:
    """Send a message, and give the codes of its answers."""
    peer.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
    return [(await peer.reply())[:3].decode() for _ in range(number)]


async def kept_for(bench: Bench) -> list[list[str]]:
    """Give the recipients of each message that is kept."""
    return [[one.address for one in row.envelope.recipients] for row in await bench.rows()]


def refusal(name: str, recipient: str, code: int = 552) -> Fault:
    """Make a rule that refuses messages to a recipient."""
    when = When(recipient=recipient)
    return Fault(name=name, stage="end-of-data", action="reply", code=code, when=when)


async def test_a_message_is_kept_once_and_answered_for_each(start: Start) -> None:
    """One message, one event, as many answers as recipients; its facts say that it was LMTP."""
    bench = await start()
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer) == ["250", "250", "250"]
    assert (await peer.say("NOOP")).startswith(b"250 ")
    assert await kept_for(bench) == [RECIPIENTS]
    (row,) = await bench.rows()
    assert row.session.lmtp
    assert row.session.esmtp
    (event,) = await bench.events.wait_for_all(MESSAGE_RECEIVED, 1)
    assert event["recipients"] == 3


async def test_a_fault_strikes_one_recipient(start: Start) -> None:
    """The others get the message; the transcript has all answers in the order of RCPT."""
    bench = await start(refusal("full", "bob@test"))
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer) == ["250", "552", "250"]
    assert await kept_for(bench) == [["ann@test", "cid@test"]]
    (firing,) = bench.faults.log()
    assert firing.recipients == ("bob@test",)


async def test_a_fault_that_names_nobody_strikes_each(start: Start) -> None:
    """And is counted for each."""
    bench = await start(Fault(name="busy", stage="end-of-data", action="reply", count=2))
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer) == ["451", "451", "250"]
    assert await kept_for(bench) == [["cid@test"]]


async def test_a_message_that_nobody_is_to_have_is_not_kept(start: Start) -> None:
    """It counts as one message that was rejected, and the session goes on."""
    bench = await start(refusal("all", "*@test"))
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer) == ["552", "552", "552"]
    assert (await peer.say("NOOP")).startswith(b"250 ")
    assert await bench.rows() == []
    assert bench.sessions.activity.rejected == 1


@pytest.mark.parametrize("action", ["drop", "reply"])
async def test_where_the_session_ends_nobody_behind_has_the_message(
    start: Start, action: Any
) -> None:
    """The client tries again for those whom it has no answer for: they must not have it twice."""
    when = When(recipient="bob@test")
    bench = await start(Fault(name="end", stage="end-of-data", action=action, code=421, when=when))
    peer = await in_data(bench, *RECIPIENTS)

    peer.send(b"x\r\n.\r\n")
    rest = await peer.rest()

    assert [line[:3] for line in rest.splitlines()] == [b"250", *([b"421"] * (action == "reply"))]
    assert await kept_for(bench) == [["ann@test"]]


async def test_a_swallowed_answer_counts_as_one(start: Start) -> None:
    """The next command is answered after it, and the message is kept for all."""
    when = When(recipient="bob@test")
    bench = await start(Fault(name="lost", stage="end-of-data", action="swallow", when=when))
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer, 2) == ["250", "250"]
    assert (await peer.say("QUIT")).startswith(b"221 ")
    assert await kept_for(bench) == [RECIPIENTS]


async def test_a_store_that_fails_is_told_to_each(
    start: Start, failing_store: FailingStore
) -> None:
    """It is asked once."""
    failing_store.failure = StoreError("broken")
    bench = await start(store=failing_store)
    peer = await in_data(bench, *RECIPIENTS)

    assert await answers(peer) == ["451", "451", "451"]
    assert bench.sessions.activity.rejected == 1


async def test_the_end_of_the_service_waits_for_all_answers(start: Start) -> None:
    """A session in DATA gets each of them before 421."""
    bench = await start()
    peer = await in_data(bench, *RECIPIENTS)
    draining = asyncio.create_task(bench.sessions.drain(60.0))
    await asyncio.sleep(0)

    assert await answers(peer) == ["250", "250", "250"]
    assert (await peer.rest()).startswith(b"421 ")
    await draining


async def test_a_fault_at_ehlo_strikes_lhlo(start: Start) -> None:
    """But not the EHLO that LMTP doesn't know."""
    bench = await start(Fault(name="no", stage="EHLO", action="reply", code=451))
    peer = await bench.greeted()

    assert (await peer.say("EHLO client")).startswith(b"500 ")
    assert (await peer.say("LHLO client")).startswith(b"451 ")


async def test_pipelined_messages_are_answered_in_order(start: Start) -> None:
    """Two transactions in one write, the second refused to one recipient."""
    bench = await start(refusal("full", "bob@test"))
    peer = await bench.greeted()
    await peer.say("LHLO client")
    start_of = b"MAIL FROM:<a@b>\r\n"
    peer.send(start_of + b"RCPT TO:<ann@test>\r\nDATA\r\n1\r\n.\r\n")
    peer.send(start_of + b"RCPT TO:<ann@test>\r\nRCPT TO:<bob@test>\r\nDATA\r\n2\r\n.\r\nQUIT\r\n")

    rest = await peer.rest()

    codes = " ".join(line[:3].decode() for line in rest.splitlines())
    assert codes == "250 250 354 250 250 250 250 354 250 552 221"
    assert await kept_for(bench) == [["ann@test"], ["ann@test"]]


@pytest.mark.parametrize("personality", ["ims-5.5", "ims-5.0", "imc-4.0"])
async def test_ims_speaks_no_lmtp(serve: Serve, personality: str) -> None:
    """The error names the setting, the personality and what to do."""
    with pytest.raises(ConfigError, match="speaks no LMTP") as caught:
        await serve(personality=personality, listener=LMTP)

    assert caught.value.key == "listener.protocol"
    assert personality in caught.value.problem
    assert "plain" in caught.value.hint


async def test_a_message_is_looked_into_once_for_all_its_recipients(start: Start) -> None:
    """A condition on it takes milliseconds, and recipients may be tens of thousands."""
    odd = When(header="X-Odd: yes")
    bench = await start(Fault(stage="end-of-data", action="reply", when=odd))
    peer = await in_data(bench, *(f"{number}@d" for number in range(400)))
    began = time.process_time()

    peer.send(b"".join(b"X-%d: y\r\n" % number for number in range(6000)) + b"\r\n.\r\n")

    assert {(await peer.reply())[:3] for _ in range(400)} == {b"250"}
    assert time.process_time() - began < 2
