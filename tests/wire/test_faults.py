"""Faults on purpose in a session: each stage and action, alike on both engines."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost.config.fault import Action, Fault, Stage, When
from bindpost.config.model import Limits
from bindpost.events import CLIENT_DROPPED, FAULT_FIRED

from .conftest import PATIENCE, Bench, Clock, Events, Peer, Serve

Start = Callable[..., Awaitable[Bench]]


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service with faults, on either engine."""

    async def start_one(*faults: Fault, **settings: Any) -> Bench:
        named = {"engine": request.param, "personality": "plain"} | settings
        return await serve(fault=faults, **named)

    return start_one


def fault(stage: Stage, action: Action, **more: Any) -> Fault:
    """Make a rule whose name is its action."""
    return Fault(name=action, stage=stage, action=action, **more)


async def is_reset(peer: Peer) -> bool:
    """Tell whether the server ends with RST; with FIN otherwise."""
    async with asyncio.timeout(PATIENCE):
        try:
            while await peer.reader.read(1 << 16):
                pass
        except ConnectionResetError:
            return True
    return False


def login(name: str) -> str:
    """Give an AUTH command of this name."""
    secret = base64.b64encode(f"\0{name}\0secret".encode()).decode()
    return f"AUTH PLAIN {secret}"


STEPS: list[tuple[Stage, str]] = [
    ("EHLO", "EHLO client"),
    ("MAIL", "MAIL FROM:<a@b>"),
    ("RCPT", "RCPT TO:<c@d>"),
    ("DATA", "DATA"),
    ("end-of-data", "Subject: x\r\n\r\nbody\r\n."),
    ("RSET", "RSET"),
    ("AUTH", login("ann")),
    ("QUIT", "QUIT"),
]


async def up_to(bench: Bench, stage: Stage) -> tuple[Peer, str]:
    """Go through a session up to a stage; gives the client, and what it says next."""
    peer = await bench.greeted()
    for step, command in STEPS:
        if step == stage:
            return peer, command
        await peer.say(command)
    raise AssertionError(stage)


COMMANDS: list[Stage] = [step for step, _ in STEPS]


@pytest.mark.parametrize("stage", COMMANDS)
async def test_a_reply_is_said_in_place_of_the_servers_own(start: Start, stage: Stage) -> None:
    """The command isn't carried out, and a second try meets with no fault."""
    words = {"code": 450, "enhanced": "4.7.1", "text": "Not now\nBut later"}
    bench = await start(fault(stage, "reply", count=1, **words))
    peer, command = await up_to(bench, stage)

    assert await peer.say(command) == b"450-4.7.1 Not now\r\n450 4.7.1 But later\r\n"

    if stage == "end-of-data":
        assert await bench.kept() == []
    else:
        assert (await peer.say(command))[:1] in b"23"


@pytest.mark.parametrize("stage", COMMANDS)
async def test_a_connection_is_dropped_or_reset(start: Start, stage: Stage) -> None:
    """It ends with FIN or with RST, without a word, and nothing is kept of an open message."""
    bench = await start(fault(stage, "drop", count=1), fault(stage, "reset"))
    for expected in (False, True):
        peer, command = await up_to(bench, stage)
        peer.send(command.encode() + b"\r\n")
        assert await is_reset(peer) is expected
        peer.close()
    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("stage", ["accept", "MAIL", "in-data"])
async def test_a_client_that_still_sends_is_dropped_with_fin(start: Start, stage: Stage) -> None:
    """A connection that is closed while something waits to be taken is reset by the system."""
    bench = await start(fault(stage, "drop"))
    peer = await bench.connected()

    peer.send(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + b"x" * 500_000)

    assert not await is_reset(peer)
    peer.close()
    await bench.sessions.wait_for(0)


async def test_who_does_not_go_is_dropped_all_the_same(start: Start) -> None:
    """After a while, and no longer than a client may be silent."""
    bench = await start(fault("EHLO", "drop"), limits=Limits(command_timeout=0.05))
    peer = await bench.greeted()

    assert await peer.say("EHLO c") == b""

    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("stage", COMMANDS)
async def test_a_reply_comes_late_in_pieces_twice_or_not_at_all(start: Start, stage: Stage) -> None:
    """The command is carried out all the same; what comes is what there would have been."""
    plain = await start()
    peer, command = await up_to(plain, stage)
    usual = (await peer.say(command)).partition(b" ")[0]
    bench = await start(
        fault(stage, "swallow", nth=5),
        fault(stage, "garble", nth=4),
        fault(stage, "double", nth=3),
        fault(stage, "split", nth=2, bytes=2, seconds=0.01),
        fault(stage, "slow", nth=1, bytes=7, seconds=0.001),
        fault(stage, "delay", seconds=0.01),
    )

    for _ in ("slow", "split"):
        peer, command = await up_to(bench, stage)
        assert (await peer.say(command)).partition(b" ")[0] == usual
    peer, command = await up_to(bench, stage)
    once = await peer.say(command)
    assert (await peer.reply()).partition(b" ")[0] == once.partition(b" ")[0] == usual
    peer, command = await up_to(bench, stage)
    peer.send(command.encode() + b"\r\n")
    async with asyncio.timeout(PATIENCE):
        garbled = await peer.reader.readline()
    assert bytes(octet ^ 0x80 for octet in garbled[:3]) == usual[:3]
    peer, command = await up_to(bench, stage)
    peer.send(command.encode() + b"\r\n")
    if stage == "QUIT":
        assert await peer.rest() == b""
    elif stage == "DATA":
        assert (await peer.say("body\r\n.")).startswith(b"250 ")
    else:
        assert (await peer.say("NOOP")).startswith(b"250 ")
    assert [firing.action for firing in bench.faults.log() if firing.action != "delay"] == [
        *("slow", "split", "double", "garble", "swallow")
    ]


@pytest.mark.parametrize("action", ["stall", "half-close"])
@pytest.mark.parametrize("stage", ["accept", "RCPT", "end-of-data"])
async def test_a_stalled_session_ends_when_the_client_goes(
    start: Start, stage: Stage, action: Action
) -> None:
    """Until then it says nothing; of a half-closed one the client sees the end at once."""
    bench = await start(fault(stage, action))
    if stage == "accept":
        peer = await bench.connected()
    else:
        peer, command = await up_to(bench, stage)
        peer.send(command.encode() + b"\r\n")
    if action == "half-close":
        assert await peer.rest() == b""
    await bench.events.wait_for(FAULT_FIRED)
    assert len(bench.sessions) == 1

    peer.half_close()

    assert await peer.rest() == b""
    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("leaving", ["close", "reset"])
@pytest.mark.parametrize(
    ("stage", "action", "tls"),
    [("accept", "stall", False), ("in-data", "half-close", False), ("in-data", "stall", True)],
)
async def test_a_client_that_goes_is_missed_whatever_it_has_sent(
    start: Start,
    client_tls: ssl.SSLContext,
    stage: Stage,
    action: Action,
    tls: bool,
    leaving: str,
) -> None:
    """More than a session reads ahead stands between a stalled one and its client's end."""
    bench = await start(fault(stage, action), listener_tls="implicit" if tls else "auto")
    peer = await bench.connected(tls=client_tls if tls else None)

    peer.send(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + b"x" * 500_000)
    await bench.events.wait_for(FAULT_FIRED)
    {"close": peer.close, "reset": peer.reset}[leaving]()

    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("action", ["stall", "half-close"])
async def test_a_transaction_that_stalls_too_long_just_ends(start: Start, action: Action) -> None:
    """To a session that says nothing more, or can't, there is no goodbye."""
    bench = await start(fault("RCPT", action), limits=Limits(transaction_time=0.05))
    peer = await bench.mail()
    peer.send(b"RCPT TO:<c@d>\r\n")

    event = await bench.events.wait_for(CLIENT_DROPPED)

    assert event["reason"] == "a transaction longer than the time limit"
    assert await peer.rest() == b""
    await bench.sessions.wait_for(0)


async def test_a_stall_ends_by_its_own_time(start: Start) -> None:
    """After its seconds the connection is closed."""
    bench = await start(fault("EHLO", "stall", seconds=0.01))
    peer, command = await up_to(bench, "EHLO")
    peer.send(command.encode() + b"\r\n")

    assert await peer.rest() == b""


async def test_a_pause_is_longer_than_the_clients_time(start: Start, clock: Clock) -> None:
    """While the server waits it isn't the client that is silent."""
    limits = Limits(command_timeout=60)
    bench = await start(fault("EHLO", "delay", seconds=120), limits=limits)
    peer = await bench.greeted()
    peer.send(b"EHLO client\r\nQUIT\r\n")
    await bench.events.wait_for(FAULT_FIRED)
    for _ in range(2):
        await clock.move_on(61)

    assert (await peer.rest()).endswith(b"221 2.0.0 Bye\r\n")


@pytest.mark.parametrize(
    ("action", "code", "first"),
    [("reply", 554, b"554 Fault on purpose\r\n"), ("drop", 0, b""), ("stall", 0, b"")],
)
async def test_a_connection_is_not_accepted(
    start: Start, action: Action, code: int, first: bytes
) -> None:
    """It is refused with words, closed, or left without any."""
    bench = await start(fault("accept", action, code=code, seconds=0.01))

    assert await (await bench.connected()).rest() == first


async def test_the_banner_is_another(start: Start) -> None:
    """A positive code changes the words, and the session goes on; a negative one ends it."""
    bench = await start(fault("banner", "reply", nth=1, code=220, text="*" * 20))
    peer = await bench.connected()
    assert await peer.reply() == b"220 " + b"*" * 20 + b"\r\n"
    assert (await peer.say("EHLO client")).startswith(b"250")

    bench.faults.add(Fault(stage="banner", action="reply", code=554))
    assert await (await bench.connected()).rest() == b"554 Fault on purpose\r\n"


async def test_421_closes_the_connection(start: Start) -> None:
    """As RFC 5321, 3.8 has it."""
    bench = await start(fault("RCPT", "reply", code=421))
    peer, command = await up_to(bench, "RCPT")
    peer.send(command.encode() + b"\r\n")

    assert await peer.rest() == b"421 Fault on purpose\r\n"


async def test_a_keyword_is_hidden_and_another_invented(start: Start) -> None:
    """The others stay, in their order."""
    bench = await start(
        fault("EHLO", "hide", keyword="size"), fault("EHLO", "invent", keyword="XMAGIC 1 2")
    )
    peer = await bench.greeted()
    reply = (await peer.say("EHLO client")).split(b"\r\n")

    assert not [line for line in reply if line[4:].startswith(b"SIZE")]
    assert b"250-PIPELINING" in reply
    assert reply[-2] == b"250 XMAGIC 1 2"


async def test_a_client_is_struck_by_the_name_that_it_gives(start: Start) -> None:
    """At HELO and EHLO it is the name of that very command, not the one before."""
    bench = await start(
        fault("EHLO", "reply", when=When(helo="bad.*")),
        Fault(name="old", stage="HELO", action="reply", code=550, when=When(helo="bad.*")),
    )
    peer = await bench.greeted()

    assert (await peer.say("EHLO bad.test")).startswith(b"451 ")
    assert (await peer.say("EHLO good.test")).startswith(b"250")
    assert (await peer.say("HELO bad.test")).startswith(b"550 ")
    assert (await peer.say("HELO good.test")).startswith(b"250 ")


async def test_a_message_is_cut_off_while_it_comes(start: Start) -> None:
    """After so many octets; what came is not kept."""
    bench = await start(fault("in-data", "drop", bytes=100, nth=1))
    peer = await bench.data()
    peer.send(b"x" * 50 + b"\r\n" + b"y" * 60 + b"\r\nmore\r\n")

    assert await peer.rest() == b""
    assert await bench.kept() == []


async def test_a_message_is_taken_slowly(start: Start) -> None:
    """It is kept as it came."""
    bench = await start(
        fault("in-data", "slow", bytes=10_000, seconds=0.01),
        fault("in-data", "delay", seconds=0.01),
    )
    peer = await bench.data()

    assert (await peer.say(b".. dot\r\n" + b"z" * 200_000 + b"\r\n.")).startswith(b"250 ")
    assert await bench.kept() == [b". dot\r\n" + b"z" * 200_000 + b"\r\n"]


@pytest.mark.parametrize("by", ["DATA\r\n%s\r\n.", "BDAT 9 LAST\r\n%s"])
async def test_a_message_that_is_too_short_does_not_count(start: Start, by: str) -> None:
    """What strikes after so many octets has not fired before they have come."""
    bench = await start(fault("in-data", "drop", bytes=100, count=1))
    peer = await bench.rcpt()
    await peer.say(by % "123456789")
    await peer.say("NOOP")
    assert bench.faults.log() == []
    await peer.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>")
    bench.faults.add(fault("in-data", "delay", bytes=50, seconds=0.001))

    peer.send(b"DATA\r\n" + b"x" * 200 + b"\r\n.\r\n")
    await peer.rest()

    assert [one.action for one in bench.faults.log()] == ["delay", "drop"]
    peer.close()


async def test_a_rule_that_has_gone_does_not_strike_a_message_on_its_way(start: Start) -> None:
    """Though it was in force when the message began."""
    bench = await start(fault("in-data", "drop", bytes=100))
    peer = await bench.data()

    bench.faults.clear()

    assert (await peer.say("x" * 200 + "\r\n.")).startswith(b"250 ")
    assert bench.faults.log() == []


async def test_what_was_accepted_is_lost(start: Start) -> None:
    """It is answered with 250, and is nowhere."""
    bench = await start(fault("after-acceptance", "lose", when=When(recipient="c@d")))
    peer = await bench.data()

    assert (await peer.say("body\r\n.")).startswith(b"250 ")
    assert await bench.kept() == []


async def test_what_was_accepted_is_kept_twice_and_corrupted(start: Start) -> None:
    """Both copies have the same damage; the header and the line ends stay."""
    body = b"0123456789" * 60
    bench = await start(
        fault("after-acceptance", "corrupt", seed=4), fault("after-acceptance", "duplicate")
    )
    peer = await bench.data()

    assert (await peer.say(b"Subject: x\r\n\r\n" + body + b"\r\n.")).startswith(b"250 ")

    first, second = await bench.kept()
    assert first == second
    assert first.startswith(b"Subject: x\r\n\r\n")
    assert first.endswith(b"\r\n")
    changed = sum(a != b for a, b in zip(first[14:-2], body, strict=True))
    assert changed == 7


async def test_a_message_bounces_later(start: Start) -> None:
    """Its sender gets a notification (RFC 3464) from the null sender."""
    words = {"code": 552, "enhanced": "5.2.2", "text": "Mailbox full"}
    bench = await start(fault("after-acceptance", "bounce", **words))
    peer = await bench.rcpt()
    await peer.say("RSET")
    await peer.say("MAIL FROM:<a@b> RET=HDRS")
    await peer.say("RCPT TO:<c@d> ORCPT=rfc822;C@D")
    await peer.say("RCPT TO:<never@d> NOTIFY=NEVER")
    await peer.say("DATA")
    await peer.say("Subject: x\r\n\r\nsecret\r\n.")
    changes = bench.store.changes(0)
    async with asyncio.timeout(PATIENCE):
        rows = [change.row for change in [await anext(changes), await anext(changes)]]

    bounce = rows[1]
    assert bounce is not None
    assert (bounce.envelope.reverse_path, bounce.envelope.recipients[0].address) == ("", "a@b")
    raw = await bench.store.raw(bounce.id) or b""
    assert b"Content-Type: message/delivery-status" in raw
    assert b"Original-Recipient: rfc822;C@D\r\nFinal-Recipient: rfc822; c@d\r\n" in raw
    assert b"Action: failed\r\nStatus: 5.2.2\r\n" in raw
    assert b"Diagnostic-Code: smtp; 552 5.2.2 Mailbox full\r\n" in raw
    assert b"Subject: x\r\n" in raw
    assert b"secret" not in raw
    assert b"never@d" not in raw


async def test_an_idle_client_is_told_to_go(start: Start) -> None:
    """After its seconds of silence, and only then; the sooner rule strikes first."""
    bench = await start(
        fault("idle", "reset", seconds=30.0),
        fault("idle", "reply", seconds=0.05, text="Too long", when=When(helo="client")),
    )
    peer = await bench.ehlo()

    assert await peer.rest() == b"421 Too long\r\n"


async def test_a_silence_is_met_once_by_each_rule(start: Start) -> None:
    """A rule that has let it pass is not asked again when the next one is."""
    bench = await start(
        fault("idle", "drop", seconds=0.01, nth=2),
        fault("idle", "reply", seconds=0.02, text="Too long"),
    )
    peer = await bench.greeted()

    assert await peer.rest() == b"421 Too long\r\n"


async def test_a_fault_is_told_of_in_transcript_event_and_message(
    start: Start, events: Events
) -> None:
    """Whoever looks at the message sees which faults have struck on its way."""
    bench = await start(fault("RCPT", "delay", seconds=0.01, count=1))
    peer = await bench.data()
    await peer.say("body\r\n.")

    (row,) = await bench.rows()
    assert row.session.faults == ("delay: delay 0.01 s at RCPT",)
    assert ("-", "fault delay: delay 0.01 s at RCPT") in await bench.transcript(row)
    (told,) = events.of(FAULT_FIRED)
    assert (told["fault"], told["action"]) == ("delay", "delay 0.01 s at RCPT")


async def test_a_fault_strikes_only_its_recipient(start: Start) -> None:
    """Another session at the same time, and another recipient in the same one, meet with none."""
    bench = await start(fault("RCPT", "reply", when=When(recipient="*@faulty.test"), code=550))
    first, second = await bench.mail(), await bench.mail()

    assert (await first.say("RCPT TO:<a@faulty.test>")).startswith(b"550 ")
    assert (await second.say("RCPT TO:<a@fine.test>")).startswith(b"250 ")
    assert (await first.say("RCPT TO:<a@fine.test>")).startswith(b"250 ")


async def test_rules_come_and_go_while_a_session_lives(start: Start) -> None:
    """A session begun without rules meets with one that is added, and no more when it is gone."""
    bench = await start()
    peer = await bench.mail()
    bench.faults.add(fault("RCPT", "reply"))
    assert (await peer.say("RCPT TO:<c@d>")).startswith(b"451 ")
    bench.faults.remove("reply")

    assert (await peer.say("RCPT TO:<c@d>")).startswith(b"250 ")
    assert (await peer.say("DATA")).startswith(b"354 ")
    assert (await peer.say("body\r\n.")).startswith(b"250 ")


async def test_what_is_no_command_meets_with_no_fault(start: Start) -> None:
    """Bytes that are no text, and RCPT without MAIL, are answered as ever, and nothing fires."""
    bench = await start(fault("MAIL", "reply"), fault("RCPT", "drop"))
    peer = await bench.ehlo()

    assert (await peer.say(b"MAIL FROM:<\xff@b>")).startswith(b"5")
    assert (await peer.say("RCPT TO:<c@d>")).startswith(b"503 ")
    assert bench.faults.log() == []


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ("", "MAIL FROM:<a@b>"),
        ("EHLO c\r\n", "RCPT TO:<c@d>"),
        ("EHLO c\r\nMAIL FROM:<a@b>\r\n", "DATA"),
        ("EHLO c\r\nMAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>"),
        ("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nx", "RCPT TO:<c@d>"),
        ("EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nx", "DATA"),
    ],
)
async def test_what_is_out_of_turn_meets_with_no_fault(
    start: Start, before: str, command: str
) -> None:
    """It is 503 as ever, and nothing fires."""
    bench = await start()
    peer = await bench.greeted()
    peer.send(before.encode())
    for _ in range(before.count("\r\n")):
        await peer.reply()
    for stage in ("MAIL", "RCPT", "DATA"):
        bench.faults.add(Fault(stage=stage, action="reply", code=599))

    assert (await peer.say(command)).startswith(b"503 ")
    assert bench.faults.log() == []


async def test_a_login_is_refused_by_its_name(start: Start) -> None:
    """Others get in; who is refused is not logged in."""
    bench = await start(fault("AUTH", "reply", code=535, when=When(login="ann")))
    peer = await bench.ehlo()

    assert await peer.say(login("ann")) == b"535 Fault on purpose\r\n"
    assert (await peer.say(login("bob"))).startswith(b"235 ")


async def test_pipelined_commands_keep_their_order(start: Start) -> None:
    """A delay in the middle delays what stands behind it, and changes nothing else."""
    bench = await start(fault("RCPT", "delay", seconds=0.02), fault("RCPT", "reply", every=2))
    peer = await bench.ehlo()
    peer.send(b"MAIL FROM:<a@b>\r\n" + b"RCPT TO:<c@d>\r\n" * 4 + b"DATA\r\nbody\r\n.\r\nQUIT\r\n")

    codes = [line[:3] for line in (await peer.rest()).splitlines()]
    assert codes == [b"250", b"250", b"451", b"250", b"451", b"354", b"250", b"221"]
