"""A listener bound through the stand-in Winsock Proxy: who connects, and what passes."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

import pytest
from aiosmtpd.smtp import SMTP

from bindpost.proxy.provider import Listener
from bindpost.proxy.winsock.standin import WinsockProxyServer

from .bench import HERE, INTERNAL, PEER, Log, connected, name_of, provider_for


async def test_peer_outside_is_told_as_the_peer(listener: Listener, log: Log) -> None:
    """Somebody who connects to the proxy is the peer, and not the proxy."""
    async with connected(listener.addresses[0]) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()


async def test_extra_info_of_a_proxied_connection(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """`sockname` is the address that the peer connected to, `via` the path."""
    external = listener.addresses[0]
    async with connected(external) as (reader, _):
        await reader.readline()

    assert log.told("sockname") == [(external.host, external.port)]
    assert log.told("via") == [proxy.url]


@pytest.mark.parametrize("source", [PEER, INTERNAL])
async def test_direct_local_client_keeps_its_address(
    listener: Listener, log: Log, source: str
) -> None:
    """A client of the local port is told as it is, even one from the proxy's own address."""
    async with connected(listener.addresses[1], source=source) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()

    assert log.told("via") == [None]


async def test_bytes_pass_both_ways(listener: Listener) -> None:
    """What a peer sends arrives whole, and so does what comes back, to the end."""
    data = bytes(range(256)) * 4096
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(data)

        assert await reader.readexactly(len(data)) == data
        writer.write_eof()
        assert await reader.read() == b""


async def test_many_peers_through_one_bind(listener: Listener) -> None:
    """Connections at once come through one bind, each with its true peer."""

    async def visit(number: int) -> bool:
        async with connected(listener.addresses[0], source=f"127.0.0.{number}") as streams:
            reader, writer = streams
            greeting = await reader.readline()
            writer.write(b"%d\n" % number)
            echo = await reader.readline()
            return (greeting, echo) == (f"{name_of(writer)}\n".encode(), b"%d\n" % number)

    assert all(await asyncio.gather(*(visit(number) for number in range(10, 110))))


async def test_reset_by_the_peer_ends_the_session(listener: Listener, log: Log) -> None:
    """A peer's RST reaches the session through the proxy."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.transport.abort()

    await log.ended.wait()


async def test_protocol_can_be_exchanged_on_a_proxied_connection(listener: Listener) -> None:
    """set_protocol works on the wrapped transport."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(b"upgrade\n")
        await reader.readline()
        writer.write(b"hello\n")

        assert await reader.readline() == b"HELLO\n"


async def test_starttls_of_aiosmtpd_works_and_keeps_the_peer(
    proxy: WinsockProxyServer, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """After STARTTLS through the proxy the session speaks TLS and knows its true peer."""
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(object(), hostname="localhost", tls_context=contexts[0]))
        return sessions[-1]

    listener = await provider_for(proxy).create_server(session, HERE)
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        writer.write(b"EHLO localhost\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        writer.write(b"STARTTLS\r\n")
        await reader.readline()
        await writer.start_tls(contexts[1], server_hostname="localhost")
        writer.write(b"EHLO localhost\r\n")

        assert (await reader.readline()).startswith(b"250-")
        assert sessions[0].session is not None
        assert sessions[0].session.ssl is not None
        assert sessions[0].session.peer == writer.get_extra_info("sockname")
        assert sessions[0].transport is not None
        sessions[0].transport.close()
    listener.close()
    await listener.wait_closed()


async def test_implicit_tls_keeps_the_peer(
    proxy: WinsockProxyServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """With a context sessions are inside TLS, and their peer is the true one."""
    listener = await provider_for(proxy).create_server(log.session, HERE, ssl=contexts[0])
    async with connected(listener.addresses[0]) as (reader, writer):
        await writer.start_tls(contexts[1], server_hostname="localhost")

        assert await reader.readline() == f"{name_of(writer)}\n".encode()
        log.transports[0].abort()
    listener.close()
    await listener.wait_closed()


async def test_client_that_fails_the_handshake_harms_nobody(
    proxy: WinsockProxyServer, log: Log, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """Somebody who speaks no TLS is cut off, and the next one is served."""
    listener = await provider_for(proxy).create_server(log.session, HERE, ssl=contexts[0])
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"EHLO localhost\r\n" * 10)
        with suppress(ConnectionResetError):
            await reader.read()
    async with connected(listener.addresses[0]) as (reader, writer):
        await writer.start_tls(contexts[1], server_hostname="localhost")

        assert await reader.readline()
        log.transports[0].abort()
    listener.close()
    await listener.wait_closed()
