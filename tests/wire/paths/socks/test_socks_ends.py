"""How sessions through a SOCKS proxy end, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

import pytest

from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.standin import Fault, SocksServer
from bindpost.proxy.socks.timing import Timing

from .bench import ANY, QUICK, Log, bound, connected, provider_for, sockaddr


async def holdings(proxy: SocksServer) -> tuple[int, int, int]:
    """Count what a test may not leave behind: tasks, threads, descriptors."""
    for _ in range(10):  # what was closed is gone some turns of the loop later, on both sides
        await asyncio.sleep(0)
        await proxy.idle()
    return len(asyncio.all_tasks()), threading.active_count(), len(os.listdir("/proc/self/fd"))


async def assert_nothing_left(proxy: SocksServer, before: tuple[int, int, int]) -> None:
    """Hold that there is no more than before; what an earlier test had may have ended meanwhile."""
    now = await holdings(proxy)
    assert all(left <= right for left, right in zip(now, before, strict=True)), (before, now)


# Who closes first


async def test_a_client_that_does_not_close_is_reset(listener: Listener, log: Log) -> None:
    """After `linger` the session's connection is reset, and the port is there again at once."""
    async with connected(listener.addresses[0]) as (reader, writer):
        begun = asyncio.get_running_loop().time()
        writer.write(b"QUIT\r\n")
        assert await reader.readline() == b"221 bye\r\n"
        await log.ended.wait()

        with pytest.raises(ConnectionResetError):
            await reader.read()
        await log.until(ListenerState.LISTENING)
        assert QUICK.linger <= asyncio.get_running_loop().time() - begun < QUICK.step
    assert log.lost == [None]


async def test_a_session_is_over_for_its_protocol_at_once(listener: Listener, log: Log) -> None:
    """The protocol is told of the end when it closes; what comes later is thrown away."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"QUIT\r\n")
        await reader.readline()
        await log.ended.wait()
        writer.write(b"more\r\n")
        writer.write_eof()

        assert await reader.read() == b""
        assert log.transports[0].is_closing()
    await log.until(ListenerState.LISTENING)
    assert log.lost == [None]


async def test_a_half_closed_client_gets_its_answers(listener: Listener, log: Log) -> None:
    """A client that has ended its side is answered, then closed without waiting."""
    async with connected(listener.addresses[0]) as (reader, writer):
        writer.write(b"last words\r\n")
        writer.write_eof()

        assert await reader.read() == b"last words\r\ngoodbye\r\n"
    await log.until(ListenerState.LISTENING)
    assert log.lost == [None]


async def test_what_was_written_is_sent_before_the_end(proxy: SocksServer, log: Log) -> None:
    """close() sends all that was written, however slowly the client takes it."""
    data = b"x" * 8_000_000
    async with (
        bound(proxy.url(), log, timing=Timing(linger=60.0)) as listener,
        connected(listener.addresses[0]) as (reader, _),
    ):
        log.transports[0].write(data)
        log.transports[0].close()
        log.transports[0].write(b"too late")

        assert await reader.readexactly(len(data)) == data


async def test_a_reset_by_the_client_ends_the_session(listener: Listener, log: Log) -> None:
    """A client's RST reaches the session through the proxy, and the port is there again."""
    async with connected(listener.addresses[0]) as (_, writer):
        writer.transport.abort()
    await log.ended.wait()

    await log.until(ListenerState.LISTENING)
    assert len(log.lost) == 1


async def test_abort_frees_the_port_at_once(listener: Listener, log: Log) -> None:
    """A session that is cut resets its connection, which leaves no TIME_WAIT on the proxy."""
    async with connected(listener.addresses[0]) as (reader, _):
        log.transports[0].abort()

        with pytest.raises(ConnectionResetError):
            await reader.read()
        await log.until(ListenerState.LISTENING)


# What is left


async def test_close_gives_the_port_up(proxy: SocksServer, log: Log) -> None:
    """After close the proxy holds nothing, and no task, thread or descriptor is left here."""
    await provider_for(proxy.url()).diagnose(ANY)  # whatever the loop makes once is there now
    before = await holdings(proxy)
    listener = await provider_for(proxy.url()).create_server(log.session, ANY)

    listener.close()
    listener.close()
    await listener.wait_closed()
    await listener.wait_closed()
    await proxy.idle()

    assert listener.state is ListenerState.CLOSED
    assert proxy.bound == []
    await assert_nothing_left(proxy, before)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*sockaddr(listener))


async def test_close_leaves_live_sessions(listener: Listener, log: Log) -> None:
    """A session goes on after its listener is closed and gone, and ends without lingering."""
    async with connected(listener.addresses[0]) as (reader, writer):
        listener.close()
        await listener.wait_closed()
        writer.write(b"still here\r\n")
        assert await reader.readline() == b"still here\r\n"

        writer.write(b"QUIT\r\n")
        assert await reader.read() == b"221 bye\r\n"


async def test_close_waits_for_no_client_that_lingers(proxy: SocksServer, log: Log) -> None:
    """A client that was being waited for is closed with the listener."""
    async with (
        bound(proxy.url(), log, timing=Timing(linger=3600)) as listener,
        connected(listener.addresses[0]) as (reader, writer),
    ):
        writer.write(b"QUIT\r\n")
        await reader.readline()
        await log.ended.wait()
        listener.close()

        assert await reader.read() == b""


async def test_close_while_the_listener_retries(proxy: SocksServer, log: Log) -> None:
    """A listener that is just trying to bind again is closed like any other."""
    await provider_for(proxy.url()).diagnose(ANY)
    before = await holdings(proxy)
    async with SocksServer(faults=[Fault.DIES]) as dying, bound(dying.url(), log) as listener:
        assert await log.until(ListenerState.RETRYING) is not None
        listener.close()
        await listener.wait_closed()
        await dying.idle()

    await assert_nothing_left(proxy, before)


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 6, 8, 12, 20, 40])
async def test_cancelling_leaves_nothing(
    proxy: SocksServer, log: Log, steps: int, scheme: str
) -> None:
    """A bind that is cancelled, at whatever point, holds nothing here or on the proxy."""
    provider = provider_for(proxy.url(scheme))
    await provider.diagnose(ANY)
    before = await holdings(proxy)
    task = asyncio.create_task(provider.create_server(log.session, ANY))
    for _ in range(steps):
        await asyncio.sleep(0)

    task.cancel()
    with suppress(asyncio.CancelledError):
        finished = await task
        finished.close()
        await finished.wait_closed()
    del task
    await proxy.idle()

    assert proxy.bound == []
    await assert_nothing_left(proxy, before)


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.STALLS, Fault.DRIPS])
async def test_cancelling_does_not_wait_for_a_silent_proxy(log: Log, fault: Fault) -> None:
    """The thread that waits for an answer is freed at once."""
    loop = asyncio.get_running_loop()
    async with SocksServer(faults=[fault]) as proxy:
        timing = Timing()
        provider = provider_for(proxy.url(), timing=timing)
        task = asyncio.create_task(provider.create_server(log.session, ANY))
        await proxy.busy()
        begun = loop.time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert loop.time() - begun < timing.step
        assert not any(thread.name.startswith("socks") for thread in threading.enumerate())
