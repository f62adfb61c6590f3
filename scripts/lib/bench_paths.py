"""Measures each bind path's session rate as a ratio to plain loop.create_server, in one run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.provider import BindProvider
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.server.eventlog import configure
from bindpost.server.smtp.protocol import SmtpProtocol
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Retention

CLIENT = r"""
import socket, sys, time
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
SESSION = "HELO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|x\r\n.|QUIT".encode().split(b"|")
def session():
    with socket.create_connection((host, port), timeout=30) as peer:
        replies = peer.makefile("rb")
        assert replies.readline()[:3] == b"220"
        for command in SESSION:
            peer.sendall(command + b"\r\n")
            assert replies.readline()[:1] in b"23"
def patient():  # a SOCKS listener refuses who comes before it is armed again
    while True:
        try:
            return session()
        except ConnectionError:
            time.sleep(0.0005)
patient()
start = time.perf_counter()
for _ in range(count):
    patient()
print(count / (time.perf_counter() - start))
"""
"""Sequential sessions of one message each, from a process of its own; prints sessions a second."""

Factory = Callable[[], SmtpProtocol]
Path_ = Callable[[Factory], AbstractAsyncContextManager[tuple[str, int]]]


@contextlib.asynccontextmanager
async def plain(factory: Factory) -> AsyncIterator[tuple[str, int]]:
    """Bind by asyncio alone, without our seam: what everything is compared with."""
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()


@contextlib.asynccontextmanager
async def through(
    provider: BindProvider, factory: Factory, endpoint: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[str, int]]:
    """Bind through a provider."""
    listener = await provider.create_server(factory, Endpoint.parse(endpoint))
    yield listener.addresses[0].host, listener.addresses[0].port
    listener.close()
    await listener.wait_closed()


@contextlib.asynccontextmanager
async def direct(factory: Factory) -> AsyncIterator[tuple[str, int]]:
    """Bind by `direct:`."""
    async with through(DirectProvider(), factory) as address:
        yield address


@contextlib.asynccontextmanager
async def winsock(factory: Factory) -> AsyncIterator[tuple[str, int]]:
    """Bind on a Winsock Proxy, our stand-in."""
    async with (
        WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy,
        through(WinsockProvider.from_url(proxy.url), factory) as address,
    ):
        yield address


@contextlib.asynccontextmanager
async def socks5(factory: Factory) -> AsyncIterator[tuple[str, int]]:
    """Bind by SOCKS5 BIND on our stand-in, which behaves as Dante does."""
    async with (
        SocksServer() as proxy,
        through(SocksProvider.from_url(proxy.url()), factory, "0.0.0.0:0") as (_, port),
    ):
        yield "127.0.0.1", port


PATHS: dict[str, Path_] = {
    "loop.create_server": plain,
    "direct:": direct,
    "winsock://": winsock,
    "socks5://": socks5,
}


async def rate(path: Path_, factory: Factory, sessions: int) -> float:
    """Give the sessions a second through a path."""
    async with path(factory) as (host, port):
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, host, str(port), str(sessions), stdout=-1
        )
        output, _ = await client.communicate()
    return float(output)


async def measure(rounds: int, sessions: int) -> dict[str, list[float]]:
    """Measure every path in each round, the order rotated."""
    settings = Settings(hostname="bench")
    store = MemoryStore(Retention(max_messages=100))
    factory = session_factory(
        Resources.load(settings, hostname="bench", folder=Path()),
        ListenerSettings(endpoint="127.0.0.1:0"),
        via="bench",
        store=store,
        sessions=Sessions(1000),
    )
    rates: dict[str, list[float]] = {name: [] for name in PATHS}
    names = list(PATHS)
    for turn in range(rounds):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for name in order:
            rates[name].append(await rate(PATHS[name], factory, sessions))
    await store.close()
    return rates


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=300)
    options = parser.parse_args()
    configure(form="console", level="error", stream=sys.stderr, host="bench")
    rates = asyncio.run(measure(options.rounds, options.sessions))
    base = rates["loop.create_server"]
    lines = [
        "| path | sessions/s, median | ratio, median | ratio, min to max |",
        "|---|---:|---:|---:|",
    ]
    for name, values in rates.items():
        ratios = [value / plain_value for value, plain_value in zip(values, base, strict=True)]
        lines.append(
            f"| `{name}` | {statistics.median(values):.0f} | {statistics.median(ratios):.2f} "
            f"| {min(ratios):.2f} to {max(ratios):.2f} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
