"""Faults of TLS: with the first byte and by STARTTLS, alike on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost.config.fault import Action, Fault, Stage, When
from bindpost.config.model import Limits, Tls
from bindpost.events import FAULT_FIRED, INTERNAL_ERROR, TLS_FAILED

from .conftest import PATIENCE, Bench, Clock, Peer, Serve

pytestmark = pytest.mark.parametrize(
    ("engine", "anyio_backend"),
    [
        pytest.param("fast", "asyncio", id="fast"),
        pytest.param("fast", ("asyncio", {"use_uvloop": True}), id="fast-uvloop"),
        pytest.param("stock", "asyncio", id="stock"),
    ],
)
Start = Callable[..., Awaitable[Bench]]
WAYS = [("starttls", "STARTTLS"), ("starttls", "TLS"), ("implicit", "TLS")]
"""The kinds of TLS, with the stages that come in each."""


@pytest.fixture
def start(serve: Serve, engine: str) -> Start:
    """Give what starts a service with one kind of TLS, under faults."""

    async def start_one(mode: str, *faults: Fault, **settings: Any) -> Bench:
        return await serve(
            engine=engine,
            personality="plain",
            tls=Tls(certificate="self-signed"),
            listener_tls=mode,  # type: ignore[arg-type]  # one of two that are modes
            fault=faults,
            **settings,
        )

    return start_one


def fault(stage: str, action: Action, **more: Any) -> Fault:
    """Make a rule whose name is its action."""
    return Fault(name=action, stage=stage, action=action, **more)  # type: ignore[arg-type]


async def at_tls(bench: Bench, mode: str) -> Peer:
    """Come so far that the client is to ask for TLS."""
    return await (bench.connected() if mode == "implicit" else bench.ehlo())


async def shake_hands(peer: Peer, mode: str, client: ssl.SSLContext, name: str = "x") -> None:
    """Ask for TLS, and begin with it. Raises `OSError`."""
    if mode == "starttls" and not (await peer.say("STARTTLS")).startswith(b"220 "):
        raise ConnectionError
    await peer.writer.start_tls(client, server_hostname=name, ssl_handshake_timeout=PATIENCE)


async def send_mail(peer: Peer, mode: str) -> None:
    """Send a message inside TLS."""
    if mode == "implicit":
        assert (await peer.reply()).startswith(b"220 ")
    for command, code in (
        ("EHLO client", b"250"), ("MAIL FROM:<a@b>", b"250"), ("RCPT TO:<c@d>", b"250"),
        ("DATA", b"354"), ("Subject: x\r\n\r\nbody\r\n.", b"250"), ("QUIT", b"221"),
    ):  # fmt: skip
        assert (await peer.say(command))[:3] == code, command


@pytest.mark.parametrize(("mode", "stage"), WAYS)
@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ("tls-expired", "certificate has expired"),
        ("tls-wrong-name", "certificate is not valid for 'exchange'"),
        ("tls-untrusted", "unable to get local issuer certificate"),
    ],
)
async def test_a_certificate_is_wrong_in_one_thing(
    start: Start,
    mode: str,
    stage: Stage,
    action: Action,
    complaint: str,
    client_tls: ssl.SSLContext,
) -> None:
    """
    A client that trusts the faults' authority complains of that, and of nothing else.

    One that asks for nothing sends its mail by TLS.
    """
    bench = await start(mode, fault(stage, action))
    careful = ssl.create_default_context(cadata=bench.faults.certificates.authority.decode())

    with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
        await shake_hands(await at_tls(bench, mode), mode, careful, "exchange")

    peer = await at_tls(bench, mode)
    await shake_hands(peer, mode, client_tls)
    await send_mail(peer, mode)
    (row,) = await bench.rows()
    assert row.session.tls_version == "TLSv1.3"
    assert row.session.faults == (f"{action}: {action} at {stage}",)


@pytest.mark.parametrize(("mode", "stage"), WAYS)
@pytest.mark.parametrize("action", ["tls-drop", "tls-broken", "drop", "reset", "half-close"])
async def test_tls_does_not_come_to_pass(
    start: Start, mode: str, stage: Stage, action: Action, client_tls: ssl.SSLContext
) -> None:
    """It fails where it begins, and no error of ours is told; afterwards it is as ever."""
    bench = await start(mode, fault(stage, action, count=1))
    peer = await at_tls(bench, mode)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await shake_hands(peer, mode, client_tls)

    peer.close()
    await bench.sessions.wait_for(0)
    assert bench.events.of(TLS_FAILED) == []
    assert len(bench.events.of(FAULT_FIRED)) == 1
    peer = await at_tls(bench, mode)
    await shake_hands(peer, mode, client_tls)
    await send_mail(peer, mode)


@pytest.mark.parametrize(
    ("action", "end"), [("tls-broken", b"This is no TLS.\r\n"), ("tls-drop", b"")]
)
async def test_a_handshake_breaks_after_the_clients_first_words(
    start: Start, action: Action, end: bytes
) -> None:
    """Where TLS begins with the first byte the client has begun; nothing comes before that."""
    bench = await start("implicit", fault("TLS", action))
    peer = await bench.connected()
    await bench.events.wait_for(FAULT_FIRED)
    assert len(bench.sessions) == 1
    peer.send(b"\x16")

    assert await peer.rest() == end


@pytest.mark.parametrize("action", ["tls-broken", "tls-drop"])
async def test_who_does_not_begin_is_left_after_the_time_for_handshakes(
    start: Start, action: Action
) -> None:
    """A silent client holds its session no longer than without the fault."""
    limits = Limits(handshake_timeout=0.05)
    bench = await start("implicit", fault("TLS", action), limits=limits)

    assert await (await bench.connected()).rest() == b""


async def test_a_connection_ends_before_the_client_has_begun(start: Start) -> None:
    """By FIN, by RST, or when its time is over."""
    bench = await start(
        "implicit",
        fault("TLS", "drop", nth=1),
        fault("TLS", "reset", nth=1),
        fault("TLS", "stall", nth=1, seconds=0.01),
    )
    ends = []
    for _ in range(3):
        peer = await bench.connected()
        try:
            async with asyncio.timeout(PATIENCE):
                ends.append(await peer.reader.read())
        except ConnectionResetError:
            ends.append(b"RST")

    assert ends == [b"", b"RST", b""]
    assert [one.action for one in bench.faults.log()] == ["drop", "reset", "stall"]


async def test_421_to_starttls_closes_the_connection(start: Start) -> None:
    """As it does to any other command; after another refusal the session goes on."""
    refusals = (
        Fault(stage="STARTTLS", action="reply", count=1),
        Fault(stage="STARTTLS", action="reply", code=421),
    )
    bench = await start("starttls", *refusals)
    peer = await bench.ehlo()

    assert await peer.say("STARTTLS") == b"454 Fault on purpose\r\n"
    peer.send(b"STARTTLS\r\n")

    assert await peer.rest() == b"421 Fault on purpose\r\n"


async def test_a_stalled_one_ends_when_the_client_goes(start: Start) -> None:
    """Whatever it has sent until then; nothing answers."""
    bench = await start("implicit", fault("TLS", "stall"))
    peer = await bench.connected()
    peer.send(b"\x16\x03\x01\x02\x00\r\nQUIT\r\n" * 100)
    await bench.events.wait_for(FAULT_FIRED)
    assert len(bench.sessions) == 1

    peer.half_close()

    assert await peer.rest() == b""
    await bench.sessions.wait_for(0)


@pytest.mark.parametrize(("mode", "stage"), WAYS)
async def test_a_handshake_comes_late(
    start: Start, mode: str, stage: Stage, client_tls: ssl.SSLContext
) -> None:
    """What the client has said meanwhile is not lost, though it is longer than commands may be."""
    limits = Limits(command_line=512)  # a bound of what is read in clear
    bench = await start(
        mode, fault(stage, "delay", seconds=0.05), fault(stage, "tls-expired"), limits=limits
    )
    client_tls.set_alpn_protocols([f"{number:0>100}" for number in range(50)])
    peer = await at_tls(bench, mode)

    await shake_hands(peer, mode, client_tls)

    await send_mail(peer, mode)
    assert [one.action for one in bench.faults.log()] == ["delay", "tls-expired"]


async def test_what_comes_during_a_delay_and_is_no_tls_is_told(start: Start) -> None:
    """As it would be without the delay."""
    bench = await start("implicit", fault("TLS", "delay", seconds=0.05))
    peer = await bench.connected()
    peer.send(b"EHLO client\r\n" * 10_000)

    await peer.rest()

    failure = await bench.events.wait_for(TLS_FAILED)
    assert failure["reason"] == "what the client sent is no TLS"
    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("leaving", ["half_close", "reset"])
async def test_a_client_that_goes_during_a_delay_is_gone(
    start: Start, clock: Clock, leaving: str
) -> None:
    """No handshake is begun with it."""
    bench = await start("implicit", fault("TLS", "delay", seconds=60))
    peer = await bench.connected()
    await bench.events.wait_for(FAULT_FIRED)
    getattr(peer, leaving)()
    await clock.move_on(60)

    await bench.sessions.wait_for(0)
    assert bench.events.of(TLS_FAILED) == []


async def test_starttls_is_refused_with_words(start: Start, client_tls: ssl.SSLContext) -> None:
    """The session goes on in clear, and a second try meets with no fault."""
    bench = await start("starttls", fault("STARTTLS", "reply", count=1))
    peer = await bench.ehlo()
    assert await peer.say("STARTTLS") == b"454 Fault on purpose\r\n"
    assert (await peer.say("NOOP")).startswith(b"250 ")

    await shake_hands(peer, "starttls", client_tls)


async def test_accept_comes_inside_tls(start: Start, client_tls: ssl.SSLContext) -> None:
    """Where TLS begins with the first byte, the client can read the words that turn it away."""
    bench = await start("implicit", fault("accept", "reply", when=When(tls="yes")))
    peer = await bench.connected(tls=client_tls)

    assert await peer.rest() == b"421 Fault on purpose\r\n"


@pytest.mark.parametrize("seconds", [0.0, 0.01], ids=["the client goes", "its time is over"])
async def test_a_half_closed_session_inside_tls_just_ends(
    start: Start, client_tls: ssl.SSLContext, seconds: float
) -> None:
    """TLS would answer the client's farewell, or say its own, where nothing more can be sent."""
    bench = await start("implicit", fault("EHLO", "half-close", seconds=seconds))

    def begin() -> ssl.SSLSocket:
        sock = client_tls.wrap_socket(socket.create_connection(bench.address))
        sock.recv(1 << 10)
        sock.sendall(b"EHLO c\r\n")
        return sock

    def end() -> None:
        with contextlib.suppress(OSError):
            sock.unwrap()
        sock.close()

    with await asyncio.to_thread(begin) as sock:
        await bench.events.wait_for(FAULT_FIRED)
        if not seconds:
            await asyncio.to_thread(end)
        await bench.sessions.wait_for(0)

    assert bench.events.of(INTERNAL_ERROR) == []
