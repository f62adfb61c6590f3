"""Limits of sessions, and lists of hosts: who is refused is told so, the next one is welcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.config.model import Ims, Limits

if TYPE_CHECKING:
    from bindpost.events import EventType
    from tests.wire.conftest import Clock, Serve

PERSONALITIES = ["ims-5.5", "plain"]


@pytest.fixture(params=["fast", "stock"])
def engine(request: pytest.FixtureRequest) -> str:
    """Give each engine."""
    return str(request.param)


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    "settings", [{"limits": Limits(sessions=2)}, {"ims": Ims(max_inbound_connections=2)}]
)
async def test_above_the_limit_is_no_room(
    serve: Serve, engine: str, personality: str, settings: dict[str, Any]
) -> None:
    """The session above a limit gets 421 in place of the banner, until one has left."""
    bench = await serve(engine=engine, personality=personality, **settings)
    first, second = await bench.ehlo(), await bench.ehlo()

    third = await bench.connected()
    refusal = await third.rest()
    await bench.sessions.wait_for(2)
    assert (await first.say("QUIT")).startswith(b"221")
    await bench.sessions.wait_for(1)
    fourth = await bench.ehlo()

    assert refusal.startswith(b"421 ")
    assert refusal.count(b"\r\n") == 1
    assert [event["reason"] for event in bench.events.of(events.SESSION_REFUSED)] == [
        "too many sessions"
    ]
    for peer in (second, fourth):
        assert (await peer.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize(
    "settings", [{"limits": Limits(sessions=5)}, {"ims": Ims(max_inbound_connections=5)}]
)
async def test_of_a_crowd_as_many_get_in_as_there_is_room_for(
    serve: Serve, settings: dict[str, Any]
) -> None:
    """Those who come in the same moment are counted one by one."""
    bench = await serve(**settings)
    peers = await asyncio.gather(*(bench.connected() for _ in range(50)))

    greetings = [(await peer.reply())[:3] for peer in peers]

    assert greetings.count(b"220") == 5
    assert greetings.count(b"421") == 45


async def test_without_a_limit_there_is_none(serve: Serve) -> None:
    """MaxInboundConnections 0 is no limit (KB Q156063)."""
    bench = await serve(ims=Ims(max_inbound_connections=0))

    peers = [await bench.greeted(pair=True) for _ in range(100)]

    assert len(peers) == len(bench.sessions) == 100


@pytest.mark.parametrize(("personality", "code"), [("ims-5.5", b"521"), ("plain", b"554")])
async def test_a_rejected_host_gets_no_banner(serve: Serve, personality: str, code: bytes) -> None:
    """A host on the reject list is told so and closed (KB Q155920); commands are not heard."""
    bench = await serve(personality=personality, ims=Ims(reject_hosts=("127.0.0.0;255.0.0.0",)))
    wire = bench.wire()

    await wire.feed(b"EHLO c\r\nMAIL FROM:<a@b>\r\n")
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)

    assert [reply[:3] for reply in wire.replies] == [code]
    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert (event["reason"], event["peer"]) == ("reject list", "127.0.0.1")


async def test_a_socket_without_an_address_is_served(serve: Serve) -> None:
    """A Unix socket's client is on no list, and its address is not known."""
    bench = await serve(ims=Ims(reject_hosts=("0.0.0.0;0.0.0.0", "::;::")))
    peer = await bench.data(pair=True)
    await peer.say("x\r\n.")

    (row,) = await bench.rows()

    assert row.session.peer is None


async def test_relaying_is_refused_with_its_event(serve: Serve) -> None:
    """550 comes with event 4188, which names recipient and client (KB Q193922)."""
    bench = await serve(ims=Ims(relay_flags=2, local_domains=("local.test",)))
    peer = await bench.mail()

    assert await peer.say("RCPT TO:<x@far.test>") == b"550 Relaying is prohibited\r\n"
    assert (await peer.say("RCPT TO:<x@local.test>")).startswith(b"250")

    (event,) = bench.events.of(events.RELAY_REFUSED)
    assert (event["recipient"], event["peer"]) == ("x@far.test", "127.0.0.1")


async def test_the_address_that_was_dialled_can_free_relaying(serve: Serve) -> None:
    """The local-IP list looks at the server's end of the connection (KB Q193922)."""
    bench = await serve(ims=Ims(relay_flags=4, relay_local_ip_list=("127.0.0.1",)))
    peer = await bench.mail()
    other = bench.wire(sockname=("192.0.2.1", 25))
    await other.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n")
    await other.wait_for_close()

    assert (await peer.say("RCPT TO:<x@far.test>")).startswith(b"250")
    assert other.replies[2].startswith(b"550")


async def test_an_address_has_its_own_limit(serve: Serve, engine: str) -> None:
    """Who has as many sessions as an address may is turned away, others are not."""
    bench = await serve(engine=engine, limits=Limits(sessions_per_address=2, exempt=()))
    first, _ = await bench.ehlo(), await bench.ehlo()

    refusal = await (await bench.connected()).rest()
    other = bench.wire(peername=("192.0.2.1", 25))
    await other.wait_for_replies(1)
    other.close()
    await bench.sessions.wait_for(2)
    assert (await first.say("QUIT")).startswith(b"221")
    await bench.sessions.wait_for(1)
    await bench.ehlo()

    assert refusal.startswith(b"421 ")
    assert other.replies[0].startswith(b"220 ")
    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert event["reason"] == "too many sessions of its address"


async def test_an_address_may_not_come_too_often(serve: Serve, engine: str) -> None:
    """However short its sessions are."""
    bench = await serve(engine=engine, limits=Limits(connections_per_minute=3, exempt=()))
    for _ in range(3):
        peer = await bench.ehlo()
        await peer.say("QUIT")
        await peer.rest()

    refusal = await (await bench.connected()).rest()

    assert refusal.startswith(b"421 ")
    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert event["reason"] == "too many connections of its address in a minute"


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"RCPT TO:<c@d>\r\n", id="out-of-sequence"),
        pytest.param(b"MAIL TO:<c@d>\r\n", id="malformed"),
        pytest.param(b"NOOP " + b"x" * 3000 + b"\r\n", id="too-long"),
        pytest.param(b"AUTH NONE\r\n", id="mechanism"),
        pytest.param(b"\r\n", id="empty"),
    ],
)
async def test_bad_commands_come_to_an_end(
    serve: Serve, engine: str, personality: str, bad: bytes
) -> None:
    """The last one is answered, then 421 ends the session; what follows is not heard."""
    bench = await serve(engine=engine, personality=personality, limits=Limits(bad_commands=3))
    wire = bench.wire()

    await wire.feed(b"EHLO c\r\n" + bad * 3 + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    await wire.wait_for_close()

    codes = [reply[:3] for reply in wire.replies]
    assert codes[:2] == [b"220", b"250"]
    assert [code[:1] for code in codes[2:5]] == [b"5"] * 3
    assert codes[5:] == [b"421"]
    (event,) = bench.events.of(events.CLIENT_DROPPED)
    assert event["reason"] == "too many bad commands"


async def test_good_commands_between_bad_ones_do_not_help(serve: Serve, engine: str) -> None:
    """They are counted for the whole session, and an open transaction ends with it."""
    bench = await serve(engine=engine, limits=Limits(bad_commands=3))
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nMAIL FROM:<a@b>\r\n" + b"RCPT x\r\nRCPT TO:<c@d>\r\n" * 3 + b"DATA\r\n"
    )
    await wire.wait_for_close()

    codes = [reply[:3] for reply in wire.replies[2:]]
    assert codes == [b"250", b"501", b"250", b"501", b"250", b"501", b"421"]


async def test_refusals_of_mail_are_no_bad_commands(serve: Serve, engine: str) -> None:
    """A test may have its recipients refused as often as it likes."""
    bench = await serve(
        engine=engine, limits=Limits(bad_commands=3, recipients=1), personality="plain"
    )
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nMAIL FROM:<a@b>\r\n" + b"RCPT TO:<c@d>\r\n" * 10 + b"DATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    await wire.wait_for_close()

    assert len(await bench.kept()) == 1


async def test_no_limit_of_bad_commands_is_none(serve: Serve, engine: str) -> None:
    """0 is no limit; a test of a client's errors may need as many as it likes."""
    bench = await serve(engine=engine, limits=Limits(bad_commands=0))
    wire = bench.wire()

    await wire.feed(b"RCPT TO:<c@d>\r\n" * 1000 + b"QUIT\r\n")
    await wire.wait_for_close()

    assert [reply[:3] for reply in wire.replies] == [b"220", *[b"503"] * 1000, b"221"]


@pytest.mark.parametrize(("extra", "code"), [(0, b"250"), (1, b"500")])
async def test_a_command_line_has_the_length_that_is_set(
    serve: Serve, engine: str, extra: int, code: bytes
) -> None:
    """RFC 5321, 4.5.3.1.4 asks for 512 octets; more may be allowed, or no more than that."""
    for length in (512, 5000):
        bench = await serve(engine=engine, limits=Limits(command_line=length))
        wire = bench.wire()

        await wire.feed(b"EHLO c\r\n" + b"NOOP ".ljust(length - 2 + extra, b"x") + b"\r\nQUIT\r\n")
        await wire.wait_for_close()

        assert [reply[:3] for reply in wire.replies] == [b"220", b"250", code, b"221"]


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"x" * 998 + b"\r\n", b"250", id="longest"),
        pytest.param(b"x" * 999 + b"\r\n", b"500", id="one-more"),
        pytest.param(b"x\r\n" * 2000, b"250", id="short-ones"),
        pytest.param(b"x\r\n" * 2000 + b"x" * 999 + b"\r\n", b"500", id="the-last"),
        pytest.param(b"x\n" * 500 + b"\r\n", b"500", id="bare-LF"),
        pytest.param(b"." + b"." + b"x" * 997 + b"\r\n", b"250", id="stuffed-dot"),
        pytest.param(b"", b"250", id="empty"),
    ],
)
async def test_a_text_line_has_the_length_that_is_set(
    serve: Serve, engine: str, personality: str, body: bytes, code: bytes
) -> None:
    """500 refuses the message (RFC 5321, 4.5.3.1.9), and the session goes on."""
    bench = await serve(engine=engine, personality=personality, limits=Limits(text_line=1000))
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + body + b".\r\nNOOP\r\nQUIT\r\n"
    )
    await wire.wait_for_close()

    assert [reply[:3] for reply in wire.replies[5:]] == [code, b"250", b"221"]
    assert len(await bench.kept()) == (code == b"250")


def _multipart(depth: int, leaves: int = 1) -> bytes:
    """Give a message whose parts nest so deep, with so many at the bottom."""
    inner = b"\r\n\r\nx\r\n"
    for level in range(depth):
        boundary = b"=%d" % level
        parts = b"".join(b"--%s%s" % (boundary, inner) for _ in range(leaves if level == 0 else 1))
        header = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n" % boundary
        inner = b"\r\n" + header + parts + b"--%s--\r\n" % boundary
    return inner[2:]


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    ("limits", "good", "bad", "said"),
    [
        pytest.param(
            Limits(header_size=100),
            b"X: ".ljust(98, b"x") + b"\r\n\r\n" + b"x" * 500 + b"\r\n",
            b"X: ".ljust(99, b"x") + b"\r\n\r\n",
            b"the header has more than 100 bytes",
            id="header",
        ),
        pytest.param(
            Limits(header_size=100),
            b"\r\n" + b"x" * 200 + b"\r\n",
            b"X: y\r\n" * 100,
            b"the header has more than 100 bytes",
            id="nothing-but-header",
        ),
        pytest.param(
            Limits(mime_parts=5),
            _multipart(1, 5),
            _multipart(1, 6),
            b"there are more than 5 parts",
            id="parts",
        ),
        pytest.param(
            Limits(mime_depth=3),
            _multipart(3, 9),
            _multipart(4),
            b"parts are nested more than 3 levels deep",
            id="depth",
        ),
    ],
)
async def test_what_a_message_is_made_of_may_be_bounded(
    serve: Serve,
    engine: str,
    personality: str,
    limits: Limits,
    good: bytes,
    bad: bytes,
    said: bytes,
) -> None:
    """What is above a limit is refused by name, and the session goes on with the next message."""
    bench = await serve(engine=engine, personality=personality, limits=limits)
    peer = await bench.data()

    refused = await peer.say(bad + b".")
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"):
        assert (await peer.say(command))[:1] in b"23"
    taken = await peer.say(good + b".")

    assert refused.startswith(b"554 ")
    assert said in refused
    assert taken.startswith(b"250 ")
    assert await bench.kept() == [good]


async def test_recipients_have_a_number(serve: Serve, engine: str) -> None:
    """Above it comes 452, and the message goes to the others."""
    bench = await serve(engine=engine, limits=Limits(recipients=2))
    peer = await bench.mail()

    codes = [(await peer.say(f"RCPT TO:<{name}@d>"))[:3] for name in "abc"]
    await peer.say("DATA")
    await peer.say("x\r\n.")

    (row,) = await bench.rows()
    assert codes == [b"250", b"250", b"452"]
    assert [one.address for one in row.envelope.recipients] == ["a@d", "b@d"]


async def test_recipients_have_a_size(serve: Serve, engine: str) -> None:
    """Together, with their parameters; the next transaction has as much again."""
    bench = await serve(engine=engine, personality="plain", limits=Limits(envelope_size=100))
    peer = await bench.ehlo()

    for _ in range(2):
        await peer.say("MAIL FROM:<a@b>")
        codes = [
            (await peer.say(f"RCPT TO:<{name}@d> ORCPT=rfc822;{'x' * 40}"))[:3] for name in "abc"
        ]
        assert codes == [b"250", b"452", b"452"]
        assert (await peer.say("RCPT TO:<c@d>"))[:3] == b"250"
        await peer.say("RSET")


async def test_a_message_has_a_size(serve: Serve, engine: str) -> None:
    """Above it comes 552 at its end, and the session goes on."""
    bench = await serve(engine=engine, limits=Limits(message_size=1000))
    peer = await bench.data()

    reply = await peer.say(b"x" * 1000 + b"\r\n.")

    assert reply.startswith(b"552 ")
    assert (await peer.say("NOOP")).startswith(b"250")
    assert await bench.kept() == []


@pytest.mark.parametrize(
    ("limits", "at_data", "event"),
    [
        pytest.param(Limits(command_timeout=60), False, events.CLIENT_DROPPED, id="command"),
        pytest.param(Limits(data_timeout=60), True, events.BODY_TIMEOUT, id="message"),
    ],
)
async def test_a_byte_now_and_then_is_no_progress(
    serve: Serve, clock: Clock, engine: str, limits: Limits, at_data: bool, event: EventType
) -> None:
    """Who never comes to a line's end, or to 64 KiB, is dropped when the time is over."""
    bench = await serve(engine=engine, limits=limits)
    wire = bench.wire()
    await wire.feed(b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + b"DATA\r\n" * at_data)
    await wire.wait_for_replies(4 + at_data)

    for _ in range(5):
        await wire.feed(b"x")
        await clock.move_on(20)

    await bench.sessions.wait_for(0)
    assert len(bench.events.of(event)) == 1
