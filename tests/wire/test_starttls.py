"""TLS: started with STARTTLS or from the first byte, by honest clients and by others."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from bindpost.config.model import Ims, Limits, Tls

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Peer, Serve

CERTIFICATE = Tls(certificate="self-signed")
PERSONALITIES = ["ims-5.5", "plain"]
MESSAGE = "Subject: x\r\n\r\nbody\r\n"


async def _inside(bench: Bench, context: ssl.SSLContext) -> Peer:
    """Greet, start TLS, and say EHLO again."""
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220 ")
    await peer.writer.start_tls(context)
    assert b"STARTTLS" not in await peer.say("EHLO inside")
    return peer


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_smtplib_sends_inside_tls(
    serve: Serve, client_tls: ssl.SSLContext, personality: str
) -> None:
    """Python's client starts TLS, logs in and sends; facts of TLS and login are kept."""
    bench = await serve(personality=personality, tls=CERTIFICATE)

    def send() -> None:
        with smtplib.SMTP(*bench.address, timeout=10) as smtp:
            smtp.ehlo("outside")
            assert smtp.has_extn("STARTTLS")
            smtp.starttls(context=client_tls)
            smtp.ehlo("inside")
            assert not smtp.has_extn("STARTTLS")
            smtp.login("user", "secret")
            smtp.sendmail("a@b", ["c@d"], MESSAGE)

    await asyncio.to_thread(send)

    (row,) = await bench.rows()
    assert await bench.kept() == [MESSAGE.encode()]
    assert row.session.helo == "inside"
    assert row.session.login == "user"
    assert row.session.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert row.session.tls_cipher
    assert row.session.peer is not None
    assert row.session.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_smtplib_sends_with_tls_from_the_first_byte(
    serve: Serve, client_tls: ssl.SSLContext, personality: str
) -> None:
    """A listener with implicit TLS greets inside TLS, offers no STARTTLS, and keeps the facts."""
    bench = await serve(personality=personality, tls=CERTIFICATE, listener_tls="implicit")

    def send() -> None:
        with smtplib.SMTP_SSL(*bench.address, timeout=10, context=client_tls) as smtp:
            smtp.ehlo("inside")
            assert not smtp.has_extn("STARTTLS")
            assert smtp.docmd("STARTTLS")[0] in {454, 554}
            smtp.login("user", "secret")
            smtp.sendmail("a@b", ["c@d"], MESSAGE)

    await asyncio.to_thread(send)

    (row,) = await bench.rows()
    assert await bench.kept() == [MESSAGE.encode()]
    assert row.session.login == "user"
    assert row.session.tls_version in {"TLSv1.2", "TLSv1.3"}
    assert row.session.tls_cipher


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_state_is_forgotten(
    serve: Serve, client_tls: ssl.SSLContext, personality: str
) -> None:
    """HELO, login and transaction of before TLS are gone (RFC 3207, 4.2)."""
    bench = await serve(personality=personality, tls=CERTIFICATE)
    peer = await bench.ehlo()
    await peer.say("AUTH LOGIN dXNlcg==")
    assert (await peer.say("c2VjcmV0")).startswith(b"235")
    assert (await peer.say("MAIL FROM:<before@tls>")).startswith(b"250")
    assert (await peer.say("RCPT TO:<before@tls>")).startswith(b"250")

    assert (await peer.say("STARTTLS")).startswith(b"220")
    await peer.writer.start_tls(client_tls)

    if personality == "plain":
        assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"503 5.5.1 Send HELO")
        await peer.say("HELO inside")
    assert (await peer.say("DATA")).startswith(b"503")
    assert (await peer.say("RCPT TO:<a@b>")).startswith(b"503")
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"250")
    assert (await peer.say("RCPT TO:<c@d>")).startswith(b"250")
    assert (await peer.say("DATA")).startswith(b"354")
    assert (await peer.say("x\r\n.")).startswith(b"250")
    (row,) = await bench.rows()
    assert row.envelope.reverse_path == "a@b"
    assert row.session.helo == ("inside" if personality == "plain" else None)
    assert not row.session.esmtp
    assert row.session.login is None


async def test_a_new_login_is_possible_inside_tls(serve: Serve, client_tls: ssl.SSLContext) -> None:
    """Who had logged in before may, and must, log in again."""
    bench = await serve(tls=CERTIFICATE, ims=Ims(require_authentication=True))
    peer = await bench.ehlo()
    await peer.say("AUTH LOGIN b25l")
    assert (await peer.say("c2VjcmV0")).startswith(b"235")
    await peer.say("STARTTLS")
    await peer.writer.start_tls(client_tls)

    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"505")
    await peer.say("AUTH LOGIN dHdv")
    assert (await peer.say("c2VjcmV0")).startswith(b"235")
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"250")


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    "injected",
    [
        b"NOOP\r\n",
        b"MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\n",
        b"EHLO evil\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nsmuggled\r\n.\r\n",
        b"MAIL FRO",
        b"\r\n" * 500,
    ],
)
async def test_what_is_injected_before_tls_is_discarded(
    serve: Serve, client_tls: ssl.SSLContext, personality: str, injected: bytes
) -> None:
    """Commands that stand behind STARTTLS in the same segment are never heard (CVE-2011-0411)."""
    bench = await serve(personality=personality, tls=CERTIFICATE)
    peer = await bench.ehlo()

    peer.send(b"STARTTLS\r\n" + injected)
    assert (await peer.reply()).startswith(b"220")
    await peer.writer.start_tls(client_tls)
    assert (await peer.say("HELO inside")).startswith(b"250")
    assert (await peer.say("RCPT TO:<a@b>")).startswith(b"503")
    assert (await peer.say("QUIT")).startswith(b"221")

    assert await peer.rest() == b""
    assert await bench.kept() == []


async def test_much_that_is_injected_is_given_up(serve: Serve) -> None:
    """Who sends more than a buffer behind STARTTLS gets no handshake, and does not stay."""
    bench = await serve(tls=CERTIFICATE, limits=Limits(handshake_timeout=0.05))
    peer = await bench.ehlo()

    peer.send(b"STARTTLS\r\n" + b"x" * 100_000)
    assert (await peer.reply()).startswith(b"220")

    assert await peer.rest() == b""
    await bench.sessions.wait_for(0)


async def test_the_end_of_the_service_waits_for_a_handshake(
    serve: Serve, client_tls: ssl.SSLContext
) -> None:
    """A client in the middle of its handshake may finish it, and gets its 421 inside TLS."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220")

    draining = asyncio.create_task(bench.sessions.drain(60))
    await asyncio.sleep(0)
    await peer.writer.start_tls(client_tls)

    assert (await peer.rest()).startswith(b"421")
    await draining


async def test_a_handshake_is_cut(serve: Serve) -> None:
    """A session in the middle of its handshake ends when all are cut."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()
    await peer.say("STARTTLS")

    bench.sessions.cut()

    await bench.sessions.wait_for(0)


async def test_a_handshake_is_drained(serve: Serve) -> None:
    """A session in the middle of its handshake does not hold up the end of the service."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()
    await peer.say("STARTTLS")

    await bench.sessions.drain(0.05)

    assert len(bench.sessions) == 0


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_a_second_starttls_is_refused(
    serve: Serve, client_tls: ssl.SSLContext, personality: str
) -> None:
    """There is no TLS inside TLS, and the session goes on."""
    bench = await serve(personality=personality, tls=CERTIFICATE)
    peer = await _inside(bench, client_tls)

    assert (await peer.say("STARTTLS"))[:3] in {b"454", b"554"}
    assert (await peer.say("NOOP")).startswith(b"250")


async def test_tls_is_another_name_for_it(serve: Serve, client_tls: ssl.SSLContext) -> None:
    """IMS lists TLS beside STARTTLS; both start it."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()

    assert (await peer.say("TLS")).startswith(b"220")
    await peer.writer.start_tls(client_tls)
    assert (await peer.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_starttls_takes_no_argument(serve: Serve, personality: str) -> None:
    """An argument gets 501 (RFC 3207, section 4), and the session goes on in the clear."""
    bench = await serve(personality=personality, tls=CERTIFICATE)
    peer = await bench.ehlo()

    assert (await peer.say("STARTTLS now")).startswith(b"501")
    assert (await peer.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize("settings", [{}, {"tls": CERTIFICATE, "listener_tls": "off"}])
async def test_without_a_key_there_is_no_tls(serve: Serve, settings: dict[str, Any]) -> None:
    """It is neither offered nor started, and the answer is the attested one (KB Q237327)."""
    bench = await serve(**settings)
    peer = await bench.greeted()

    assert b"TLS" not in await peer.say("EHLO c")
    assert await peer.say("STARTTLS") == b"554 Unable to initialize security subsystem\r\n"


async def test_it_can_be_hidden_from_loopback(serve: Serve) -> None:
    """HideTLSFromLoopback hides and denies it to 127.0.0.1 (KB Q260065), and to nobody else."""
    bench = await serve(tls=CERTIFICATE, ims=Ims(hide_tls_from_loopback=True))
    near, far = bench.wire(), bench.wire(peername=("192.0.2.1", 4007))

    for wire in (near, far):
        await wire.wait_for_replies(1)
        await wire.feed(b"EHLO c\r\nSTARTTLS now\r\n")
        await wire.wait_for_replies(3)
        wire.close()

    assert b"STARTTLS" not in near.replies[1]
    assert near.replies[2].startswith(b"554")
    assert b"STARTTLS" in far.replies[1]
    assert far.replies[2].startswith(b"501")


async def test_big_messages_pass_inside_tls(serve: Serve, client_tls: ssl.SSLContext) -> None:
    """Flow control works through TLS, for what is sent as for what is answered."""
    bench = await serve(tls=CERTIFICATE)
    peer = await _inside(bench, client_tls)
    body = b"x" * (3 << 20) + b"\r\n"

    peer.send(
        b"MAIL FROM:<a@b>\r\n" + b"RCPT TO:<c@d>\r\n" * 5000 + b"DATA\r\n" + body + b".\r\nQUIT\r\n"
    )
    replies = await peer.rest()

    assert replies.count(b"\r\n") == 5004
    assert await bench.kept() == [body]


async def test_tls_of_a_session_is_kept_with_later_messages_only(
    serve: Serve, client_tls: ssl.SSLContext
) -> None:
    """A message that came before STARTTLS is not said to have come by TLS."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.data()
    await peer.say("first\r\n.")
    await peer.say("STARTTLS")
    await peer.writer.start_tls(client_tls)
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "second\r\n."):
        await peer.say(command)

    first, second = await bench.rows()

    assert first.session.tls_version is None
    assert second.session.tls_version is not None
    assert first.session.session_id == second.session.session_id
