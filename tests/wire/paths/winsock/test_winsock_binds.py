"""What a bind through a Winsock Proxy holds, and that it leaves nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer

from .bench import EXTERNAL, HERE, INTERNAL, Log, connected, provider_for


async def test_addresses_are_outside_and_here(
    proxy: WinsockProxyServer, listener: Listener
) -> None:
    """Peers are told the proxy's address first, with the same port as the local one."""
    outside, here = listener.addresses

    assert (outside.host, here.host) == (EXTERNAL, INTERNAL)
    assert outside.port == here.port != 0
    assert proxy.bound == [(outside.host, outside.port)]
    assert listener.capacity is None
    assert listener.state is ListenerState.LISTENING


async def test_host_name_is_bound_by_its_ipv4_address(proxy: WinsockProxyServer, log: Log) -> None:
    """`localhost` is bound remotely as 127.0.0.1."""
    listener = await provider_for(proxy).create_server(log.session, Endpoint("localhost", 0))

    assert [address.host for address in listener.addresses] == [EXTERNAL, INTERNAL]
    listener.close()
    await listener.wait_closed()


async def test_close_ends_the_remote_bind_and_leaves_nothing(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """After close the proxy holds nothing, and no task is left here."""
    before = asyncio.all_tasks()
    listener = await provider_for(proxy).create_server(log.session, HERE)

    listener.close()
    listener.close()
    await listener.wait_closed()
    await proxy.idle()

    assert proxy.bound == []
    assert asyncio.all_tasks() == before
    for address in listener.addresses:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)


async def test_close_leaves_live_sessions(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """A proxied session goes on after its listener is closed and gone."""
    async with connected(listener.addresses[0]) as (reader, writer):
        await reader.readline()
        listener.close()
        await listener.wait_closed()
        await proxy.idle()
        writer.write(b"still here\n")

        assert await reader.readline() == b"still here\n"


async def test_close_drops_a_connection_that_nobody_has_yet(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """A connection that waits for its notice is closed with the listener."""
    config = ClientConfig.for_server(*proxy.address, application="msexcimc", origin="test")
    provider = WinsockProvider(config, grace=3600.0)
    listener = await provider.create_server(log.session, HERE)
    async with connected(listener.addresses[1], source=INTERNAL) as (reader, _):
        listener.close()
        await listener.wait_closed()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""

    assert log.transports == []


@pytest.mark.parametrize("steps", range(30))
async def test_cancelling_leaves_nothing(proxy: WinsockProxyServer, log: Log, steps: int) -> None:
    """A bind that is cancelled, at whatever point, holds nothing here or on the proxy."""
    before = asyncio.all_tasks()
    endpoint = Endpoint(INTERNAL, free_port(INTERNAL))
    task = asyncio.create_task(provider_for(proxy).create_server(log.session, endpoint))
    for _ in range(steps):
        await asyncio.sleep(0)

    task.cancel()
    with suppress(asyncio.CancelledError):
        finished = await task
        finished.close()
        await finished.wait_closed()
    await proxy.idle()

    assert proxy.bound == []
    assert asyncio.all_tasks() == before
    again = await provider_for(proxy).create_server(log.session, endpoint)
    again.close()
    await again.wait_closed()
