"""The self-test of providers that are odd."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.provider import BindProvider, Hop, Listener, Reaching
from bindpost.proxy.selftest import Limits, self_test

from .bench import (
    FINE,
    HASTY,
    HERE,
    NOT_ACCEPTED,
    NOT_REACHED,
    UNTESTED,
    Odd,
    leaving_nothing,
    steps,
    try_out,
)


class Plain:
    """A provider of others, which has no `reach`."""

    url = "plain:"

    async def create_server(self, *arguments: Any, **options: Any) -> Listener:
        """Bind; or never return, for port 1."""
        if arguments[1].port == 1:
            await asyncio.Event().wait()
        return await DirectProvider().create_server(*arguments, **options)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Find nothing."""
        return []


async def test_a_provider_without_the_add_on() -> None:
    """It is bound, and that nobody can come in from here is no failure."""
    provider: BindProvider = Plain()
    assert not isinstance(provider, Reaching)

    for one in (provider, ProxyProtocolProvider(provider, ["127.0.0.1"])):
        hops = await try_out(one)

        assert steps(hops) == UNTESTED
        assert "from outside" in hops[1].hint


async def test_a_bind_that_never_ends() -> None:
    """A bind has so many seconds; then the path counts as unusable."""
    (hop,) = await try_out(Plain(), HERE.with_port(1), limits=Limits(bind=0.05))

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10050)


async def test_another_program_answers() -> None:
    """Whoever has another banner is not this listener."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 somebody else\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    other = Endpoint(*server.sockets[0].getsockname())
    hops = await self_test(Odd(elsewhere=other), HERE, limits=Limits(report=0.3))
    server.close()

    assert steps(hops) == NOT_ACCEPTED
    assert "220 somebody else" in hops[-1].detail


@pytest.mark.parametrize("closes", [False, True], ids=["silent", "closes"])
async def test_nobody_says_anything(closes: bool) -> None:
    """A connection that brings no session is what its provider says that it is."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()))
        if closes:
            asyncio.get_running_loop().call_later(0.05, lambda: other.accept()[0].close())
        hops = await try_out(provider, limits=HASTY)

    assert steps(hops) == NOT_ACCEPTED
    assert "no session begins" in hops[-1].detail
    assert hops[-1].code is None


async def test_nobody_listens_there() -> None:
    """A refused connection is a failure of which `serve` would log nothing."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        hops = await try_out(Odd(elsewhere=Endpoint(*sock.getsockname())))

    assert steps(hops) == NOT_REACHED
    assert "10061 WSAECONNREFUSED" in hops[1].detail
    assert hops[1].code is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": Endpoint("192.0.2.7", 1)}, False),
        ({"name": Endpoint("127.0.0.1", 1)}, False),
        ({"name": Endpoint("127.0.0.1", 0)}, True),
        ({"name": None}, None),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False}, None),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False, "proxy": "127.0.0.1"}, False),
        ({"name": Endpoint("192.0.2.7", 1), "exact": False, "proxy": "10.0.0.1"}, None),
    ],
)
async def test_who_is_told(changes: dict[str, Any], told: bool | None) -> None:
    """A session that is told somebody else is a failure where nothing else can be the reason."""
    hops = await try_out(Odd(**changes))

    assert steps(hops) == [*FINE[:3], ("peer", told)]


async def test_a_reach_that_is_cut_off_is_closed() -> None:
    """When the wait for a banner is cancelled, the connection is closed, too."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()))
        async with leaving_nothing():
            task = asyncio.create_task(self_test(provider, HERE))
            loop = asyncio.get_running_loop()
            other.setblocking(False)
            accepted, _ = await loop.sock_accept(other)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await loop.sock_recv(accepted, 1) == b""
            accepted.close()
