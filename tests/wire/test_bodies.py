"""Bodies of every kind are kept byte for byte, and too large ones are refused in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bindpost.config.model import Ims, Limits

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Peer, Serve

MIB = 1 << 20
END = b".\r\n"

BODIES = {
    "nothing": b"",
    "empty-line": b"\r\n",
    "one-byte": b"x\r\n",
    "bare-CR": b"a\rb\r\r\rc\r\n",
    "bare-LF": b"a\nb\n\n\nc\r\n",
    "LFCR": b"a\n\rb\n\r\r\n",
    "every-byte": bytes(range(256)) + b"\r\n",
    "every-byte-on-a-line": b"".join(
        bytes([byte]) + b"\r\n" for byte in range(256) if byte != 0x2E
    ),
    "no-header": b"just text, and no header at all\r\n",
    "8-bit": "Subject: Grüße\r\n\r\n日本\r\n".encode(),
    "NULs": b"\0" * 5000 + b"\r\n",
    "at-the-reader's-limit": b"".join(b"x" * length + b"\r\n" for length in range(2040, 2060)),
    "CRs-at-the-reader's-limit": b"".join(
        b"x" * length + b"\r\r\n" for length in range(2040, 2060)
    ),
    "blank-lines": b"\r\n" * 5000,
}


@contextmanager
def _at_most(size: int) -> Iterator[None]:
    """See that what is done within allocates no more than so many bytes at once."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size, f"{peak / MIB:.1f} MiB"


async def _deliver(bench: Bench, data: bytes) -> bytes:
    peer = await bench.data()
    peer.send(data)
    reply = await peer.reply()
    assert (await peer.say("QUIT")).startswith(b"221")
    return reply


async def _still_takes_mail(peer: Peer, bench: Bench) -> None:
    """The session goes on, and its next message is kept."""
    kept = len(await bench.kept())
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>"):
        assert (await peer.say(command)).startswith(b"250")
    assert (await peer.say("DATA")).startswith(b"354")
    assert (await peer.say("next\r\n.")).startswith(b"250")
    assert (await bench.kept())[kept:] == [b"next\r\n"]


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_is_kept_as_it_came(serve: Serve, name: str) -> None:
    """Nothing is added, converted or lost."""
    bench = await serve()

    assert (await _deliver(bench, BODIES[name] + END)).startswith(b"250")

    assert await bench.kept() == [BODIES[name]]


@pytest.mark.parametrize(
    ("sent", "kept"),
    {
        b"..\r\n": b".\r\n",
        b"...\r\n": b"..\r\n",
        b".x\r\n": b"x\r\n",
        b"x\r\n..x\r\n": b"x\r\n.x\r\n",
        b"x.\r\n.\n\r\n": b"x.\r\n\n\r\n",
        b".\r\r\n": b"\r\r\n",
        b"." + b"x" * 5000 + b"\r\n": b"x" * 5000 + b"\r\n",
        b"x" * 2047 + b".\r\n": b"x" * 2047 + b".\r\n",
        b"x" * 4095 + b"\r\n..\r\n": b"x" * 4095 + b"\r\n.\r\n",
    }.items(),
)
async def test_one_leading_dot_is_taken_off(serve: Serve, sent: bytes, kept: bytes) -> None:
    """A dot at the start of a line is not content, wherever the line is cut (RFC 5321, 4.5.2)."""
    bench = await serve()

    await _deliver(bench, sent + END)

    assert await bench.kept() == [kept]


async def test_a_line_of_5_mib_is_kept(serve: Serve) -> None:
    """A line may be of any length."""
    bench = await serve()
    body = b"x" * (5 * MIB) + b"\r\n"

    assert (await _deliver(bench, body + END)).startswith(b"250")

    assert await bench.kept() == [body]


async def test_200_000_header_lines_are_kept(serve: Serve) -> None:
    """A message may have any number of header lines."""
    bench = await serve()
    body = b"".join(b"X-%d: y\r\n" % number for number in range(200_000))

    assert (await _deliver(bench, body + END)).startswith(b"250")

    assert await bench.kept() == [body]


@pytest.mark.parametrize(("extra", "code"), [(-1, b"250"), (0, b"250"), (1, b"552")])
async def test_the_limit_is_exact(serve: Serve, extra: int, code: bytes) -> None:
    """A message of the limit's size is taken whole, one more is not; stuffed dots do not count."""
    bench = await serve(limits=Limits(message_size=1000))
    body = b".." + b"x" * (1000 + extra - 3) + b"\r\n"

    assert (await _deliver(bench, body + END))[:3] == code

    assert await bench.kept() == ([body[1:]] if code == b"250" else [])


@pytest.mark.parametrize(
    ("announced", "process", "size"), [(10, 100, 10), (100, 10, 10), (0, 10, 10)]
)
async def test_the_smaller_limit_counts(
    serve: Serve, announced: int, process: int, size: int
) -> None:
    """InboundSizeLimit (KB Q231303) and the process's own limit both hold."""
    bench = await serve(ims=Ims(inbound_size_limit=announced), limits=Limits(message_size=process))
    peer = await bench.ehlo()

    assert (await peer.say(f"MAIL FROM:<a@b> SIZE={size + 1}")).startswith(b"552")
    assert (await peer.say(f"MAIL FROM:<a@b> SIZE={size}")).startswith(b"250")
    assert (await peer.say("RCPT TO:<a@b>")).startswith(b"250")
    assert (await peer.say("DATA")).startswith(b"354")
    assert (await peer.say(b"x" * (size - 1) + b"\r\n.")).startswith(b"552")


async def test_a_line_over_the_limit_costs_no_memory(serve: Serve) -> None:
    """A line of 64 MiB and a byte is read away in bounded memory, and the session goes on."""
    bench = await serve(limits=Limits(message_size=MIB))
    peer = await bench.data()
    piece = b"x" * (64 * 1024)

    with _at_most(8 * MIB):
        await peer.flood(piece, 1024)
        peer.send(b"x\r\n" + END)
        reply = await peer.reply()

    assert reply.startswith(b"552")
    assert await bench.kept() == []
    await _still_takes_mail(peer, bench)


async def test_a_line_over_the_default_limit_costs_little_more_than_the_limit(serve: Serve) -> None:
    """With the default of 64 MiB no more than that is held, and what is too large is let go."""
    bench = await serve()
    peer = await bench.data()
    piece = b"x" * (64 * 1024)

    with _at_most(100 * MIB):
        await peer.flood(piece, 1024)
        peer.send(b"x\r\n" + END)
        reply = await peer.reply()

    assert reply.startswith(b"552")
    await _still_takes_mail(peer, bench)


async def test_many_lines_over_the_limit_cost_no_memory(serve: Serve) -> None:
    """Short lines are counted like long ones."""
    bench = await serve(limits=Limits(message_size=MIB))
    peer = await bench.data()
    piece = (b"x" * 998 + b"\r\n") * 64

    with _at_most(8 * MIB):
        await peer.flood(piece, 64)
        peer.send(END)
        reply = await peer.reply()

    assert reply.startswith(b"552")
    await _still_takes_mail(peer, bench)


async def test_a_refused_size_can_be_followed_by_another_message(serve: Serve) -> None:
    """552 at MAIL opens no transaction (RFC 1870, 6.3)."""
    bench = await serve(personality="plain", limits=Limits(message_size=1000))
    peer = await bench.ehlo()

    assert (await peer.say("MAIL FROM:<a@b> SIZE=1001")).startswith(b"552")

    await _still_takes_mail(peer, bench)
