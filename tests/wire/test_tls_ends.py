"""The end of sessions inside TLS, on both kinds of listeners and on both loops."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.config.model import Limits, Tls

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Clock, Peer, Serve

pytestmark = [
    pytest.mark.parametrize("mode", ["implicit", "starttls"]),
    pytest.mark.parametrize(
        "anyio_backend",
        [
            pytest.param("asyncio", id="asyncio"),
            pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
        ],
    ),
]
TRANSACTION = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n"


async def _inside(
    serve: Serve, context: ssl.SSLContext, mode: str, bench: Bench | None = None, **settings: Any
) -> tuple[Bench, Peer]:
    """Give a service, a new one unless there is one, and a client of it inside TLS."""
    bench = bench or await serve(
        tls=Tls(certificate="self-signed"),
        listener_tls="implicit" if mode == "implicit" else "starttls",
        **settings,
    )
    if mode == "implicit":
        peer = await bench.connected(tls=context)
        assert (await peer.reply()).startswith(b"220")
    else:
        peer = await bench.greeted()
        assert (await peer.say("STARTTLS")).startswith(b"220")
        await peer.writer.start_tls(context)
    return bench, peer


@pytest.mark.parametrize("after", [b"", b"NOOP\r\n", b"NOOP\r\n" * 100, TRANSACTION])
@pytest.mark.parametrize("closing", ["FIN", "RST", "none"])
async def test_what_follows_quit_is_not_heard(
    serve: Serve, client_tls: ssl.SSLContext, mode: str, after: bytes, closing: str
) -> None:
    """Commands behind QUIT do nothing, and the session ends however the client goes."""
    bench, peer = await _inside(serve, client_tls, mode)

    peer.send(b"NOOP\r\nQUIT\r\n" + after)
    if closing == "none":
        assert [line[:3] for line in (await peer.rest()).splitlines()] == [b"250", b"221"]
    {"FIN": peer.close, "RST": peer.reset, "none": peer.close}[closing]()

    await bench.sessions.wait_for(0)
    assert await bench.kept() == []


@pytest.mark.parametrize("last", [b"", b"QUIT\r\n", b"QUIT\r\nNOOP\r\n"])
async def test_a_client_that_takes_no_replies_is_cut(
    serve: Serve, clock: Clock, client_tls: ssl.SSLContext, mode: str, last: bytes
) -> None:
    """Who never reads holds its connection no longer than the limit, twice."""
    bench, peer = await _inside(serve, client_tls, mode, limits=Limits(command_timeout=60))
    peer.stop_reading()

    peer.send(b"HELP\r\n" * 20_000 + last)

    await clock.move_on(61)
    await bench.events.wait_for(events.CLIENT_DROPPED)
    await clock.move_on(61)
    await bench.sessions.wait_for(0)


async def test_who_takes_no_replies_is_cut_at_the_end(
    serve: Serve, client_tls: ssl.SSLContext, mode: str
) -> None:
    """Nor does it hold up the end of the service."""
    bench, peer = await _inside(serve, client_tls, mode)
    peer.stop_reading()
    peer.send(b"HELP\r\n" * 20_000)

    await bench.sessions.drain(0.2)

    assert len(bench.sessions) == 0


async def test_a_goodbye_that_is_not_taken_can_be_cut(
    serve: Serve, client_tls: ssl.SSLContext, mode: str
) -> None:
    """Sessions that are closing, with replies that wait for their clients, end when all are cut."""
    bench, _ = await _inside(serve, client_tls, mode)
    for replies in range(500, 10_000, 1500):
        _, peer = await _inside(serve, client_tls, mode, bench=bench)
        peer.stop_reading()
        peer.send(b"HELP\r\n" * replies + b"QUIT\r\nNOOP\r\n")

    async with asyncio.timeout(5):
        await bench.sessions.drain(0.2)

    assert len(bench.sessions) == 0


async def test_an_idle_session_is_told(serve: Serve, client_tls: ssl.SSLContext, mode: str) -> None:
    """The 421 at the end of the service comes inside TLS."""
    bench, peer = await _inside(serve, client_tls, mode)
    assert (await peer.say("NOOP")).startswith(b"250")

    await bench.sessions.drain(60)

    assert (await peer.rest()).startswith(b"421")


async def test_a_session_is_cut(serve: Serve, client_tls: ssl.SSLContext, mode: str) -> None:
    """Cutting ends a session inside TLS at once."""
    bench, peer = await _inside(serve, client_tls, mode)
    assert (await peer.say("NOOP")).startswith(b"250")

    bench.sessions.cut()

    await bench.sessions.wait_for(0)


async def test_a_silent_client_is_dropped(
    serve: Serve, clock: Clock, client_tls: ssl.SSLContext, mode: str
) -> None:
    """The command time-out holds inside TLS too."""
    bench, peer = await _inside(serve, client_tls, mode, limits=Limits(command_timeout=60))
    await clock.move_on(61)

    await bench.events.wait_for(events.CLIENT_DROPPED)
    await bench.sessions.wait_for(0)

    assert await peer.rest() == b""
