"""What is closed because its header is missing, late, cut off or not trusted."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint

from .bench import V1, V2, Bench, Echo, Warnings, listening


@pytest.mark.meets("proxy_protocol", "none")
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"EHLO client\r\n", r"EHLO client\r\n"),
        (b"\x16\x03\x01\x02\0\x01", r"\x16\x03\x01\x02\x00\x01"),
        (b"PROXY TCP4 192.0.2.1\r\n", r"PROXY TCP4 192.0.2.1\r\n"),
        (V2[:12] + b"\x11" + V2[13:], r"\r\n\r\n\x00\r\nQUIT\n\x11\x11"),
        (b"x" * 100, "x" * 40 + "..."),
    ],
    ids=["smtp", "tls", "v1", "v2", "long"],
)
async def test_no_header(
    bench: Bench, sessions: list[Echo], warnings: Warnings, sent: bytes, received: str
) -> None:
    """Anything else is closed without an answer; one warning tells who, what, and what to do."""
    peer = await bench.connect(sent)

    assert await peer.closed() == b""
    (said,) = warnings.seen
    host, port = cast("tuple[str, int]", peer.name)
    assert said["sender"] == f"{host}:{port}"
    assert str(said["received"]).startswith(received)
    assert said["hint"] == "HAProxy must send it: send-proxy or send-proxy-v2"
    assert sessions == []


@pytest.mark.meets("proxy_protocol", "left", "cut-off")
@pytest.mark.parametrize("sent", [b"", V1[:-2], V2[:14], V2[:-1]])
async def test_a_header_that_is_cut_off(
    bench: Bench, sessions: list[Echo], warnings: Warnings, sent: bytes
) -> None:
    """A connection that ends before its header does is reported once."""
    peer = await bench.connect(sent)
    peer.writer.write_eof()

    assert await peer.closed() == b""
    assert "ended early" in (await warnings.first())["reason"]
    assert len(warnings.seen) == 1
    assert sessions == []


@pytest.mark.meets("proxy_protocol", "silent", "late")
@pytest.mark.parametrize("sent", [b"", V1[:-2], V2[:-1]], ids=["silence", "v1", "v2"])
async def test_a_header_that_is_late(sessions: list[Echo], warnings: Warnings, sent: bytes) -> None:
    """Without a whole header in time the connection is closed; the time is told."""
    async with listening(lambda: Echo(sessions), seconds=0.05) as bench:
        peer = await bench.connect(sent)

        assert await peer.closed() == b""
        assert "within 0.05 s" in (await warnings.first())["reason"]
        assert ("check-send-proxy" in warnings.seen[0]["hint"]) == (not sent)
        assert sessions == []


@pytest.mark.meets("proxy_protocol", "untrusted")
@pytest.mark.parametrize("trusted", [("127.0.0.2",), ("10.0.0.0/8", "::/0")])
async def test_an_untrusted_sender(
    sessions: list[Echo], warnings: Warnings, trusted: tuple[str, ...]
) -> None:
    """Whoever isn't on the list is closed, however good the header."""
    async with listening(lambda: Echo(sessions), trusted=trusted) as bench:
        peer = await bench.connect(V2)

        assert await peer.closed() == b""
        assert (await warnings.first())["reason"] == "the sender is not trusted"
        assert len(warnings.seen) == 1
        assert sessions == []


async def test_a_unix_sender_is_trusted(sessions: list[Echo], tmp_path: Path) -> None:
    """Who may connect to a Unix socket is for its mode to say."""
    async with listening(lambda: Echo(sessions), endpoint=Endpoint(path=str(tmp_path / "s"))) as b:
        peer = await b.connect(V2)
        await peer.say(b"hello")

        assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_closing_the_listener_ends_who_has_no_header(
    bench: Bench, sessions: list[Echo], warnings: Warnings
) -> None:
    """What isn't a session yet goes with the listener, silently; the session beside it lives."""
    waiting = await bench.connect(V2[:-1])
    session = await bench.connect(V2)
    await session.say(b"hello")

    bench.listener.close()

    assert await waiting.closed() == b""
    await session.say(b"still here")
    assert len(sessions) == 1
    assert warnings.seen == []
