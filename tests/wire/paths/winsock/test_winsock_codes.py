"""Binds through a Winsock Proxy that fail, with which code."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.proxy.winsock.standin_faults import Garbage, Silent

from .bench import (
    EXTERNAL,
    HERE,
    INTERNAL,
    PATIENT,
    QUICK,
    Log,
    connected,
    name_of,
    provider_for,
    refusal,
)


@pytest.mark.meets("winsock://", "unreachable")
async def test_nothing_on_the_control_port_is_10050_at_once(decoy: socket.socket, log: Log) -> None:
    """ICMP port unreachable is 10050 without a second try, hop connect (KB Q203116, Q193928 B)."""
    port = decoy.getsockname()[1]
    decoy.close()
    config = ClientConfig.for_server(INTERNAL, port, application="msexcimc", origin="test")
    start = time.monotonic()

    error = await refusal(WinsockProvider(config, timing=PATIENT), log)

    assert time.monotonic() - start < PATIENT.interval
    assert (error.code, error.hop) == (10050, "connect")
    assert "Q203116" in error.hint


@pytest.mark.meets("winsock://", "silent")
async def test_silent_proxy_is_10050_after_its_tries(log: Log) -> None:
    """A proxy that says nothing is 10050, hop greeting, after tries times interval."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, misbehaviour=Silent()) as silent:
        start = time.monotonic()
        error = await refusal(provider_for(silent, timing=QUICK), log)
        took = time.monotonic() - start

    assert (error.code, error.hop) == (10050, "greeting")
    assert 0.9 * QUICK.tries * QUICK.interval < took < QUICK.deadline


@pytest.mark.meets("winsock://", "unresolvable")
async def test_unresolvable_name_is_10050(log: Log) -> None:
    """A proxy name without an address is 10050, hop resolve (KB Q193928 A and D)."""
    error = await refusal(WinsockProvider.from_url("winsock://proxy.invalid"), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert "Q193928" in error.hint


@pytest.mark.meets("winsock://", "junk")
async def test_junk_is_10050(log: Log) -> None:
    """An answer that is no Winsock Proxy message is 10050, and said to be that."""
    async with WinsockProxyServer(INTERNAL, EXTERNAL, misbehaviour=Garbage()) as garbage:
        error = await refusal(provider_for(garbage), log)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "is no Winsock Proxy" in error.detail


@pytest.mark.meets("winsock://", "in_use")
async def test_port_taken_on_the_proxy_is_10048(proxy: WinsockProxyServer, log: Log) -> None:
    """A port that something else holds on the proxy is 10048 (KB Q222553)."""
    endpoint = Endpoint(INTERNAL, free_port(INTERNAL, EXTERNAL))
    with socket.create_server((EXTERNAL, endpoint.port)):
        error = await refusal(provider_for(proxy), log, endpoint)

    assert (error.code, error.hop) == (10048, "bind")
    assert "Q222553" in error.hint


async def test_port_of_another_client_is_10048(
    proxy: WinsockProxyServer, listener: Listener, log: Log
) -> None:
    """A port that another client has bound on the proxy is 10048, even with another local host."""
    endpoint = Endpoint("127.0.0.3", listener.addresses[0].port)

    error = await refusal(provider_for(proxy), log, endpoint)

    assert (error.code, "on the proxy" in error.detail) == (10048, True)


@pytest.mark.meets("winsock://", "refused")
async def test_refused_port_is_10050(log: Log) -> None:
    """A refusal by rule is 10050, with the refusal as detail (KB Q181420)."""
    port = free_port(INTERNAL)
    async with WinsockProxyServer(INTERNAL, EXTERNAL, deny_ports={port}) as strict:
        error = await refusal(provider_for(strict), log, Endpoint(INTERNAL, port))
        await strict.idle()

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0804" in error.detail
    assert "Q181420" in error.hint


@pytest.mark.meets("winsock://", "local")
async def test_port_taken_here_is_the_systems_code(proxy: WinsockProxyServer, log: Log) -> None:
    """When the local half fails its own code counts, and the proxy is left with nothing."""
    with socket.create_server((INTERNAL, 0)) as other:
        endpoint = Endpoint(INTERNAL, other.getsockname()[1])
        error = await refusal(provider_for(proxy), log, endpoint)
    await proxy.idle()

    assert (error.code, error.hop) == (10048, "bind")
    assert error.detail.startswith("here: ")


async def test_address_of_another_machine_is_10049(proxy: WinsockProxyServer, log: Log) -> None:
    """An address that this machine lacks is a local failure."""
    error = await refusal(provider_for(proxy), log, Endpoint("192.0.2.1", 0))

    assert error.code == 10049


async def test_second_server_is_tried(proxy: WinsockProxyServer, log: Log) -> None:
    """With two servers the bind is made on the first that works."""
    config = ClientConfig.for_server(*proxy.address, application="msexcimc", origin="test")
    servers = ("proxy.invalid", proxy.address.host)
    two = ClientConfig(servers=servers, control_port=config.control_port, wspcfg=config.wspcfg)

    listener = await WinsockProvider(two, timing=PATIENT).create_server(log.session, HERE)

    assert len(proxy.bound) == 1
    listener.close()
    await listener.wait_closed()


async def test_all_servers_are_named_when_none_works(decoy: socket.socket, log: Log) -> None:
    """The error of several servers tells what is wrong with each."""
    port = decoy.getsockname()[1]
    config = ClientConfig.for_server("x", port, application="msexcimc", origin="test")
    two = ClientConfig(servers=("proxy.invalid", INTERNAL), control_port=port, wspcfg=config.wspcfg)

    error = await refusal(WinsockProvider(two, timing=QUICK), log)

    assert "proxy.invalid" in error.detail
    assert "no answer" in error.detail


@pytest.mark.meets("winsock://", "lost")
async def test_lost_proxy_is_reported_and_all_is_given_up(log: Log) -> None:
    """When a keep-alive finds the proxy gone: FAILED with 10050, the port here is free again."""
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()
    timing = replace(PATIENT, keep_alive=0.02)
    async with WinsockProxyServer(INTERNAL, EXTERNAL) as proxy:
        listener = await provider_for(proxy, timing=timing).create_server(
            log.session, HERE, report=lambda state, error: reports.put_nowait((state, error))
        )

    state, error = await reports.get()

    assert error is not None
    assert (state, error.code, error.hop) == (ListenerState.FAILED, 10050, "accept")
    assert listener.state is ListenerState.FAILED
    with socket.create_server((INTERNAL, listener.addresses[1].port)):
        pass
    listener.close()
    await listener.wait_closed()


async def test_proxy_that_answers_is_kept(proxy: WinsockProxyServer, log: Log) -> None:
    """Keep-alives that are answered leave the bind as it is."""
    timing = replace(PATIENT, keep_alive=0.001)
    listener = await provider_for(proxy, timing=timing).create_server(log.session, HERE)

    for _ in range(3):
        async with connected(listener.addresses[0]) as (reader, writer):
            assert await reader.readline() == f"{name_of(writer)}\n".encode()

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


@pytest.mark.meets("winsock://", "no_way_back")
async def test_loopback_cannot_be_called_back_by_another_machine(log: Log) -> None:
    """127.0.0.1 behind a proxy elsewhere is 10050, and the hint says what to listen on."""
    error = await refusal(WinsockProvider.from_url("winsock://192.0.2.1"), log)

    assert (error.code, error.hop) == (10050, "connect")
    assert "connects back" in error.hint


async def test_host_name_of_no_address_is_a_local_failure(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """A name to listen on that does not resolve is no fault of the proxy path."""
    error = await refusal(provider_for(proxy), log, Endpoint("nowhere.invalid", 0))

    assert (error.code, error.hop) == (11001, "resolve")


async def test_proxy_may_be_named(proxy: WinsockProxyServer, log: Log) -> None:
    """A proxy name that resolves is as good as its address."""
    provider = WinsockProvider.from_url(f"winsock://localhost:{proxy.address.port}")

    listener = await provider.create_server(log.session, HERE)

    assert len(proxy.bound) == 1
    listener.close()
    await listener.wait_closed()


async def test_name_service_that_takes_too_long_is_10050(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """The total deadline holds for the name too, hop resolve."""
    config = ClientConfig.for_server(
        "localhost", proxy.address.port, application="msexcimc", origin="test"
    )

    error = await refusal(WinsockProvider(config, timing=Timing(deadline=0.0)), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert "no answer from the name service" in error.detail


@pytest.mark.meets("winsock://", "no_server")
@pytest.mark.parametrize("ipx_servers", [("00002610-0080d830525f",), ()])
async def test_no_server_is_10050(log: Log, ipx_servers: tuple[str, ...]) -> None:
    """A remote bind without a server that IP reaches is 10050, hop resolve."""
    wspcfg = ClientConfig.for_server("x", 1, application="msexcimc", origin="test").wspcfg
    config = ClientConfig(ipx_servers=ipx_servers, wspcfg=wspcfg)

    error = await refusal(WinsockProvider(config), log)

    assert (error.code, error.hop) == (10050, "resolve")
    assert ("IPX" in error.detail) == bool(ipx_servers)
