"""XCLIENT and XFORWARD: what a trusted client tells of another, and what becomes of it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost.config.fault import Fault, When
from bindpost.config.model import Ims, Tls
from bindpost.errors import ConfigError
from bindpost.events import MESSAGE_RECEIVED

from .conftest import Bench, Peer, Serve

TRUSTING = {"xclient_trusted": ("127.0.0.1",)}
Start = Callable[..., Awaitable[Bench]]


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service that trusts this machine, on either engine."""

    async def start_one(*faults: Fault, **more: Any) -> Bench:
        settings = {"personality": "plain", "listener": TRUSTING} | more
        return await serve(fault=faults, engine=request.param, **settings)

    return start_one


async def send(peer: Peer, *before: str) -> None:
    """Send a message; first say what stands before MAIL."""
    for command in (*before, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n."):
        assert (await peer.say(command))[:1] in (b"2", b"3"), command


async def test_another_client_is_taken_for_the_real_one(start: Start) -> None:
    """Faults, EHLO's words and the event see the one that was told of; the facts have both."""
    bench = await start(Fault(name="f", stage="RCPT", action="delay", when=When(peer="192.0.2.7")))
    peer = await bench.greeted()
    await send(peer, "XCLIENT NAME=c.test ADDR=192.0.2.7 PORT=4000 LOGIN=ann", "EHLO me")

    (row,) = await bench.rows()
    host, port = peer.writer.get_extra_info("sockname")
    assert row.session.peer == f"{host}:{port}"
    assert row.session.login == "ann"
    told = {"NAME": "c.test", "ADDR": "192.0.2.7", "PORT": "4000", "LOGIN": "ann"}
    assert row.session.xclient == told
    assert [one.peer for one in bench.faults.log()] == ["192.0.2.7"]
    event = await bench.events.wait_for(MESSAGE_RECEIVED)
    assert (event["host"], event["peer"]) == ("192.0.2.7", host)


async def test_the_session_begins_anew(start: Start) -> None:
    """HELO and login are forgotten, and one may log in again."""
    bench = await start()
    peer = await bench.ehlo()
    assert (await peer.say("AUTH PLAIN AHVzZXIAcGFzcw==")).startswith(b"235 ")

    assert (await peer.say("XCLIENT NAME=[TEMPUNAVAIL]")).startswith(b"220 ")
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"503 ")
    await send(peer, "EHLO other", "AUTH PLAIN AHVzZXIAcGFzcw==")

    (row,) = await bench.rows()
    assert (row.session.helo, row.session.login) == ("other", "user")
    assert row.session.xclient == {"NAME": "[TEMPUNAVAIL]"}


async def test_a_login_that_was_told_is_one(start: Start) -> None:
    """It counts where logins are demanded, and no other is taken after it."""
    bench = await start(ims=Ims(require_authentication=True))
    peer = await bench.ehlo()
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"530 ")

    await send(peer, "XCLIENT LOGIN=ann HELO=c.test PROTO=ESMTP")

    assert (await peer.say("AUTH PLAIN AHVzZXIAcGFzcw==")).startswith(b"503 ")
    (row,) = await bench.rows()
    assert (row.session.helo, row.session.esmtp, row.session.login) == ("c.test", True, "ann")


async def test_the_rules_of_relaying_look_at_who_was_told(start: Start) -> None:
    """The client's address and the one that it dialled."""
    ims = Ims(relay_flags=6, relay_allow_list=("192.0.2.7",), relay_local_ip_list=("192.0.2.25",))
    bench = await start(ims=ims)
    peer = await bench.greeted()
    for told, code in (
        ("ADDR=192.0.2.8", b"550"),
        ("ADDR=192.0.2.7", b"250"),
        ("ADDR=192.0.2.8 DESTADDR=192.0.2.25", b"250"),
        ("DESTADDR=[UNAVAILABLE]", b"550"),
    ):
        for command in (f"XCLIENT {told}", "EHLO c", "MAIL FROM:<a@b>"):
            assert (await peer.say(command))[:3] in (b"220", b"250")
        assert (await peer.say("RCPT TO:<c@d>"))[:3] == code, told
        await peer.say("RSET")


async def test_faults_at_the_greeting_strike_who_was_told(start: Start) -> None:
    """As if that client had connected."""
    when = When(peer="192.0.2.7")
    bench = await start(Fault(name="no", stage="accept", action="reply", code=421, when=when))
    peer = await bench.greeted()

    assert (await peer.say("XCLIENT ADDR=192.0.2.7")).startswith(b"421 ")
    assert await peer.rest() == b""


async def test_xforward_annotates_the_next_transaction(start: Start) -> None:
    """In as many commands as it takes, xtext decoded; nothing else changes, and nothing stays."""
    bench = await start()
    peer = await bench.ehlo()
    await send(
        peer, "XFORWARD NAME=c.test ADDR=IPV6:2001:db8::7", "XFORWARD HELO=a+20+C3+A4 IDENT=a@b"
    )
    await send(peer)

    first, second = await bench.rows()
    told = {"NAME": "c.test", "ADDR": "2001:db8::7", "HELO": "a ä", "IDENT": "a@b"}
    assert first.session.xforward == told
    assert first.session.helo == "client"
    assert second.session.xforward == {}


@pytest.mark.parametrize("between", ["RSET", "EHLO again", "XCLIENT HELO=c PROTO=ESMTP"])
async def test_xforward_is_forgotten_with_its_transaction(start: Start, between: str) -> None:
    """RSET, EHLO and XCLIENT reset it, as in Postfix."""
    bench = await start()
    peer = await bench.ehlo()
    await send(peer, "XFORWARD NAME=c.test", between)

    (row,) = await bench.rows()
    assert row.session.xforward == {}


async def test_xforward_is_forgotten_when_tls_starts(
    start: Start, client_tls: ssl.SSLContext
) -> None:
    """What came before TLS may be anybody's (RFC 3207, 4.2)."""
    bench = await start(tls=Tls(certificate="self-signed"))
    peer = await bench.ehlo()
    assert (await peer.say("XFORWARD NAME=c.test")).startswith(b"250 ")
    assert (await peer.say("STARTTLS")).startswith(b"220 ")
    await peer.writer.start_tls(client_tls)
    await send(peer, "EHLO again")

    (row,) = await bench.rows()
    assert row.session.xforward == {}


@pytest.mark.parametrize(
    "value",
    ["a+0D+0AMAIL", "a+00", "a+7F", "a+1B[0m", "a+E2+80+A8b", "+FF"],
)
async def test_no_control_character_gets_through(start: Start, value: str) -> None:
    """What xtext can hide becomes a question mark, before it is in the facts."""
    bench = await start()
    peer = await bench.ehlo()
    await send(peer, f"XFORWARD HELO={value}")

    (row,) = await bench.rows()
    kept = row.session.xforward["HELO"]
    assert kept.isprintable()
    assert kept != value


async def test_a_value_that_is_no_xtext_is_taken_as_it_is(start: Start) -> None:
    """As Postfix before 2.3 sends it."""
    bench = await start()
    peer = await bench.ehlo()
    await send(peer, "XFORWARD HELO=a+b=c")

    (row,) = await bench.rows()
    assert row.session.xforward == {"HELO": "a+b=c"}


async def test_values_have_a_bound(start: Start) -> None:
    """255 characters, as in Postfix."""
    bench = await start()
    peer = await bench.ehlo()

    assert (await peer.say(f"XFORWARD HELO={'a' * 255}")).startswith(b"250 ")
    assert (await peer.say(f"XFORWARD HELO={'a' * 256}")).startswith(b"501 ")
    assert (await peer.say(f"XFORWARD PROTO={'a' * 65}")).startswith(b"501 ")
    assert (await peer.say("XFORWARD HELO=\x01")).startswith(b"501 ")
    assert (await peer.say("XCLIENT HELO=\x01")).startswith(b"501 ")


@pytest.mark.parametrize(
    ("peername", "trusted"),
    [
        (("127.0.0.1", 1), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("127.0.0.2", 1), False),
        (("name.test", 1), False),
        ("", True),
        (None, False),
    ],
)
async def test_who_is_trusted(start: Start, peername: object, *, trusted: bool) -> None:
    """The real peer decides; over a Unix socket, whoever may connect, as with PROXY headers."""
    bench = await start()
    wire = bench.wire(peername=peername)

    await wire.feed(b"EHLO c\r\nXFORWARD ADDR=192.0.2.1\r\nQUIT\r\n")
    await wire.wait_for_close()

    assert (b"XFORWARD" in wire.replies[1]) is trusted
    assert wire.replies[2][:3] == (b"250" if trusted else b"550")


async def test_nobody_is_trusted_by_default(start: Start) -> None:
    """Not over a Unix socket either."""
    bench = await start(listener={})
    wire = bench.wire(peername="")

    await wire.feed(b"EHLO c\r\nXCLIENT ADDR=192.0.2.1\r\nQUIT\r\n")
    await wire.wait_for_close()

    assert b"XCLIENT" not in wire.replies[1]
    assert wire.replies[2].startswith(b"550 ")


async def test_a_server_without_xclient_can_trust_nobody(serve: Serve) -> None:
    """The error names the setting, the personality and what to do."""
    with pytest.raises(ConfigError, match="knows no XCLIENT") as caught:
        await serve(personality="ims-5.5", listener=TRUSTING)

    assert caught.value.key == "listener.xclient_trusted"
    assert "plain" in caught.value.hint


@pytest.mark.parametrize("entry", ["name.test", "10.0.0.1/8", ""])
async def test_what_is_no_network_is_refused(serve: Serve, entry: str) -> None:
    """The error names the setting and shows how a network is written."""
    with pytest.raises(ConfigError, match="write 192") as caught:
        await serve(personality="plain", listener={"xclient_trusted": (entry,)})

    assert caught.value.key == "listener.xclient_trusted"
