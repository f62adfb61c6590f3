"""
The walk to a SOCKS proxy that works, hop by hop.

One that doesn't work is in test_socks_matrix.py.
"""

from __future__ import annotations

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import SocksServer

WANTED = Endpoint("0.0.0.0", 2525)


@pytest.mark.parametrize(
    ("users", "login", "hops"),
    [
        ({}, "", ["resolve", "connect", "greeting", "serve"]),
        ({}, "me:secret", ["resolve", "connect", "greeting", "serve"]),
        ({"me": "secret"}, "me:secret", ["resolve", "connect", "greeting", "auth", "serve"]),
    ],
    ids=["no login", "login not wanted", "login"],
)
async def test_socks5(users: dict[str, str], login: str, hops: list[str]) -> None:
    """Each hop is fine and timed; the login is one if the proxy wants it."""
    async with SocksServer(users=users) as proxy:
        walked = await SocksProvider.from_url(proxy.url(login=login)).diagnose(WANTED)

    assert [hop.name for hop in walked] == hops
    assert all(hop.ok and hop.milliseconds > 0 for hop in walked[:-1])
    assert all(hop.code is None and not hop.hint for hop in walked)
    assert "secret" not in str(walked)


async def test_socks4() -> None:
    """SOCKS4 has no greeting; that it is spoken is found out nevertheless."""
    async with SocksServer() as proxy:
        walked = await SocksProvider.from_url(proxy.url("socks4")).diagnose(WANTED)

    assert [(hop.name, hop.ok) for hop in walked] == [
        ("resolve", True),
        ("connect", True),
        ("greeting", True),
        ("serve", True),
    ]
    assert walked[2].detail == "SOCKS4"


async def test_nothing_is_bound() -> None:
    """Whether the port is free is not found out, and said to be open."""
    async with SocksServer() as proxy:
        proxy.taken.add(WANTED.port)
        *_, serve = await SocksProvider.from_url(proxy.url()).diagnose(WANTED)
        await proxy.idle()

        assert proxy.bound == []
    assert (serve.name, serve.target) == ("serve", str(WANTED))
    assert "a bind tells" in serve.detail


async def test_an_address_that_is_not_needed_is_forgiven() -> None:
    """Of a name with two addresses, the one on which nothing listens is no failure."""
    async with SocksServer() as proxy:
        url = f"socks5://localhost:{proxy.address.port}"
        walked = await SocksProvider.from_url(url).diagnose(WANTED)

    assert all(hop.ok is not False and hop.code is None for hop in walked)
    assert [hop.target for hop in walked if hop.name == "greeting"] == [
        f"localhost:{proxy.address.port} (127.0.0.1)"
    ]


async def test_hops_can_be_walked_again() -> None:
    """A walk is a new one each time."""
    async with SocksServer() as proxy:
        provider = SocksProvider.from_url(proxy.url())
        once, twice = await provider.diagnose(WANTED), await provider.diagnose(WANTED)

    assert [hop.name for hop in once] == [hop.name for hop in twice]
