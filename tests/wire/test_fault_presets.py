"""Presets of faults in a session, on both engines: what their stories say of what is refused."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Awaitable, Callable

import pytest

from bindpost.config.fault import Fault
from bindpost.config.model import Tls
from bindpost.server.faults.presets import load_presets

from .conftest import Bench, Serve

Start = Callable[..., Awaitable[Bench]]
LOGIN = "AUTH PLAIN " + base64.b64encode(b"\0ann\0secret").decode()


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service that offers STARTTLS and AUTH, under faults."""

    async def start_one(*faults: Fault) -> Bench:
        tls = Tls(certificate="self-signed")
        return await serve(engine=request.param, personality="plain", tls=tls, fault=faults)

    return start_one


async def test_a_pix_lets_only_rfc_821_pass(start: Start) -> None:
    """The banner is hidden; EHLO, STARTTLS and a login are no commands; mail by HELO is taken."""
    bench = await start(*load_presets()["pix-fixup"].faults)
    peer = await bench.connected()

    assert (await peer.reply()).strip(b"*\r\n") == b"220 "
    for command, code in (
        ("EHLO client", b"500"), ("HELO client", b"250"), ("STARTTLS", b"500"), (LOGIN, b"500"),
        ("MAIL FROM:<a@b>", b"250"), ("RCPT TO:<c@d>", b"250"), ("DATA", b"354"),
        ("Subject: x\r\n\r\nbody\r\n.", b"250"),
    ):  # fmt: skip
        assert (await peer.say(command))[:3] == code, command


async def test_strict_tls_takes_nothing_in_clear(start: Start) -> None:
    """Neither mail nor a login; behind STARTTLS it is as ever."""
    bench = await start(*load_presets()["strict-tls"].faults)
    peer = await bench.ehlo()
    refusal = b"530 5.7.0 Must issue a STARTTLS command first\r\n"
    assert await peer.say(LOGIN) == refusal
    assert await peer.say("MAIL FROM:<a@b>") == refusal

    assert (await peer.say("STARTTLS")).startswith(b"220 ")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    await peer.writer.start_tls(trusting)
    await peer.say("EHLO client")
    assert (await peer.say(LOGIN)).startswith(b"235 ")
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"250 ")


async def test_a_tarpit_keeps_what_its_client_gave_up(start: Start) -> None:
    """The client has gone when the 250 comes, and the message is kept: it will come again."""
    (delay,) = (one for one in load_presets()["tarpit"].faults if one.stage == "end-of-data")
    bench = await start(delay)
    peer = await bench.data()
    peer.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
    peer.writer.close()

    await bench.sessions.wait_for(0)
    assert await bench.kept() == [b"Subject: x\r\n\r\nbody\r\n"]
