"""The bind paths that scripts/bench measures, each with what is at its other end."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from bench_paths_report import AGAIN, DIRECT
from bench_servers import dante, program, version

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.codec import Header, TcpRoute, dumps
from bindpost.proxy.haproxy.provider import ProxyProtocolProvider
from bindpost.proxy.inherited import InheritedProvider
from bindpost.proxy.provider import BindProvider
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import SshStandIn
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.server.smtp.protocol import SmtpProtocol

HERE: Final = Endpoint("127.0.0.1", 0)
OUTSIDE: Final = Endpoint("0.0.0.0", 0)  # noqa: S104 - what SOCKS takes; the proxy is on loopback
STANDIN: Final = "our stand-in"

Factory = Callable[[], SmtpProtocol]


class Target(NamedTuple):
    """Where clients connect, and what they must say first."""

    host: str
    port: int
    header: bytes = b""


Serve = Callable[[Factory], AbstractAsyncContextManager[Target]]


class Place(NamedTuple):
    """A bind path as it is measured: what is at the other end, and how it is bound."""

    other_end: str
    serve: Serve


@asynccontextmanager
async def plain(factory: Factory) -> AsyncIterator[Target]:
    """Bind by asyncio alone, without our seam: what everything is compared with."""
    server = await asyncio.get_running_loop().create_server(factory, HERE.host, 0)
    yield Target(*server.sockets[0].getsockname())
    server.close()


@asynccontextmanager
async def through(
    provider: BindProvider, factory: Factory, endpoint: Endpoint = HERE, header: bytes = b""
) -> AsyncIterator[Target]:
    """Bind through a provider."""
    listener = await provider.create_server(factory, endpoint)
    address = listener.addresses[0]
    yield Target(address.host, address.port, header)
    listener.close()
    await listener.wait_closed()


@asynccontextmanager
async def direct(factory: Factory) -> AsyncIterator[Target]:
    """Bind by `direct:`."""
    async with through(DirectProvider(), factory) as target:
        yield target


@asynccontextmanager
async def inherit(factory: Factory) -> AsyncIterator[Target]:
    """Listen on a socket that was handed over, by this process to itself."""
    with socket.create_server((HERE.host, 0)) as sock:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        provider = InheritedProvider(environ, first=sock.fileno())
        async with through(provider, factory) as target:
            yield target


@asynccontextmanager
async def proxy_protocol(factory: Factory) -> AsyncIterator[Target]:
    """Bind by `direct:`, and expect a PROXY protocol header, version 2."""
    route = TcpRoute(ip_address("192.0.2.1"), 4711, ip_address("192.0.2.2"), 25)
    header = dumps(Header(version=2, route=route))
    provider = ProxyProtocolProvider(DirectProvider(), ["127.0.0.1"])
    async with through(provider, factory, header=header) as target:
        yield target


@asynccontextmanager
async def winsock(factory: Factory) -> AsyncIterator[Target]:
    """Bind on a Winsock Proxy, our stand-in."""
    async with (
        WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy,
        through(WinsockProvider.from_url(proxy.url), factory) as target,
    ):
        yield target


@asynccontextmanager
async def socks_standin(factory: Factory) -> AsyncIterator[Target]:
    """Bind by SOCKS5 BIND on our stand-in, which behaves as Dante does."""
    async with (
        SocksServer() as proxy,
        through(SocksProvider.from_url(proxy.url()), factory, OUTSIDE) as target,
    ):
        yield target


def socks_dante(danted: Path) -> Serve:
    """Bind by SOCKS5 BIND on Dante."""

    @asynccontextmanager
    async def serve(factory: Factory) -> AsyncIterator[Target]:
        with tempfile.TemporaryDirectory(prefix="bindpost-bench-") as folder:
            async with dante(danted, Path(folder)) as url:
                provider = SocksProvider.from_url(url)
                async with through(provider, factory, OUTSIDE) as target:
                    yield target

    return serve


@asynccontextmanager
async def ssh_standin(factory: Factory) -> AsyncIterator[Target]:
    """Bind by `ssh -R` on our stand-in."""
    standin = await SshStandIn.start()
    with tempfile.TemporaryDirectory(prefix="bindpost-bench-") as folder:
        provider = SshProvider(standin.settings(Path(folder)))
        async with through(provider, factory) as target:
            yield target
    await standin.stop()


def ssh_sshd(sshd: Path, keygen: Path) -> Serve:
    """Bind by `ssh -R` on OpenSSH's own server."""

    @asynccontextmanager
    async def serve(factory: Factory) -> AsyncIterator[Target]:
        with tempfile.TemporaryDirectory(prefix="bindpost-bench-") as folder:
            server = await asyncio.to_thread(OpenSshServer, sshd, keygen, Path(folder))
            await server.start()
            try:
                async with through(SshProvider(server.settings()), factory) as target:
                    yield target
            finally:
                await server.stop()

    return serve


def places() -> Mapping[str, Place]:
    """
    Give what can be measured here, first the base itself, for the noise.

    A server that isn't installed is left out (Dante), or our stand-in is in its place (sshd); the
    other end's name says which.
    """
    found = {
        AGAIN: Place("", plain),
        DIRECT: Place("", direct),
        "`inherit:`": Place("", inherit),
        f"{DIRECT}, PROXY protocol": Place("a client that says the header", proxy_protocol),
        "`winsock://`": Place(STANDIN, winsock),
        "`socks5://`": Place(STANDIN, socks_standin),
    }
    danted, sshd, keygen = map(program, ("danted", "sshd", "ssh-keygen"))
    if danted:
        found["`socks5://`, Dante"] = Place(version(danted, "-v"), socks_dante(danted))
    if sshd and keygen:
        found["`ssh://`"] = Place(version(sshd, "-V"), ssh_sshd(sshd, keygen))
    else:
        found["`ssh://`"] = Place(f"{STANDIN}: sshd isn't installed", ssh_standin)
    return MappingProxyType(found)
