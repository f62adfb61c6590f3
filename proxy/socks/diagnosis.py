"""The walk to a SOCKS proxy, hop by hop and timed; nothing is bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TypeVar

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..binding import Address
from ..provider import Hop, failed_hop
from .dial import Dialer
from .greeting import Greeting
from .naming import probe
from .symptom import Failure, Symptom, sign_of

_T = TypeVar("_T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Diagnosis:
    """
    One walk: resolve, connect, greeting and, if the proxy wants one, login. It binds nothing.

    `explain` makes the error that event 4007 would tell of a symptom.
    """

    dialer: Dialer
    explain: Callable[[Symptom], BindError]
    hops: list[Hop] = field(default_factory=list)

    async def walk(self, endpoint: Endpoint) -> list[Hop]:
        """Give the hops: those that went well, the one that failed, those that weren't reached."""
        proxy = self.dialer.proxy
        try:
            addresses = await self._step("resolve", proxy.host, self._resolve())
            address, (reader, writer) = await self._connect(addresses)
            target = self.dialer.name(address)
            greeting = Greeting(proxy, target, reader, writer, self.dialer.timing.step)
            try:
                wants_login = await self._step("greeting", target, greeting.greet())
                if wants_login:
                    await self._step("auth", target, greeting.log_in())
            finally:
                writer.transport.abort()
        except Failure:
            self._leave_open(endpoint)
        else:
            question = f"would ask {proxy.url} for it; whether it is allowed and free a bind tells"
            self.hops.append(Hop("serve", str(endpoint), True, question))
        return self.hops

    def _leave_open(self, endpoint: Endpoint) -> None:
        """Name the hops that come after the one that failed."""
        proxy = str(Endpoint(self.dialer.proxy.host, self.dialer.proxy.port))
        after = {"resolve": ("connect", "greeting"), "connect": ("greeting",)}
        unreached = [(name, proxy) for name in after.get(self.hops[-1].name, ())]
        unreached.append(("serve", str(endpoint)))
        self.hops += [Hop(name, target, None, "not reached") for name, target in unreached]

    async def _resolve(self) -> tuple[list[Address], str]:
        until = asyncio.get_running_loop().time() + self.dialer.timing.step
        addresses = await self.dialer.resolve(until)
        return addresses, ", ".join(address.host for address in addresses)

    async def _connect(self, addresses: list[Address]) -> tuple[Address, Streams]:
        """Connect to the first address that lets us; those before it are then no failure."""
        for number, address in enumerate(addresses, start=1):
            step = self._step("connect", self.dialer.name(address), self._open(address))
            try:
                streams = await step
            except Failure:
                if number == len(addresses):
                    raise
            else:
                self.hops = [h if h.ok else replace(h, ok=None, code=None) for h in self.hops]
                return address, streams
        raise AssertionError("a name that resolves has an address")

    async def _open(self, address: Address) -> tuple[Streams, str]:
        try:
            async with asyncio.timeout(self.dialer.timing.step):
                streams = await asyncio.open_connection(address.host, self.dialer.proxy.port)
        except OSError as error:
            sign, code = sign_of(error)
            raise Failure(
                Symptom(
                    version=self.dialer.proxy.version,
                    hop="connect",
                    sign=sign,
                    target=self.dialer.name(address),
                    code=code,
                    text=error.strerror or "",
                )
            ) from None
        return streams, "connected"

    async def _step(
        self, name: str, target: str, step: Coroutine[None, None, tuple[_T, str]]
    ) -> _T:
        """Do one step and note how it went and how long it took."""
        begun = time.perf_counter()
        try:
            result, detail = await step
        except Failure as failure:
            took = (time.perf_counter() - begun) * 1000
            error = self.explain(await self._with_name(failure.symptom))
            self.hops.append(failed_hop(error, target, took))
            raise
        took = (time.perf_counter() - begun) * 1000
        self.hops.append(Hop(name, target, True, detail, took))
        return result

    async def _with_name(self, symptom: Symptom) -> Symptom:
        """Find out what listens there, if it gave no reason of its own."""
        if not symptom.may_be_probed:
            return symptom
        proxy, timing = self.dialer.proxy, self.dialer.timing
        return symptom.naming(await probe(proxy.host, proxy.port, seconds=timing.probe))
