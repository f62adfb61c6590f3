"""Single commands whose answer depends on a setting or a personality, beyond the dialogues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost.config.kinds import TlsMode
from bindpost.config.model import Auth, Ims

if TYPE_CHECKING:
    from tests.wire.conftest import Serve


@pytest.mark.parametrize(
    ("personality", "command", "reply"),
    [
        ("plain", "HELO", b"501 5.5.4 HELO needs a domain\r\n"),
        ("plain", "HELO c", b"250 exchange\r\n"),
        ("ims-5.5", "HELO", b"250 OK\r\n"),
        ("ims-5.5", "HELO c", b"250 OK\r\n"),
        ("imc-4.0", "EHLO c", b"500 command not recognized\r\n"),
        ("ims-5.5", "AUTH NTLM", b"504 authentication mechanism not supported\r\n"),
        ("ims-5.5", "AUTH PLAIN AHUAcA==", b"504 authentication mechanism not supported\r\n"),
        ("ims-5.0", "AUTH LOGIN", b"334 VXNlcm5hbWU6\r\n"),
        ("ims-5.5", "XAUTH LOGIN", b"500 command not recognized\r\n"),
        ("plain", "XEXCH50 4 2", b"500 5.5.1 Command not recognized\r\n"),
        ("plain", "ETRN x", b"500 5.5.1 Command not recognized\r\n"),
        ("plain", "TLS", b"500 5.5.1 Command not recognized\r\n"),
        ("ims-5.5", "turn", b"500 command not recognized\r\n"),
        ("ims-5.5", "XEXCH50 1048576 2", b"354 Send binary data\r\n"),
        ("ims-5.5", "XEXCH50 1048577 2", b"501 syntax error\r\n"),
        ("ims-5.5", "XEXCH50 0 2", b"501 syntax error\r\n"),
        ("ims-5.5", "XEXCH50", b"501 syntax error\r\n"),
        ("ims-5.5", "XEXCH50 ٣ 2", b"501 syntax error\r\n"),
    ],
)  # fmt: skip
async def test_a_command_has_its_answer(
    serve: Serve, personality: str, command: str, reply: bytes
) -> None:
    """The first command of a session is answered as the personality has it."""
    bench = await serve(personality=personality)
    peer = await bench.greeted(pair=True)

    assert await peer.say(command) == reply


@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
@pytest.mark.parametrize("command", ["RCPT", "RCPT TO", "RCPT TO:", "RCPT c@d", "RCPT FROM:<c@d>"])
async def test_rcpt_has_its_syntax(serve: Serve, personality: str, command: str) -> None:
    """Without `TO:` and something behind it there is no recipient."""
    bench = await serve(personality=personality)
    peer = await bench.mail(pair=True)

    assert (await peer.say(command))[:3] == b"501"


@pytest.mark.parametrize(
    ("argument", "reply"),
    {
        "ann": b"250 ann ann@exchange\r\n",
        "<Ann@far.test>": b"250 Ann Ann@far.test\r\n",
        "bob": b"550 User unknown\r\n",
        "": b"501 syntax error\r\n",
    }.items(),
)
async def test_vrfy_knows_the_users(
    serve: Serve, tmp_path: Path, argument: str, reply: bytes
) -> None:
    """With EnableVRFY and a users file, those in it are known and nobody else (KB 289521)."""
    (tmp_path / "users").write_text("Ann:secret\n")
    bench = await serve(folder=tmp_path, auth=Auth(users="users"), ims=Ims(enable_vrfy=True))
    peer = await bench.greeted(pair=True)

    assert await peer.say(f"VRFY {argument}".strip()) == reply


@pytest.mark.parametrize(("mode", "offered"), [("auto", False), ("off", False), ("starttls", True)])
async def test_a_listener_that_wants_tls_gets_a_certificate(
    serve: Serve, mode: TlsMode, offered: bool
) -> None:
    """A listener with `tls = "starttls"` has it though no certificate is set; `auto` has not."""
    bench = await serve(listener_tls=mode)
    peer = await bench.greeted(pair=True)

    assert (b"STARTTLS" in await peer.say("EHLO c")) is offered


async def test_the_reverse_name_stands_in_the_bracket(serve: Serve) -> None:
    """EHLO's bracket holds the client's name where it is looked up, never EHLO's argument."""

    async def lookup(host: str | None, _seconds: float) -> str | None:
        return f"name-of-{host}"

    bench = await serve(ims=Ims(disable_reverse_resolve=False), lookup=lookup)
    peer = await bench.greeted()

    assert (await peer.say("EHLO c")).startswith(b"250-exchange Hello [name-of-127.0.0.1]\r\n")


async def test_a_strange_name_does_no_harm(serve: Serve) -> None:
    """A name server can put nothing into a reply that a client could not."""

    async def lookup(_host: str | None, _seconds: float) -> str | None:
        return "x]\r\n250 TLS\r\n" + "y" * 1000

    bench = await serve(ims=Ims(disable_reverse_resolve=False), lookup=lookup)
    peer = await bench.greeted()

    lines = (await peer.say("EHLO c")).splitlines()

    assert [line[:4] for line in lines] == [b"250-"] * 7 + [b"250 "]
    assert len(lines[0]) == 510
    assert (await peer.say("NOOP")) == b"250 OK\r\n"
