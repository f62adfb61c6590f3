"""The provider around another one: who is trusted, what is refused, what is told beforehand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError, ConfigError
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.provider import ProxyProtocolListener, ProxyProtocolProvider
from bindpost.proxy.haproxy.trusted import TrustedSenders
from bindpost.proxy.pause import Pause, pause_of
from bindpost.proxy.provider import (
    BindProvider,
    Hop,
    Listener,
    ListenerState,
    ProtocolFactory,
    Report,
)

HERE = Endpoint.parse("127.0.0.1:0")


class Inner:
    """A bind path that notes what it is asked for, and finds what it is told to."""

    url = "socks5://10.0.0.1:1080"

    def __init__(self, hops: Sequence[Hop] = ()) -> None:
        self.hops = hops
        self.asked: dict[str, object] = {}

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Note the call."""
        self.asked = {"endpoint": endpoint, "ssl": ssl, "report": report}
        raise BindError(10050, endpoint="", path=self.url, hop="connect", detail="", hint="")

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Give what was found."""
        return list(self.hops)


class Bound:
    """A listener that binds again by itself, and does nothing else."""

    addresses = (HERE,)
    capacity = 1
    state = ListenerState.RETRYING

    def __init__(self, pause: Pause) -> None:
        self.pause = pause

    def close(self) -> None:
        """Close."""

    async def wait_closed(self) -> None:
        """Return."""


async def test_the_inner_pauses_are_its_own() -> None:
    """Whoever wants an attempt at once finds the inner listener's pause; direct: has none."""
    pause = Pause()
    direct = await ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"]).create_server(
        asyncio.Protocol, HERE
    )

    assert pause_of(ProxyProtocolListener(Bound(pause), set())) is pause
    assert pause_of(direct) is None
    direct.close()
    await direct.wait_closed()


def test_it_is_what_the_protocols_ask_for() -> None:
    """Type checkers and readers see that both protocols are met."""
    provider: BindProvider = ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"])
    listener: type[Listener] = ProxyProtocolListener

    assert provider.url == "direct:"
    assert listener is ProxyProtocolListener


# Who is trusted


@pytest.mark.parametrize(
    ("entries", "peername"),
    [
        (["192.0.2.7"], ("192.0.2.7", 1)),
        (["192.0.2.0/24"], ("192.0.2.255", 1)),
        (["10.0.0.1", " 2001:db8::/32 "], ("2001:db8::7", 1, 0, 0)),
        (["192.0.2.0/24"], ("::ffff:192.0.2.7", 1, 0, 0)),
        (["fe80::/10"], ("fe80::7%eth0", 1, 0, 2)),
        (["192.0.2.7"], ""),
        (["192.0.2.7"], "/run/client"),
        (["192.0.2.7"], b"\0abstract"),
    ],
)
def test_trusted(entries: list[str], peername: object) -> None:
    """Addresses and networks of both kinds, IPv4 on a socket of both kinds, and local sockets."""
    assert TrustedSenders(entries).trust(peername)


@pytest.mark.parametrize(
    ("entries", "peername"),
    [
        (["192.0.2.7"], ("192.0.2.8", 1)),
        (["192.0.2.0/24"], ("192.0.3.0", 1)),
        (["0.0.0.0/0"], ("2001:db8::7", 1, 0, 0)),
        (["::/0"], ("192.0.2.7", 1)),
        (["0.0.0.0/0", "::/0"], None),
    ],
)
def test_not_trusted(entries: list[str], peername: object) -> None:
    """Everybody else isn't, nor is a peer that nobody knows."""
    assert not TrustedSenders(entries).trust(peername)


@pytest.mark.parametrize("entries", [[], ["haproxy.example"], ["192.0.2.7/24"], ["192.0.2.0/33"]])
def test_a_list_that_cannot_be_used(entries: list[str]) -> None:
    """Empty lists, names, and networks with a host's bits are errors with something to do."""
    with pytest.raises(ConfigError) as caught:
        TrustedSenders(entries)

    assert caught.value.key == "listener.proxy_trusted"
    assert caught.value.hint


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_time_that_cannot_be_used(timeout: float) -> None:
    """The header needs some time."""
    with pytest.raises(ConfigError) as caught:
        ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"], timeout=timeout)

    assert caught.value.key == "listener.proxy_timeout"


# Around another path


async def test_the_inner_path_binds() -> None:
    """Endpoint and report go to the inner path, TLS doesn't, and its error comes back as it is."""
    inner = Inner()

    def report(state: ListenerState, error: BindError | None) -> None:
        raise AssertionError("nothing is reported before a bind")

    with pytest.raises(BindError) as caught:
        await ProxyProtocolProvider(inner, ["127.0.0.1"]).create_server(
            asyncio.Protocol, HERE, ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), report=report
        )

    assert inner.asked == {"endpoint": HERE, "ssl": None, "report": report}
    assert caught.value.path == "socks5://10.0.0.1:1080"


async def test_diagnosis() -> None:
    """The inner path's hops come first, then who has to send what."""
    inner = Inner([Hop("connect", "10.0.0.1:1080", True, "")])
    provider = ProxyProtocolProvider(inner, ["127.0.0.1", "10.0.0.0/8"], timeout=2)

    connect, header = await provider.diagnose(HERE)

    assert (connect.name, header.name, header.ok) == ("connect", "header", True)
    assert "127.0.0.1, 10.0.0.0/8" in header.detail
    assert "within 2 s" in header.detail


async def test_diagnosis_of_a_path_that_fails() -> None:
    """The header is not reached where the inner path fails."""
    inner = Inner([Hop("connect", "10.0.0.1:1080", False, "refused", code=10050)])

    *_, header = await ProxyProtocolProvider(inner, ["127.0.0.1"]).diagnose(HERE)

    assert header.ok is None
