"""A listener bound through the stand-in SOCKS proxy: who connects, and what passes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.standin import Fault, SocksServer

from .bench import Log, bound, connected


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "socks4a"])
async def test_the_peer_is_the_client(proxy: SocksServer, log: Log, scheme: str) -> None:
    """`peername` is the client outside, `sockname` where it connected, `via` the path."""
    async with bound(proxy.url(scheme), log) as listener:
        external = listener.addresses[0]
        async with connected(external) as (_, writer):
            assert log.told("peername") == [writer.get_extra_info("sockname")]

    assert log.told("sockname") == [(external.host, external.port)]
    assert log.told("via") == [proxy.url(scheme)]


@pytest.mark.meets("socks5://", "unknown-peer")
async def test_a_hidden_peer_is_unknown(log: Log) -> None:
    """A proxy that tells 0.0.0.0:0 gives a session whose peer is None, not the proxy."""
    async with (
        SocksServer(faults=[Fault.HIDES_PEER]) as proxy,
        bound(proxy.url(), log) as listener,
        connected(listener.addresses[0]),
    ):
        assert log.told("peername") == [None]


@pytest.mark.meets("socks5://", "in-pieces")
@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("fault", [Fault.SPLITS, Fault.COALESCES])
async def test_replies_and_data_keep_apart(log: Log, scheme: str, fault: Fault) -> None:
    """The second reply is read byte-exact, and what the client says with it isn't lost."""
    async with SocksServer(faults=[fault]) as proxy, bound(proxy.url(scheme), log) as listener:
        address = listener.addresses[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"early\r\n")

        assert await reader.readline() == b"220 hello\r\n"
        assert await reader.readline() == b"early\r\n"
        writer.close()
        await writer.wait_closed()


async def test_a_login_is_used(log: Log) -> None:
    """User and password, percent-encoded in the URL, open a proxy that wants them."""
    async with (
        SocksServer(users={"me@home": "p:/#s"}) as proxy,
        bound(proxy.url(login="me%40home:p%3A%2F%23s"), log) as listener,
        connected(listener.addresses[0]),
    ):
        assert log.told("via") == [proxy.url(login="me%40home:***")]


async def test_a_socks4_user_id_is_sent(log: Log) -> None:
    """A user id is part of a SOCKS4 request, and harms nobody who doesn't ask for it."""
    async with (
        SocksServer(versions={4}) as proxy,
        bound(proxy.url("socks4", login="me"), log) as listener,
    ):
        assert listener.state is ListenerState.LISTENING


@pytest.mark.meets("socks5://", "ipv6-literal")
async def test_a_proxy_at_an_ipv6_address(log: Log) -> None:
    """A proxy whose address is IPv6 is dialled as such."""
    async with SocksServer() as proxy:
        url = f"socks5://[::ffff:127.0.0.1]:{proxy.address.port}"
        async with bound(url, log) as listener, connected(listener.addresses[0]):
            assert log.told("via") == [url]


async def test_an_ipv6_port(log: Log) -> None:
    """[::]:PORT has a proxy with IPv6 outside bind it there, and the peer is told as IPv6."""
    async with (
        SocksServer(external="::1") as proxy,
        bound(proxy.url(), log, endpoint=Endpoint("::", 0)) as listener,
        connected(listener.addresses[0], source="::1") as (_, writer),
    ):
        assert listener.addresses[0].host == "::1"
        assert log.told("peername") == [writer.get_extra_info("sockname")]


async def test_a_proxy_with_two_addresses_is_found_at_either(log: Log) -> None:
    """`localhost` works, whichever of its addresses the proxy listens on."""
    async with SocksServer() as proxy:
        url = f"socks5://localhost:{proxy.address.port}"
        async with bound(url, log) as listener, connected(listener.addresses[0]):
            assert len(log.transports) == 1


async def test_bytes_pass_both_ways(listener: Listener) -> None:
    """What a client sends arrives whole, and so does what comes back, to the end."""
    data = bytes(range(256)) * 4096
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(data)

        assert await reader.readexactly(len(data)) == data


async def test_small_writes_are_not_held_back_and_a_dead_proxy_is_noticed(
    listener: Listener, log: Log
) -> None:
    """Nagle's algorithm is off and keepalive on, with 60 s, 15 s and 4 probes."""
    async with connected(listener.addresses[0]):
        sock = log.transports[0].get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert [sock.getsockopt(socket.IPPROTO_TCP, name) for name in names] == [60, 15, 4]
