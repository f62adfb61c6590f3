"""TLS on connections that come by a SOCKS proxy, begun by either side."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from aiosmtpd.smtp import SMTP

from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.standin import SocksServer

from .bench import ANY, Log, connected, provider_for, quit_session


async def test_protocol_can_be_exchanged(listener: Listener) -> None:
    """set_protocol works in the middle of a session."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"upgrade\r\n")
        await reader.readline()
        writer.write(b"hello\r\n")

        assert await reader.readline() == b"HELLO\r\n"


async def test_starttls_of_aiosmtpd(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """After STARTTLS the session speaks TLS, knows its true peer, and frees the port at QUIT."""
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(object(), hostname="localhost", tls_context=contexts[0]))
        return sessions[-1]

    listener = await provider_for(proxy.url()).create_server(session, ANY, report=log.report)
    for _ in range(3):
        address = listener.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await reader.readline()
        writer.write(b"STARTTLS\r\n")
        await reader.readline()
        await writer.start_tls(contexts[1], server_hostname="localhost")
        writer.write(b"EHLO localhost\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass

        assert sessions[-1].session is not None
        assert sessions[-1].session.ssl is not None
        assert sessions[-1].session.peer == writer.get_extra_info("sockname")
        writer.write(b"QUIT\r\n")
        await reader.readline()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        await log.until(ListenerState.LISTENING)
    listener.close()
    await listener.wait_closed()


async def test_implicit_tls(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """With a context sessions are inside TLS, their peer is true, and the next one comes."""
    listener = await provider_for(proxy.url()).create_server(
        log.session, ANY, ssl=contexts[0], report=log.report
    )
    address = listener.addresses[0]
    for number in range(3):
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=contexts[1], server_hostname="localhost"
        )
        assert await reader.readline() == b"220 hello\r\n"
        assert log.told("peername")[number] == writer.get_extra_info("sockname")
        await quit_session(reader, writer)
        with suppress(OSError):
            await writer.wait_closed()
        await log.until(ListenerState.LISTENING)
    listener.close()
    await listener.wait_closed()

    assert log.lost == [None, None, None]


async def test_client_that_fails_the_handshake_harms_nobody(
    proxy: SocksServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Somebody who speaks no TLS is cut off, and the next one is served."""
    listener = await provider_for(proxy.url()).create_server(
        log.session, ANY, ssl=contexts[0], report=log.report
    )
    address = listener.addresses[0]
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"EHLO localhost\r\n" * 10)
    with suppress(ConnectionResetError):
        await reader.read()
    writer.close()
    await log.until(ListenerState.LISTENING)
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=contexts[1], server_hostname="localhost"
    )

    assert await reader.readline() == b"220 hello\r\n"
    assert len(log.transports) == 1
    writer.transport.abort()
    listener.close()
    await listener.wait_closed()
