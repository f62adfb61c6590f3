"""Every built-in bind provider passes the public suite."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.codec import Command, Header, TcpRoute, dumps
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.inherited import InheritedProvider
from bindpost.proxy.provider import (
    Hop,
    Listener,
    ProtocolFactory,
    Report,
)
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import SshStandIn
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.testing.providers import Bench, BindProviderSuite

Factory = Callable[[Path], AbstractAsyncContextManager[Bench]]


@asynccontextmanager
async def direct_ipv4(folder: Path) -> AsyncIterator[Bench]:
    """`direct:` on IPv4."""
    yield Bench(DirectProvider(), Endpoint.parse("127.0.0.1:0"))


@asynccontextmanager
async def direct_ipv6(folder: Path) -> AsyncIterator[Bench]:
    """`direct:` on IPv6."""
    if not has_ipv6():
        pytest.skip("no IPv6 loopback on this machine")
    yield Bench(DirectProvider(), Endpoint.parse("[::1]:0"))


@asynccontextmanager
async def direct_unix(folder: Path) -> AsyncIterator[Bench]:
    """`direct:` on a Unix socket."""
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no Unix sockets on this system")
    yield Bench(DirectProvider(), Endpoint(path=str(folder / "s")))


class Announcing:
    """Binds on this machine; each peer seems to begin with a PROXY header of its own name."""

    url = "direct:"

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Bind."""
        return await DirectProvider().create_server(lambda: Announcer(protocol_factory()), endpoint)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Foresee."""
        return await DirectProvider().diagnose(endpoint)


class Announcer(asyncio.Protocol):
    """Gives the real protocol a header before anything else."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast("asyncio.Protocol", protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Step aside, the header given."""
        header = Header(version=2, command=Command.LOCAL)
        names = [transport.get_extra_info(name) for name in ("peername", "sockname")]
        if all(isinstance(name, tuple) for name in names):
            (source, source_port), (target, port) = ((ip_address(n[0]), n[1]) for n in names)
            header = Header(version=2, route=TcpRoute(source, source_port, target, port))
        cast("asyncio.Transport", transport).set_protocol(self.protocol)
        self.protocol.connection_made(transport)
        self.protocol.data_received(dumps(header))


@asynccontextmanager
async def haproxy_ipv4(folder: Path) -> AsyncIterator[Bench]:
    """A PROXY header on IPv4."""
    provider = ProxyProtocolProvider(Announcing(), ["127.0.0.1"])
    yield Bench(provider, Endpoint.parse("127.0.0.1:0"))


@asynccontextmanager
async def haproxy_local(folder: Path) -> AsyncIterator[Bench]:
    """A PROXY header that says LOCAL, on a Unix socket."""
    yield Bench(ProxyProtocolProvider(Announcing(), ["::1"]), Endpoint(path=str(folder / "s")))


HANDED_OVER = 500
"""A descriptor that nothing else in the tests has."""


@asynccontextmanager
async def inherited(sock: socket.socket, endpoint: Endpoint) -> AsyncIterator[Bench]:
    """A socket that was handed over."""
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
    with ExitStack() as stack:
        os.dup2(sock.fileno(), HANDED_OVER)
        stack.callback(os.close, HANDED_OVER)
        sock.close()
        provider = InheritedProvider(environ, first=HANDED_OVER)
        yield Bench(provider, endpoint, queue_outlives=True)


def inherited_ipv4(folder: Path) -> AbstractAsyncContextManager[Bench]:
    """A TCP socket that was handed over."""
    return inherited(socket.create_server(("127.0.0.1", 0)), Endpoint.parse("127.0.0.1:0"))


def inherited_unix(folder: Path) -> AbstractAsyncContextManager[Bench]:
    """A Unix socket that was handed over."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "s"))
    sock.listen()
    return inherited(sock, Endpoint(path=str(folder / "s")))


@asynccontextmanager
async def winsock(folder: Path) -> AsyncIterator[Bench]:
    """A bind on a Winsock Proxy, whose external address is 127.0.0.2."""
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy:
        provider = WinsockProvider.from_url(proxy.url)
        yield Bench(provider, Endpoint.parse("127.0.0.1:0"), public_host="127.0.0.2")
        await proxy.idle()


@asynccontextmanager
async def ssh(folder: Path) -> AsyncIterator[Bench]:
    """A port that an SSH server listens on."""
    standin = await SshStandIn.start()
    yield Bench(SshProvider(standin.settings(folder)), Endpoint.parse("127.0.0.1:0"))
    await standin.stop()


FACTORIES: dict[str, Factory] = {
    "direct-ipv4": direct_ipv4,
    "direct-ipv6": direct_ipv6,
    "direct-unix": direct_unix,
    "haproxy-ipv4": haproxy_ipv4,
    "haproxy-local": haproxy_local,
    "inherited-ipv4": inherited_ipv4,
    "inherited-unix": inherited_unix,
    "ssh": ssh,
    "winsock": winsock,
}
"""A provider that joins is named here."""


def has_ipv6() -> bool:
    """Say whether this machine has the address ::1."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class TestBindProviders(BindProviderSuite):
    """The suite, over each of them."""

    @pytest.fixture(params=list(FACTORIES))
    async def bench(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
        """Give each provider in turn."""
        async with FACTORIES[request.param](tmp_path) as made:
            yield made
