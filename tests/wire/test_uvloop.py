"""The service on uvloop, the loop that `bindpost serve` runs on where it exists."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.x509.oid import NameOID

from bindpost import events
from bindpost.config.fault import Fault
from bindpost.config.model import Limits, Tls

from ..authority import Authority, name_of

if TYPE_CHECKING:
    from tests.wire.conftest import Clock, Serve

uvloop = pytest.importorskip("uvloop")
pytestmark = pytest.mark.parametrize(
    "anyio_backend", [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")]
)
CERTIFICATE = Tls(certificate="self-signed")


async def test_it_is_uvloop(serve: Serve) -> None:
    """These tests run on what they are for."""
    await serve()

    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)


@pytest.mark.parametrize("pair", [True, False], ids=["socketpair", "tcp"])
async def test_a_pipelined_session_of_a_half_closed_client(serve: Serve, pair: bool) -> None:
    """All replies come and all mail is kept."""
    bench = await serve()
    peer = await bench.connected(pair=pair)
    transaction = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + b"x" * 100_000 + b"\r\n.\r\n"

    peer.send(b"EHLO c\r\n" + transaction * 3 + b"QUIT\r\n")
    peer.half_close()
    replies = await peer.rest()

    assert replies.endswith(b"221 closing connection\r\n")
    assert await bench.kept() == [b"x" * 100_000 + b"\r\n"] * 3


async def test_a_fault_resets_a_connection(serve: Serve) -> None:
    """uvloop's sockets have no options; RST is sent all the same."""
    bench = await serve(fault=(Fault(stage="EHLO", action="reset"),))
    peer = await bench.greeted()
    peer.send(b"EHLO client\r\n")

    with pytest.raises(ConnectionResetError):
        await peer.reader.read()


async def test_the_client_of_a_stalled_session_is_missed(serve: Serve) -> None:
    """Its end is heard behind more than a session reads ahead."""
    bench = await serve(fault=(Fault(stage="EHLO", action="stall"),))
    peer = await bench.greeted()

    peer.send(b"EHLO client\r\n" + b"x" * 500_000)
    await bench.events.wait_for(events.FAULT_FIRED)
    peer.close()

    await bench.sessions.wait_for(0)


async def test_smtplib_sends_inside_tls(serve: Serve, client_tls: ssl.SSLContext) -> None:
    """STARTTLS works on uvloop's transports."""
    bench = await serve(tls=CERTIFICATE)

    def send() -> None:
        with smtplib.SMTP(*bench.address, timeout=10) as smtp:
            smtp.starttls(context=client_tls)
            smtp.login("user", "secret")
            smtp.sendmail("a@b", ["c@d"], "x" * 100_000)

    await asyncio.to_thread(send)

    (row,) = await bench.rows()
    assert row.session.tls_version
    assert row.size == 100_002


async def test_smtplib_sends_with_tls_from_the_first_byte(
    serve: Serve, client_tls: ssl.SSLContext
) -> None:
    """So does implicit TLS."""
    bench = await serve(tls=CERTIFICATE, listener_tls="implicit")

    def send() -> None:
        with smtplib.SMTP_SSL(*bench.address, timeout=10, context=client_tls) as smtp:
            smtp.sendmail("a@b", ["c@d"], "x")

    await asyncio.to_thread(send)

    (row,) = await bench.rows()
    assert row.session.tls_version


@pytest.mark.parametrize("way", ["starttls", "implicit"])
async def test_a_clients_certificate_is_kept(
    serve: Serve, client_tls: ssl.SSLContext, tmp_path: Path, way: Any
) -> None:
    """uvloop's own TLS tells of it as asyncio's does."""
    authority = Authority(tmp_path)
    client_tls.load_cert_chain(authority.issue(name_of((NameOID.COMMON_NAME, "Ann"))))
    tls = Tls(certificate="self-signed", client_ca=str(authority.file))
    bench = await serve(tls=tls, listener_tls=way)

    def send() -> None:
        if way == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(*bench.address, timeout=10, context=client_tls)
        else:
            smtp = smtplib.SMTP(*bench.address, timeout=10)
            smtp.starttls(context=client_tls)
        with smtp:
            smtp.sendmail("a@b", ["c@d"], "x")

    await asyncio.to_thread(send)

    (row,) = await bench.rows()
    assert row.session.client_certificate is not None
    assert row.session.client_certificate.name == "Ann"


@pytest.mark.parametrize(
    "garbage", [b"EHLO client\r\n", b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"x" * 70_000]
)
async def test_garbage_in_the_handshake_ends_the_session(serve: Serve, garbage: bytes) -> None:
    """What is no TLS ends that session with the event."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()
    await peer.say("STARTTLS")

    peer.send(garbage)

    await bench.events.wait_for(events.TLS_FAILED)
    await bench.sessions.wait_for(0)


async def test_sessions_are_cut(serve: Serve) -> None:
    """Cutting ends sessions at every step, the handshake included."""
    bench = await serve(tls=CERTIFICATE)
    await bench.greeted()
    await bench.ehlo(pair=True)
    await bench.data()
    peer = await bench.ehlo()
    await peer.say("STARTTLS")
    await bench.sessions.wait_for(4)

    bench.sessions.cut()

    await bench.sessions.wait_for(0)


async def test_sessions_are_drained(serve: Serve) -> None:
    """An idle session gets 421, a message may finish, what takes no replies is cut."""
    bench = await serve()
    idle, sending, deaf = await bench.ehlo(), await bench.data(), await bench.ehlo()
    deaf.stop_reading()
    deaf.send(b"HELP\r\n" * 20_000)

    draining = asyncio.create_task(bench.sessions.drain(0.5))
    await asyncio.sleep(0)
    assert (await sending.say("x\r\n.")).startswith(b"250")
    await draining

    assert (await idle.rest()).startswith(b"421")
    assert len(bench.sessions) == 0
    assert await bench.kept() == [b"x\r\n"]


@pytest.mark.parametrize("closing", ["FIN", "RST", "half"])
@pytest.mark.parametrize("stair", ["connected", "greeted", "ehlo", "mail", "rcpt", "data"])
async def test_a_client_leaves_after_a_step(serve: Serve, stair: str, closing: str) -> None:
    """The session ends with its client."""
    bench = await serve()
    peer = await getattr(bench, stair)()
    await bench.sessions.wait_for(1)

    {"FIN": peer.close, "RST": peer.reset, "half": peer.half_close}[closing]()

    await bench.sessions.wait_for(0)
    assert await bench.kept() == []


@pytest.mark.parametrize("closing", ["FIN", "RST", "half"])
@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x00"])
async def test_a_client_leaves_in_the_handshake(serve: Serve, data: bytes, closing: str) -> None:
    """Half a handshake leaves nothing behind."""
    bench = await serve(tls=CERTIFICATE)
    peer = await bench.ehlo()
    await peer.say("STARTTLS")
    peer.send(data)

    {"FIN": peer.close, "RST": peer.reset, "half": peer.half_close}[closing]()

    await bench.sessions.wait_for(0)


async def test_silence_is_ended(serve: Serve, clock: Clock) -> None:
    """Time-outs close the connection, before and in the handshake, and when no reply is taken."""
    limits = Limits(command_timeout=60, handshake_timeout=60)
    bench = await serve(tls=CERTIFICATE, limits=limits)
    silent, shaking, deaf = [await bench.ehlo() for _ in range(3)]
    await shaking.say("STARTTLS")
    deaf.stop_reading()
    deaf.send(b"HELP\r\n" * 20_000)

    for _ in ("silence is over", "the goodbye is not taken"):
        await clock.move_on(61)
    await bench.sessions.wait_for(0)

    assert await silent.rest() == b""
    assert len(bench.events.of(events.CLIENT_DROPPED)) == 2
    assert len(bench.events.of(events.TLS_FAILED)) == 1


async def test_what_follows_quit_is_not_heard(serve: Serve) -> None:
    """A message pipelined behind QUIT is not kept."""
    bench = await serve()
    peer = await bench.connected()

    peer.send(b"QUIT\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n")

    assert (await peer.rest()).splitlines()[-1] == b"221 closing connection"
    assert await bench.kept() == []
