"""TLS on connections that come by an SSH server."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from contextlib import suppress
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from .bench import MEGABYTE, Bind, Log, connect


async def test_tls_from_the_first_byte(
    bind: Bind, log: Log, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """With a context, sessions are inside TLS, know their real peer, and carry megabytes."""
    listener = await bind(ssl=server_tls)
    peer = await connect(listener, ssl=client_tls, server_hostname="localhost")
    assert (await peer.ask(b"who")).decode() == peer.name
    peer.writer.write(bytes(MEGABYTE))

    assert len(await peer.reader.readexactly(MEGABYTE)) == MEGABYTE
    assert log.sessions[0].transport.get_extra_info("ssl_object") is not None
    await peer.close()
    await log.ended.wait()
    assert len(log.ends) == 1


async def test_a_peer_without_tls_is_dropped(
    bind: Bind, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Who speaks in clear where TLS is wanted loses the connection; others don't notice."""
    listener = await bind(ssl=server_tls)
    clear = await connect(listener)
    clear.writer.write(b"EHLO there\r\n" * 10)
    with suppress(ConnectionResetError):
        await clear.reader.read()
    peer = await connect(listener, ssl=client_tls, server_hostname="localhost")

    assert await peer.ask(b"hello") == b"hello"
    await clear.close()
    await peer.close()


class Kept:
    """An aiosmtpd handler that keeps messages, with who sent them."""

    def __init__(self) -> None:
        self.mails: list[tuple[object, bytes, bool]] = []

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """Keep."""
        self.mails.append((session.peer, envelope.content, session.ssl is not None))
        return "250 OK"


def send(port: int, trust: ssl.SSLContext, body: str) -> tuple[str, int]:
    """Send a mail after STARTTLS; blocks. Gives the client's own address."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client") as client:
        assert client.sock is not None
        name: tuple[str, int] = client.sock.getsockname()
        client._host = "localhost"  # type: ignore[attr-defined] # the name that is verified
        client.starttls(context=trust)
        client.sendmail("a@example.com", ["b@example.com"], body)
    return name


async def test_starttls_of_aiosmtpd(
    bind: Bind, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """aiosmtpd's own STARTTLS works inside SSH, and the peer is still the real one afterwards."""
    kept = Kept()
    loop = asyncio.get_running_loop()
    listener = await bind(
        lambda: SMTP(kept, hostname="mx", tls_context=server_tls, loop=loop, timeout=30)
    )

    name = await asyncio.to_thread(
        send, listener.addresses[0].port, client_tls, "Subject: x\n\n" + "0123456789\n" * 100_000
    )

    peer, content, is_tls = kept.mails[0]
    assert (peer, is_tls) == (name, True)
    assert len(content) == 1_200_014


async def test_start_tls_of_asyncio(
    bind: Bind, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, log: Log
) -> None:
    """asyncio's loop.start_tls takes the transport; uvloop's takes none but its own."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    session = log.sessions[0]
    loop = asyncio.get_running_loop()
    upgrade = loop.start_tls(session.transport, session, server_tls, server_side=True)
    if type(loop).__module__.startswith("uvloop"):
        with pytest.raises(TypeError):
            await upgrade
    else:
        client = peer.writer.start_tls(client_tls, server_hostname="localhost")
        transport, _ = await asyncio.gather(upgrade, client)
        assert transport is not None
        session.transport = transport
        assert await peer.ask(b"inside") == b"inside"
    await peer.close()
