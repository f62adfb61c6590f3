"""One attempt to have a proxy do something: resolve, connect, greet, log in, ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, TypeVar

from bindpost.config.endpoint import Endpoint

from .. import wsa
from ..binding import Address, resolve
from . import wire, worker
from .address import SocksProxy
from .bindsocket import BindSocket
from .pending import Pending, take_leave
from .symptom import Failure, Sign, Symptom, sign_of
from .timing import Timing

_TRY_AGAIN: Final = 11002
"""WSATRY_AGAIN: the name server has not answered."""


_T = TypeVar("_T")


class Connected(NamedTuple):
    """
    A connection that the proxy has made.

    `name` is where it comes from, as the proxy tells it; `target` is the proxy for a sentence,
    `host` its address.
    """

    sock: socket.socket
    name: Endpoint
    target: str
    host: str


@dataclass(frozen=True, slots=True)
class Dialer:
    """Binds ports on one proxy, and connects through it."""

    proxy: SocksProxy
    timing: Timing

    async def bind(self, wanted: Endpoint) -> Pending:
        """
        Have the proxy bind a port; returns when it is bound.

        Raises `Failure`, also when the proxy says yes and means another port. Cancelling it, and
        its end after `timing.total`, leave no thread and no connection behind.
        """
        until = asyncio.get_running_loop().time() + self.timing.total
        return await self._at_any(until, lambda at: self._bind_at(at, wanted, until))

    async def connect(self, to: Endpoint, *, seconds: float) -> Connected:
        """
        Have the proxy connect to an address, as a self-test does; returns when it is connected.

        Raises `Failure`. Cancelling it, and its end after `seconds`, leave nothing behind.
        """
        until = asyncio.get_running_loop().time() + seconds
        return await self._at_any(until, lambda at: self._connect_at(at, to, until))

    async def _at_any(self, until: float, attempt: Callable[[Address], Awaitable[_T]]) -> _T:
        """Try the proxy's addresses in turn; only one that can't be connected to leads on."""
        addresses = await self.resolve(until)
        for address in addresses[:-1]:
            try:
                return await attempt(address)
            except Failure as failure:
                if failure.symptom.hop != "connect":
                    raise
        return await attempt(addresses[-1])

    async def resolve(self, until: float) -> list[Address]:
        """Give the proxy's addresses; raises `Failure`, hop `resolve`."""
        try:
            async with asyncio.timeout_at(until):
                return await resolve(self.proxy.host, self.proxy.port)
        except TimeoutError:
            sign, code, text = Sign.UNRESOLVED, _TRY_AGAIN, ""
        except OSError as error:
            (sign, own), text = sign_of(error), error.strerror or ""
            code = own or wsa.UNKNOWN
        target = str(Endpoint(self.proxy.host, self.proxy.port))
        raise self._failure("resolve", sign, target, code=code, text=text)

    def name(self, address: Address) -> str:
        """Give host and port of the proxy, with the address of a host that is a name."""
        target = str(Endpoint(self.proxy.host, self.proxy.port))
        return target if address.host == self.proxy.host else f"{target} ({address.host})"

    async def _bind_at(self, address: Address, wanted: Endpoint, until: float) -> Pending:
        target = self.name(address)
        sock = self._socket(address, wire.BIND)
        try:
            bound = await self._ask(sock, address, wanted, until)
            if not self._is_wanted(wanted.port, bound.port):
                raise self._failure(
                    "bind", Sign.OTHER_PORT, target, wanted=wanted.port, bound=bound.port
                )
        except BaseException:
            if sock.fileno() >= 0:
                await take_leave(sock.take())
            raise
        return Pending(
            sock=sock.take(),
            version=self.proxy.version,
            target=target,
            address=_reachable(bound, address),
        )

    async def _connect_at(self, address: Address, to: Endpoint, until: float) -> Connected:
        sock = self._socket(address, wire.CONNECT)
        try:
            name = await self._ask(sock, address, to, until)
        except BaseException:
            sock.close()
            raise
        return Connected(sock.take(), name, self.name(address), address.host)

    def _socket(self, address: Address, command: int) -> BindSocket:
        target = self.name(address)
        try:
            return BindSocket(
                self.proxy, address.family, target, self.timing.keepalive, command=command
            )
        except OSError as error:
            sign, code = sign_of(error)
            text = error.strerror or ""
            raise self._failure("connect", sign, target, code=code, text=text) from None

    def _is_wanted(self, wanted: int, bound: int) -> bool:
        """Say whether a bound port will do; 3proxy always tells its own, which it is not."""
        return bound == wanted if wanted else bound not in (0, self.proxy.port)

    async def _ask(
        self, sock: BindSocket, address: Address, wanted: Endpoint, until: float
    ) -> Endpoint:
        try:
            async with asyncio.timeout_at(until):
                work = partial(sock.ask, address.sockaddr, wanted, timeout=self.timing.step)
                return await worker.run(work, stop=sock.hang_up)
        except OSError as error:  # a socks.ProxyError, or the deadline
            symptom = replace(sock.symptom(error), wanted=wanted.port)
            raise Failure(symptom) from None

    def _failure(
        self,
        hop: str,
        sign: Sign,
        target: str,
        *,
        code: int | None = None,
        text: str = "",
        wanted: int = 0,
        bound: int = 0,
    ) -> Failure:
        return Failure(
            Symptom(
                version=self.proxy.version,
                hop=hop,
                sign=sign,
                target=target,
                code=code,
                text=text,
                wanted=wanted,
                bound=bound,
            )
        )


def _reachable(bound: Endpoint, proxy: Address) -> Endpoint:
    """Give where clients connect: a proxy that says 0.0.0.0 means its own address."""
    is_told = bound.host and not bound.is_wildcard
    return bound if is_told else Endpoint(proxy.host, bound.port)
