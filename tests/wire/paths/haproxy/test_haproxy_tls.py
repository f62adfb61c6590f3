"""TLS behind a header of the PROXY protocol."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .bench import PATIENCE, V1, V2, Echo, Peer, listening, smtp


async def test_implicit_tls(
    sessions: list[Echo], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """With a context, TLS begins behind the header; the session sees the real peer."""
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2)
        await peer.writer.start_tls(client_tls, server_hostname="localhost")
        await peer.say(b"hello")

        assert sessions[0].told("peername", "via") == [("192.0.2.1", 56324), "direct:"]
        assert sessions[0].told("sslcontext") == [server_tls]
        assert sessions[0].transport.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_a_handshake_right_behind(
    sessions: list[Echo], server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """A client's hello that comes in one piece with the header is not lost."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2 + outgoing.read())
        async with asyncio.timeout(PATIENCE):
            while tls.version() is None or incoming.pending == 0:
                incoming.write(await peer.reader.read(65536))
                with suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    break
        tls.write(b"hello")
        peer.send(outgoing.read())
        answer = b""
        while not answer:
            incoming.write(await peer.reader.read(65536))
            with suppress(ssl.SSLWantReadError):
                answer = tls.read(100)

        assert answer == b"hello"
        assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_no_handshake(sessions: list[Echo], server_tls: ssl.SSLContext) -> None:
    """Plain SMTP behind the header, where TLS is wanted, ends the connection and nothing else."""
    async with listening(lambda: Echo(sessions), tls=server_tls) as bench:
        peer = await bench.connect(V2 + b"EHLO client\r\n")

        assert b"EHLO" not in await peer.closed()
        other = await bench.connect(V2)
        assert not other.reader.at_eof()


async def send_mail(say: Callable[[bytes], Any]) -> None:
    """Have a mail accepted."""
    for command, code in (
        (b"EHLO client", b"250"),
        (b"MAIL FROM:<a@example.org>", b"250"),
        (b"RCPT TO:<b@example.org>", b"250"),
        (b"DATA", b"354"),
        (b"Subject: hi\r\n\r\nhello\r\n.", b"250"),
    ):
        assert (await say(command + b"\r\n")).startswith(code)


async def reply(peer: Peer) -> bytes:
    """Give the next reply's last line."""
    async with asyncio.timeout(PATIENCE):
        while (line := await peer.reader.readline())[3:4] == b"-":
            pass
    return line


async def test_mail_by_starttls(certificate: Path, client_tls: ssl.SSLContext) -> None:
    """The real session keeps the real peer through STARTTLS, and so does the mail."""
    async with smtp(certificate, implicit=False) as (bench, store):
        peer = await bench.connect(V1 + b"EHLO client\r\n")

        async def say(data: bytes) -> bytes:
            peer.send(data)
            return await reply(peer)

        assert (await reply(peer)).startswith(b"220")
        assert (await reply(peer)).startswith(b"250")
        assert (await say(b"STARTTLS\r\n")).startswith(b"220")
        await peer.writer.start_tls(client_tls, server_hostname="localhost")
        await send_mail(say)
        await say(b"QUIT\r\n")
        (row,) = await store.find()

        assert row.session.peer == "192.0.2.1:56324"
        assert row.session.tls_version == "TLSv1.3"


async def test_mail_by_implicit_tls(certificate: Path, client_tls: ssl.SSLContext) -> None:
    """The real session is inside TLS from its banner on, and the mail tells the real peer."""
    async with smtp(certificate, implicit=True) as (bench, store):
        peer = await bench.connect(V2)
        await peer.writer.start_tls(client_tls, server_hostname="localhost")

        async def say(data: bytes) -> bytes:
            peer.send(data)
            return await reply(peer)

        assert (await reply(peer)).startswith(b"220")
        await send_mail(say)
        await say(b"QUIT\r\n")
        (row,) = await store.find()

        assert row.session.peer == "192.0.2.1:56324"
        assert row.session.tls_version == "TLSv1.3"
