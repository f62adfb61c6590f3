"""The self-test through a SOCKS proxy."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.selftest import self_test
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import Fault, SocksServer

from .bench import (
    ANY,
    FINE,
    HASTY,
    NOT_ACCEPTED,
    NOT_REACHED,
    STEPS,
    UNTESTED,
    address,
    cancelled,
    leaving_nothing,
    steps,
    try_out,
)

SOCKS_ROWS = {row.key: row for row in MATRIX}
PEER_UNKNOWN = [*FINE[:3], ("peer", None)]


# Through a SOCKS proxy


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "socks4a"])
async def test_socks(scheme: str) -> None:
    """CONNECT through the same proxy comes back in; SOCKS4 doesn't tell from where."""
    async with SocksServer() as proxy:
        provider = SocksProvider.from_url(proxy.url(scheme))
        hops = await try_out(provider, ANY, settle=proxy.idle)

        assert proxy.bound == []
    assert steps(hops) == (FINE if scheme == "socks5" else PEER_UNKNOWN)


async def test_a_socks_port_is_free_again() -> None:
    """The client closed first, so that `serve` can bind the same port at once."""
    async with SocksServer() as proxy:
        provider = SocksProvider.from_url(proxy.url())
        first = await try_out(provider, ANY, settle=proxy.idle)
        endpoint = ANY.with_port(Endpoint.parse(first[1].target).port)

        again = await try_out(provider, endpoint, settle=proxy.idle)

    assert steps(again) == FINE


async def test_a_socks_login_is_used() -> None:
    """The way back in logs in as the bind does."""
    async with SocksServer(users={"me": "secret"}) as proxy:
        provider = SocksProvider.from_url(proxy.url(login="me:secret"))
        hops = await try_out(provider, ANY, settle=proxy.idle)

    assert steps(hops) == FINE


@pytest.mark.meets("socks5://", "never-announced", "unreached", "no-connect")
@pytest.mark.parametrize(
    ("key", "found", "scheme", "manners"),
    [
        ("bindreply", NOT_ACCEPTED, "socks5", {"second_reply": 0x02}),
        ("bindreply", NOT_ACCEPTED, "socks4", {"second_reply": 0x5B}),
        ("accept-failed", NOT_ACCEPTED, "socks5", {"second_reply": 0x01}),
        ("accept-invalid", NOT_ACCEPTED, "socks5", {"faults": [Fault.GARBLES_PEER]}),
        ("never-announced", NOT_ACCEPTED, "socks5", {"faults": [Fault.NEVER_TELLS]}),
        ("never-announced", NOT_ACCEPTED, "socks4", {"faults": [Fault.NEVER_TELLS]}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x03}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x04}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x05}),
        ("unreached", NOT_REACHED, "socks5", {"connect_reply": 0x06}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x01}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x02}),
        ("no-connect", UNTESTED, "socks4", {"connect_reply": 0x5B}),
        ("no-connect", UNTESTED, "socks5", {"connect_reply": 0x07}),
    ],
)
async def test_what_a_socks_proxy_does(
    key: str,
    found: list[tuple[str, bool | None]],
    scheme: str,
    manners: dict[str, Any],
) -> None:
    """Each is found, with its row's hint and the code of the event that `serve` would log."""
    async with SocksServer(**manners) as proxy:
        provider = SocksProvider.from_url(proxy.url(scheme))
        hops = await try_out(provider, ANY, limits=HASTY, settle=proxy.idle)

    row = SOCKS_ROWS[key]
    telling = next(hop for hop in hops if hop.ok is not True)
    assert steps(hops) == found
    assert (telling.name, telling.hint) == (row.hops[0], row.hint)
    assert telling.code == (10050 if row.event == 10050 else None)
    assert f"({row.winsock} WSA" in telling.detail


@pytest.mark.meets("socks5://", "unreached-silent", "no-connect-unsaid")
@pytest.mark.parametrize(
    ("key", "hangs", "found"),
    [("unreached-silent", True, NOT_REACHED), ("no-connect-unsaid", False, UNTESTED)],
)
async def test_a_connect_without_an_answer(
    key: str, hangs: bool, found: list[tuple[str, bool | None]]
) -> None:
    """Silence is what a firewall that drops packets makes; a proxy that hangs up says nothing."""
    async with SocksServer() as proxy, Front(proxy, hangs=hangs) as front:
        provider = SocksProvider.from_url(front.url)
        limits = replace(HASTY, reach=0.5) if hangs else HASTY
        hops = await try_out(provider, ANY, limits=limits, settle=front.idle)

    assert steps(hops) == found
    assert hops[1].hint == SOCKS_ROWS[key].hint


class Front:
    """
    Stands before a proxy and passes a BIND on; at a CONNECT, which is `asked`, it hangs or closes.

    `async with` runs it.
    """

    def __init__(self, proxy: SocksServer, *, hangs: bool) -> None:
        self.asked = asyncio.Event()
        self._proxy = proxy
        self._hangs = hangs
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Front:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"socks5://{Endpoint(*self._server.sockets[0].getsockname())}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        await self.idle()

    async def idle(self) -> None:
        """Return when nobody is connected."""
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        inner_reader, inner_writer = await asyncio.open_connection(*address(self._proxy))
        try:
            inner_writer.write(await reader.readexactly(3))
            writer.write(await inner_reader.readexactly(2))
            request = await reader.readexactly(10)
            if request[1] == 2:
                inner_writer.write(request)
                writer.write(await inner_reader.readexactly(10))
                await reader.read(1)
            else:
                self.asked.set()
                if self._hangs:
                    await reader.read(1)
        finally:
            for each in (inner_writer, writer):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()


async def test_a_hidden_peer() -> None:
    """A proxy that tells no peer is none that tells a wrong one."""
    async with SocksServer(faults=[Fault.HIDES_PEER]) as proxy:
        hops = await try_out(SocksProvider.from_url(proxy.url()), ANY, settle=proxy.idle)

    assert steps(hops) == PEER_UNKNOWN


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_through_socks(turns: int) -> None:
    """A self-test that is cancelled leaves no thread, no connection, and no bind on the proxy."""
    async with SocksServer() as proxy:
        async with leaving_nothing(proxy.idle):
            await cancelled(SocksProvider.from_url(proxy.url()), ANY, turns)

        assert proxy.bound == []


async def test_cancelling_a_connect_that_hangs() -> None:
    """The thread that waits for CONNECT's answer ends with the self-test."""
    async with SocksServer() as proxy, Front(proxy, hangs=True) as front:
        async with leaving_nothing(front.idle):
            task = asyncio.create_task(self_test(SocksProvider.from_url(front.url), ANY))
            await front.asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await proxy.idle()
        assert proxy.bound == []
