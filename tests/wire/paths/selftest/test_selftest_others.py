"""The self-test through a Winsock Proxy, and behind the PROXY protocol."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.haproxy.reach import CLIENT
from bindpost.proxy.provider import Finding
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import SshStandIn
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.reach import unreached
from bindpost.proxy.winsock.standin import WinsockProxyServer

from .bench import (
    ANY,
    FINE,
    HASTY,
    HERE,
    STEPS,
    UNTESTED,
    Odd,
    cancelled,
    leaving_nothing,
    steps,
    try_out,
)

# Through a Winsock Proxy


async def test_winsock() -> None:
    """The proxy's outside is dialled, and the local half; both peers are told."""
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy:
        hops = await try_out(WinsockProvider.from_url(proxy.url), settle=proxy.idle)

        assert proxy.bound == []
    assert steps(hops) == [*FINE, *FINE[1:]]
    assert hops[1].target.startswith("127.0.0.2:")
    assert hops[4].target.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("number", "ok"),
    [(errno.ECONNREFUSED, False), (errno.ENETUNREACH, None), (errno.EHOSTUNREACH, None)],
)
def test_no_way_to_the_proxys_outside(number: int, ok: bool | None) -> None:
    """That this machine has no way there is no failure, since peers come from elsewhere."""
    outside = Endpoint("192.0.2.1", 25)
    # A number makes it one of the classes that a connect raises.
    finding = unreached(outside, OSError(number, os.strerror(number)))

    assert finding.ok is ok
    assert str(outside) in finding.detail
    assert unreached(outside, TimeoutError()).ok is None


# Behind a PROXY protocol


@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "127.0.0.1"])
async def test_a_header_is_sent(trusted: str) -> None:
    """The session is told the client that the header names."""
    hops = await try_out(ProxyProtocolProvider(DirectProvider(), [trusted]))

    assert steps(hops) == FINE
    assert str(CLIENT) in hops[-1].detail


async def test_a_header_on_a_unix_socket(tmp_path: Path) -> None:
    """Whoever may connect to a Unix socket is trusted."""
    provider = ProxyProtocolProvider(DirectProvider(), ["192.0.2.7"])
    hops = await try_out(provider, Endpoint(path=str(tmp_path / "smtp")))

    assert steps(hops) == FINE


async def test_this_machine_is_not_trusted() -> None:
    """What only the load balancer may do can't be tested from here."""
    hops = await try_out(ProxyProtocolProvider(DirectProvider(), ["192.0.2.7"]))

    assert steps(hops) == UNTESTED
    assert "no trusted sender" in hops[1].detail


async def test_a_header_through_socks() -> None:
    """The header goes through the inner path; who sends it there need not be known."""
    async with SocksServer() as proxy:
        for scheme in ("socks5", "socks4"):
            inner = SocksProvider.from_url(proxy.url(scheme))
            provider = ProxyProtocolProvider(inner, ["127.0.0.1"])
            assert steps(await try_out(provider, ANY, settle=proxy.idle)) == FINE

            provider = ProxyProtocolProvider(inner, ["192.0.2.7"])
            hops = await try_out(provider, ANY, limits=HASTY, settle=proxy.idle)
            told = next(hop for hop in hops if hop.ok is not True)
            assert told.ok is None
            assert "proxy_trusted" in told.hint


async def test_a_header_through_ssh(ssh: SshStandIn, tmp_path: Path) -> None:
    """The SSH server's own address is the sender."""
    inner = SshProvider(ssh.settings(tmp_path))
    trusting = ProxyProtocolProvider(inner, ["127.0.0.1"])
    doubting = ProxyProtocolProvider(inner, ["192.0.2.7"])

    assert steps(await try_out(trusting, settle=ssh.deserted)) == FINE
    assert steps(await try_out(doubting, settle=ssh.deserted)) == UNTESTED


@pytest.mark.parametrize("turns", STEPS)
async def test_cancelling_behind_a_header(turns: int) -> None:
    """A self-test that is cancelled leaves no connection that waits for its header."""
    async with leaving_nothing():
        await cancelled(ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"]), HERE, turns)


async def test_a_finding_is_kept_as_it_is() -> None:
    """What silence means is the provider's to say, and to leave open."""
    finding = Finding(None, "nobody knows", "look")
    with socket.create_server(("127.0.0.1", 0)) as other:
        provider = Odd(elsewhere=Endpoint(*other.getsockname()), silent=finding)
        hops = await try_out(provider, limits=HASTY)

    assert (hops[-1].ok, hops[-1].detail, hops[-1].hint) == (None, "nobody knows", "look")
