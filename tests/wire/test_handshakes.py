"""Handshakes that fail or never end: what is told, what they count as, and that nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.config.model import Ims, Limits, Tls

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Clock, Peer, Serve

pytestmark = [
    pytest.mark.parametrize("mode", ["implicit", "starttls"]),
    pytest.mark.parametrize(
        ("engine", "anyio_backend"),
        [
            pytest.param("fast", "asyncio", id="fast"),
            pytest.param("fast", ("asyncio", {"use_uvloop": True}), id="fast-uvloop"),
            pytest.param("stock", "asyncio", id="stock"),
        ],
    ),
]
SOON = 0.05
"""Seconds that a handshake may take where it shall end."""


@pytest.fixture
async def start(serve: Serve, engine: str, mode: str) -> Any:
    """Give what starts a service, in the engine and with the kind of TLS that is tested."""

    async def start_one(**settings: Any) -> Bench:
        return await serve(
            engine=engine,
            tls=Tls(certificate="self-signed"),
            listener_tls=mode,  # type: ignore[arg-type]  # one of two that are modes
            **settings,
        )

    return start_one


async def _at_handshake(bench: Bench, mode: str) -> Peer:
    """Come so far that the server waits for a ClientHello."""
    if mode == "implicit":
        return await bench.connected()
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220")
    return peer


async def test_a_silent_handshake_ends_in_time(start: Any, mode: str) -> None:
    """limits.handshake_timeout ends it, whatever the time for commands is."""
    bench = await start(limits=Limits(handshake_timeout=SOON))
    peer = await _at_handshake(bench, mode)

    assert await peer.rest() == b""

    failure = await bench.events.wait_for(events.TLS_FAILED)
    await bench.sessions.wait_for(0)
    assert failure["reason"] == "the client did not finish the handshake in time"
    assert failure["peer"] == "127.0.0.1"
    assert bench.events.of(events.CLIENT_DROPPED) == []


async def test_a_byte_now_and_then_does_not_prolong_it(start: Any, mode: str) -> None:
    """The time is that of the whole handshake."""
    bench = await start(limits=Limits(handshake_timeout=SOON))
    peer = await _at_handshake(bench, mode)

    async def drip() -> None:
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"\x03" * 400:
            peer.send(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON / 5):
                    await bench.events.wait_for(events.TLS_FAILED)
                    return

    await drip()

    assert bench.events.of(events.TLS_FAILED)
    await bench.sessions.wait_for(0)


async def test_the_time_for_commands_does_not_end_it(
    start: Any, clock: Clock, mode: str, client_tls: ssl.SSLContext
) -> None:
    """It has a time of its own, and the session begins with a time for commands of its own."""
    bench = await start(limits=Limits(command_timeout=60, handshake_timeout=600))
    peer = await _at_handshake(bench, mode)
    await bench.sessions.wait_for(1)
    await clock.move_on(61)

    await peer.writer.start_tls(client_tls)
    if mode == "implicit":
        assert (await peer.reply()).startswith(b"220 ")
    await clock.move_on(61)

    await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)


async def test_it_counts_as_a_session_of_its_address(start: Any, mode: str) -> None:
    """Half-open ones fill an address's room; above it nobody is given a handshake."""
    bench = await start(limits=Limits(sessions_per_address=2, exempt=()))
    for _ in range(2):
        await _at_handshake(bench, mode)
    await bench.sessions.wait_for(2)

    refusal = await (await bench.connected()).rest()

    assert refusal[:4] == (b"" if mode == "implicit" else b"421 ")
    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert event["reason"] == "too many sessions of its address"


@pytest.mark.parametrize(
    "settings", [{"limits": Limits(sessions=2)}, {"ims": Ims(max_inbound_connections=2)}]
)
async def test_it_counts_among_all_sessions(
    start: Any, mode: str, settings: dict[str, Any]
) -> None:
    """And those that are over make room again."""
    bench = await start(**settings)
    first, _ = [await _at_handshake(bench, mode) for _ in range(2)]
    await bench.sessions.wait_for(2)
    await (await bench.connected()).rest()

    first.close()
    await bench.sessions.wait_for(1)
    await _at_handshake(bench, mode)
    await bench.sessions.wait_for(2)

    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert event["reason"] == "too many sessions"


async def test_a_refused_one_is_told_inside_tls(
    start: Any, mode: str, client_tls: ssl.SSLContext
) -> None:
    """A host on the reject list still gets its words, after the handshake if TLS begins at once."""
    bench = await start(ims=Ims(reject_hosts=("127.0.0.0;255.0.0.0",)))

    peer = await bench.connected(tls=client_tls if mode == "implicit" else None)

    assert (await peer.rest()).startswith(b"521 ")


@pytest.mark.parametrize("end", ["cut", "drain"])
async def test_the_end_of_the_service_ends_it(start: Any, mode: str, end: str) -> None:
    """A client in the middle of its handshake does not hold it up."""
    bench = await start()
    await _at_handshake(bench, mode)
    await bench.sessions.wait_for(1)

    if end == "cut":
        bench.sessions.cut()
    else:
        await bench.sessions.drain(SOON)

    await bench.sessions.wait_for(0)


@pytest.mark.parametrize("closing", ["close", "reset"])
async def test_a_client_that_goes_away_is_told_of(start: Any, mode: str, closing: str) -> None:
    """Its session is over at once."""
    bench = await start()
    peer = await _at_handshake(bench, mode)
    await bench.sessions.wait_for(1)

    getattr(peer, closing)()

    failure = await bench.events.wait_for(events.TLS_FAILED)
    await bench.sessions.wait_for(0)
    assert failure["reason"] == "the client went away during the handshake"


NO_TLS = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "the client spoke HTTP"),
    "command": (b"EHLO client\r\n", "what the client sent is no TLS"),
    "bytes": (bytes(range(256)), "what the client sent is no TLS"),
    "zeros": (b"\0" * 1000, "what the client sent is no TLS"),
    "alert": (b"\x15\x03\x01\x00\x02\x02\x28", "what the client sent is no TLS"),
    "huge-record": (b"\x16\x03\x01\xff\xff" + b"x" * 70_000, "what the client sent is no TLS"),
}


@pytest.mark.parametrize("name", NO_TLS)
async def test_what_is_no_tls_ends_the_session(
    start: Any, mode: str, name: str, client_tls: ssl.SSLContext
) -> None:
    """With the event, which says what came and what to do; the next client is served."""
    bench = await start()
    peer = await _at_handshake(bench, mode)
    sent, reason = NO_TLS[name]

    peer.send(sent)
    await peer.rest()

    failure = await bench.events.wait_for(events.TLS_FAILED)
    await bench.sessions.wait_for(0)
    assert failure["reason"] == reason
    assert failure["hint"]
    assert failure["error"]
    assert failure["session"]
    assert failure["peer"] == "127.0.0.1"
    assert len(bench.events.of(events.TLS_FAILED)) == 1
    assert bench.events.of(events.INTERNAL_ERROR) == []
    good = await _at_handshake(bench, mode)
    await good.writer.start_tls(client_tls)


def _distrusting() -> ssl.SSLContext:
    return ssl.create_default_context()


def _old() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _without_a_cipher() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # for keys of RSA; ours is of an elliptic curve
    return context


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (_distrusting, "the client does not trust the certificate of the server"),
        (_old, "client and server have no version of TLS in common"),
        (_without_a_cipher, "client and server have no cipher in common"),
    ],
)
async def test_why_client_and_server_do_not_agree(
    start: Any, mode: str, context: Any, reason: str
) -> None:
    """The event says which of them it is."""
    bench = await start()
    host, port = bench.address

    def shake_hands() -> None:
        if mode == "implicit":
            smtplib.SMTP_SSL(host, port, timeout=10, context=context())
        else:
            smtplib.SMTP(host, port, timeout=10).starttls(context=context())

    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(shake_hands)  # asyncio's own client tells no server what it minds

    failure = await bench.events.wait_for(events.TLS_FAILED)
    await bench.sessions.wait_for(0)
    assert failure["reason"] == reason
