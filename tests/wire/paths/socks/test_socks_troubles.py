"""What goes wrong with a SOCKS listener after its bind, and what is not asked for."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import ConfigError
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.socks.standin import Fault, SocksServer
from bindpost.proxy.socks.timing import Timing

from .bench import ANY, QUICK, Log, bound, connected, provider_for, quit_session

# What goes wrong later


async def test_a_proxy_that_restarts(log: Log) -> None:
    """The loss is reported as RETRYING with its error, the recovery as LISTENING."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url()).create_server(
            log.session, ANY, report=log.report
        )
    lost = await log.until(ListenerState.RETRYING)
    refused = await log.until(ListenerState.RETRYING)
    assert listener.state is ListenerState.RETRYING
    async with SocksServer(port=proxy.address.port):
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0]) as streams:
            await quit_session(*streams)
        listener.close()
        await listener.wait_closed()

    assert lost is not None
    assert (lost.code, lost.hop) == (10050, "accept")
    assert "10054 WSAECONNRESET" in lost.detail
    assert refused is not None
    assert (refused.code, refused.hop) == (10050, "connect")
    assert "10061 WSAECONNREFUSED" in refused.detail


async def test_the_same_trouble_is_reported_once(log: Log) -> None:
    """However often it is tried: a cause is reported when it begins, not with each attempt."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url(), timing=Timing(pauses=(0.0,))).create_server(
            log.session, ANY, report=log.report
        )
    for _ in range(2):
        await log.until(ListenerState.RETRYING)
    async with SocksServer(port=proxy.address.port, faults=[Fault.CLOSES_GREETING]) as decoy:
        closed = await log.until(ListenerState.RETRYING)
        for _ in range(10):
            await decoy.busy()
            await decoy.idle()
        listener.close()
        await listener.wait_closed()

    assert closed is not None
    assert closed.hop == "greeting"
    assert log.states() == []


async def test_a_bind_that_is_lost_again_and_again(log: Log) -> None:
    """A proxy that drops each bind at once isn't asked in a tight loop: the pauses go on."""
    timing = Timing(pauses=(0.0, 0.0, 3600.0))
    async with SocksServer(faults=[Fault.DIES]) as dying, bound(dying.url(), log, timing=timing):
        for _ in range(3):
            assert await log.until(ListenerState.RETRYING) is not None
        await dying.idle()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await dying.busy()


async def test_a_rule_that_forbids_is_retried_slowly(log: Log) -> None:
    """After a loss, a refusal by the rules is tried again after `slow`, not in milliseconds."""
    proxy = SocksServer()
    async with proxy:
        listener = await provider_for(proxy.url()).create_server(
            log.session, ANY, report=log.report
        )
    async with SocksServer(port=proxy.address.port, reply=0x02):
        error = await log.until(ListenerState.RETRYING)
        while error is None or "0x02" not in error.detail:
            error = await log.until(ListenerState.RETRYING)
        refused = asyncio.get_running_loop().time()
    async with SocksServer(port=proxy.address.port):
        await log.until(ListenerState.LISTENING)
        waited = asyncio.get_running_loop().time() - refused
        listener.close()
        await listener.wait_closed()

    assert error.hint.startswith("let the proxy's rules allow BIND")
    assert waited > QUICK.slow * 0.9


async def test_a_port_that_somebody_else_takes(proxy: SocksServer, log: Log) -> None:
    """A port that is gone when the session has ended is 10048, and bound again when it is free."""
    async with bound(proxy.url(), log, timing=replace(QUICK, patience=0.1)) as listener:
        address = listener.addresses[0]
        async with connected(address) as streams:
            await log.until(ListenerState.BUSY)
            proxy.taken.add(address.port)
            await quit_session(*streams)
        error = await log.until(ListenerState.RETRYING)
        proxy.taken.clear()
        await log.until(ListenerState.LISTENING)
        async with connected(address) as streams:
            await quit_session(*streams)

    assert error is not None
    assert error.code == 10048
    assert f"instead of {address.port}" in error.detail


async def test_a_port_that_is_let_go_a_moment_later(proxy: SocksServer, log: Log) -> None:
    """A proxy that needs a moment to let go of the port is no trouble, and not reported."""
    async with bound(proxy.url(), log, timing=Timing(patience=3600)) as listener:
        address = listener.addresses[0]
        async with connected(address) as streams:
            await log.until(ListenerState.BUSY)
            proxy.taken.add(address.port)
            await quit_session(*streams)
        await proxy.idle()
        await proxy.busy()  # the first try to bind again, which gets another port
        await proxy.idle()
        proxy.taken.clear()

        assert (await log.reports.get())[0] is ListenerState.LISTENING


# What is not asked for


@pytest.mark.parametrize(
    ("scheme", "endpoint"),
    [
        ("socks5", Endpoint("127.0.0.1", 1025)),
        ("socks5", Endpoint("localhost", 1025)),
        ("socks5", Endpoint("0.0.0.0", 65536)),
        ("socks5", Endpoint(path="/run/socket")),
        ("socks4", Endpoint("::", 1025)),
    ],
    ids=str,
)
@pytest.mark.parametrize("what", ["create_server", "diagnose"])
async def test_an_endpoint_that_is_none_for_socks(
    log: Log, scheme: str, endpoint: Endpoint, what: str
) -> None:
    """It is a configuration error that says what to write, before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as decoy:
        decoy.setblocking(False)
        provider = provider_for(f"{scheme}://127.0.0.1:{decoy.getsockname()[1]}")

        attempt: dict[str, Callable[[], Awaitable[object]]] = {
            "diagnose": lambda: provider.diagnose(endpoint),
            "create_server": lambda: provider.create_server(log.session, endpoint),
        }

        with pytest.raises(ConfigError, match=r"write 0\.0\.0\.0:") as caught:
            await attempt[what]()

        assert caught.value.key == "endpoint"
        with pytest.raises(BlockingIOError):
            decoy.accept()
