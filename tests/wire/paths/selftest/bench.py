"""What the self-test's tests share: trying out, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.provider import BindProvider, Call, Hop, Listener
from bindpost.proxy.selftest import Limits, self_test
from bindpost.proxy.socks.standin import SocksServer

HERE = Endpoint.parse("127.0.0.1:0")
ANY = Endpoint.parse("0.0.0.0:0")
HASTY = Limits(accept=0.3, report=0.3, leave=0.3)
"""For what never comes."""

PATIENCE = 10.0
"""Seconds for what must end by itself."""

STEPS = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60]
"""Turns of the loop before a self-test is cancelled."""


def holdings() -> tuple[int, int, list[str]]:
    """Give what a self-test may not leave behind: tasks, its threads, sockets of this process."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("socks")]
    return len(asyncio.all_tasks()), len(threads), sorted(sockets())


def sockets() -> Iterator[str]:
    """Give the sockets that this process has open, but for Unix ones: those are the loop's own."""
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the folder's own descriptor is gone again
            name = os.readlink(link)
            if name.startswith("socket:") and name[8:-1] not in unix:
                yield name


Settle = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def leaving_nothing(settle: Settle | None = None) -> AsyncIterator[None]:
    """See that all is as before; `settle` returns when a stand-in has noticed that, too."""
    before, tasks = holdings(), asyncio.all_tasks()
    yield
    for _ in range(10):  # what was closed is gone some turns of the loop later, on both sides
        await asyncio.sleep(0)
        if settle is not None:
            await settle()
    if others := asyncio.all_tasks() - tasks:  # a stand-in's, which end by themselves
        await asyncio.wait(others, timeout=PATIENCE)
    assert holdings() == before


async def try_out(
    provider: BindProvider,
    endpoint: Endpoint = HERE,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    settle: Settle | None = None,
) -> list[Hop]:
    """Make a self-test that leaves nothing behind."""
    async with leaving_nothing(settle):
        return await self_test(provider, endpoint, limits=limits)


def steps(hops: Sequence[Hop]) -> list[tuple[str, bool | None]]:
    """Give each step and how it went."""
    return [(hop.name, hop.ok) for hop in hops]


FINE = [("bind", True), ("reach", True), ("accept", True), ("peer", True)]
NOT_ACCEPTED = [("bind", True), ("reach", True), ("accept", False)]
NOT_REACHED = [("bind", True), ("reach", False), ("accept", None)]
UNTESTED = [("bind", True), ("reach", None), ("accept", None)]


async def cancelled(provider: BindProvider, endpoint: Endpoint, turns: int) -> None:
    """Cancel a self-test after some turns of the loop."""
    task = asyncio.create_task(self_test(provider, endpoint))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class Odd:
    """Binds like direct:, and comes in elsewhere, or by another name."""

    url = "odd:"

    def __init__(self, *, elsewhere: Endpoint | None = None, **changes: object) -> None:
        self._inner = DirectProvider()
        self._elsewhere = elsewhere
        self._changes = changes

    async def create_server(self, *arguments: Any, **options: Any) -> Listener:
        """Bind."""
        return await self._inner.create_server(*arguments, **options)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk."""
        return await self._inner.diagnose(endpoint)

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Connect."""
        call = await self._inner.reach(self._elsewhere or address, seconds=seconds)
        return replace(call, **self._changes)  # type: ignore[arg-type]  # by name


def address(proxy: SocksServer) -> tuple[str, int]:
    """Give where a proxy listens."""
    return proxy.address.host, proxy.address.port
