"""Sessions through a SOCKS proxy one after the other, as one BIND brings one connection."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.errors import BindError
from bindpost.proxy.provider import Listener, ListenerState
from bindpost.proxy.socks.standin import PortPolicy, SocksServer

from .bench import ANY, Log, Session, bound, connected, provider_for, quit_session, sockaddr

ONE_AT_A_TIME = (PortPolicy.PLAIN, PortPolicy.STRICT)
SEVERAL = (PortPolicy.REUSEADDR, PortPolicy.SHARED)


# One after the other


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
@pytest.mark.parametrize("policy", PortPolicy)
async def test_a_hundred_sessions(log: Log, policy: PortPolicy, scheme: str) -> None:
    """A hundred clients that come when the listener listens are all served, on one port."""
    async with SocksServer(policy=policy) as proxy, bound(proxy.url(scheme), log) as listener:
        address = listener.addresses[0]
        clients = []
        for _ in range(100):
            async with connected(address) as (reader, writer):
                clients.append(writer.get_extra_info("sockname"))
                await quit_session(reader, writer)
            await log.until(ListenerState.LISTENING)
            assert [other.port for other in proxy.bound] == [address.port]

    assert log.told("peername") == clients


@pytest.mark.parametrize("policy", ONE_AT_A_TIME)
async def test_one_at_a_time(log: Log, policy: PortPolicy) -> None:
    """On a server that holds a port while its connection lives, a second client is refused."""
    async with SocksServer(policy=policy) as proxy, bound(proxy.url(), log) as listener:
        async with connected(listener.addresses[0]) as streams:
            await log.until(ListenerState.BUSY)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*sockaddr(listener))
            assert (listener.state, listener.capacity) == (ListenerState.BUSY, 1)
            await quit_session(*streams)
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0]) as streams:
            await quit_session(*streams)


@pytest.mark.parametrize("policy", SEVERAL)
async def test_several_where_the_server_can(log: Log, policy: PortPolicy) -> None:
    """On a server that binds a port again at once, sessions live side by side."""
    async with (
        SocksServer(policy=policy) as proxy,
        bound(proxy.url(), log) as listener,
        connected(listener.addresses[0]) as (reader, writer),
    ):
        await log.until(ListenerState.LISTENING)
        async with connected(listener.addresses[0], source="127.0.0.8") as (other, second):
            second.write(b"two\r\n")
            writer.write(b"one\r\n")

            assert await reader.readline() == b"one\r\n"
            assert await other.readline() == b"two\r\n"


async def test_the_number_of_port_zero_is_kept(listener: Listener, log: Log) -> None:
    """Port 0 becomes the first reply's port for the listener's life."""
    before = tuple(listener.addresses)
    async with connected(before[0]) as streams:
        await quit_session(*streams)
    await log.until(ListenerState.LISTENING)

    assert before[0].port
    assert tuple(listener.addresses) == before


async def test_reports_of_a_session(listener: Listener, log: Log) -> None:
    """BUSY and LISTENING are reported for a session, and nothing before the first."""
    assert log.states() == []
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)
    assert await log.until(ListenerState.BUSY) is None
    assert await log.until(ListenerState.LISTENING) is None

    assert log.states() == []


async def test_a_report_that_fails_ends_nothing(proxy: SocksServer, log: Log) -> None:
    """An error in the report goes to the loop's handler; the listener goes on."""
    seen: asyncio.Queue[BaseException] = asyncio.Queue()

    def fail(state: ListenerState, error: BindError | None) -> None:
        raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.put_nowait(context["exception"]))
    listener = await provider_for(proxy.url()).create_server(log.session, ANY, report=fail)
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)

    assert isinstance(await seen.get(), ZeroDivisionError)  # BUSY
    assert isinstance(await seen.get(), ZeroDivisionError)  # LISTENING
    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


async def test_a_factory_that_fails_ends_nothing(proxy: SocksServer, log: Log) -> None:
    """A session that can't begin is an error for the loop's handler; the next one is served."""
    seen: asyncio.Queue[BaseException] = asyncio.Queue()
    broken = [True]

    def session() -> Session:
        if broken.pop():
            broken.append(False)
            raise ZeroDivisionError
        return Session(log)

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.put_nowait(context["exception"]))
    listener = await provider_for(proxy.url()).create_server(session, ANY, report=log.report)
    _, writer = await asyncio.open_connection(*sockaddr(listener))
    assert isinstance(await seen.get(), ZeroDivisionError)
    writer.close()
    await log.until(ListenerState.LISTENING)
    async with connected(listener.addresses[0]) as streams:
        await quit_session(*streams)
    listener.close()
    await listener.wait_closed()


class Refusing(Session):
    """A session that fails as it begins or as it ends."""

    def __init__(self, log: Log, where: str) -> None:
        super().__init__(log)
        self.where = where

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Fail, or begin."""
        if self.where == "begin":
            raise ZeroDivisionError
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, after noting the end."""
        super().connection_lost(exc)
        if self.where == "end":
            raise ZeroDivisionError


@pytest.mark.parametrize("where", ["begin", "end"])
async def test_a_session_that_fails_gives_the_port_back(
    proxy: SocksServer, log: Log, where: str
) -> None:
    """A protocol that raises as it begins or ends doesn't keep the port."""
    seen: asyncio.Queue[object] = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.put_nowait(context))
    listener = await provider_for(proxy.url()).create_server(
        lambda: Refusing(log, where), ANY, report=log.report
    )
    reader, writer = await asyncio.open_connection(*sockaddr(listener))
    if where == "end":
        await reader.readline()
        writer.transport.abort()
    await log.until(ListenerState.LISTENING)

    assert await seen.get()
    writer.close()
    listener.close()
    await listener.wait_closed()
