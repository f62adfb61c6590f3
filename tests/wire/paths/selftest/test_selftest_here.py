"""The self-test of binds on this machine."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.inherited import InheritedProvider
from bindpost.proxy.selftest import self_test

from .bench import FINE, HERE, STEPS, cancelled, leaving_nothing, steps, try_out


@pytest.mark.parametrize("endpoint", ["127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0"])
async def test_direct(endpoint: str) -> None:
    """A bind on this machine is reached, a wildcard by loopback, and its peer is told."""
    hops = await try_out(DirectProvider(), Endpoint.parse(endpoint))

    assert steps(hops) == FINE
    assert all(hop.milliseconds > 0 and hop.code is None and not hop.hint for hop in hops)


async def test_direct_ipv6() -> None:
    """The IPv6 wildcard is reached by ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    hops = await try_out(DirectProvider(), Endpoint.parse("[::]:0"))

    assert steps(hops) == FINE
    assert "[::1]" in hops[1].detail


async def test_a_unix_socket(tmp_path: Path) -> None:
    """A Unix socket is reached by its path; it has no peer's address, and its file goes again."""
    path = tmp_path / "smtp"
    hops = await try_out(DirectProvider(), Endpoint(path=str(path)))

    assert steps(hops) == FINE[:3]
    assert not path.exists()


async def test_a_taken_port() -> None:
    """A bind that fails is told as `serve` would, and nothing is dialled."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        (hop,) = await try_out(DirectProvider(), HERE.with_port(other.getsockname()[1]))

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10048)
    assert hop.hint


async def test_handed_sockets() -> None:
    """Sockets that were handed over are reached, and still listen afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as handed:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        provider = InheritedProvider(environ, first=handed.fileno())
        once, twice = await try_out(provider), await try_out(provider)

    assert steps(once) == steps(twice) == FINE


async def test_a_client_that_comes_in_the_moment_is_sent_away() -> None:
    """A stranger gets a 421, so that a mail client tries again, and is not taken for the test."""
    with socket.create_server(("127.0.0.1", 0)) as handed:
        reader, writer = await asyncio.open_connection(*handed.getsockname())  # in the queue
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        hops = await self_test(InheritedProvider(environ, first=handed.fileno()), HERE)
        heard = b""
        with suppress(ConnectionResetError):
            heard = await reader.readline()
        writer.close()

    assert steps(hops) == FINE
    assert heard.startswith(b"421 ")


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_leaves_nothing(turns: int) -> None:
    """A self-test that is cancelled, at whatever point, leaves nothing."""
    async with leaving_nothing():
        await cancelled(DirectProvider(), HERE, turns)
