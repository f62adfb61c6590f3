"""The SOCKS paths pass the suite of all bind providers, through the stand-in proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import PortPolicy, SocksServer
from bindpost.testing.providers import Bench, BindProviderSuite


class TestSocks(BindProviderSuite):
    """The suite, with each version and with servers that hold a port more or less firmly."""

    @pytest.fixture(params=["socks5-plain", "socks4-plain", "socks5-reuseaddr"])
    async def bench(self, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
        """Give a provider whose proxy runs."""
        scheme, _, policy = request.param.partition("-")
        async with SocksServer(policy=PortPolicy(policy)) as proxy:
            yield Bench(
                SocksProvider.from_url(proxy.url(scheme)),
                Endpoint.parse("0.0.0.0:0"),
                public_host="127.0.0.1",
                foresees_taken=False,
            )
