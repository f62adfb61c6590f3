"""One attempt to have a proxy bind a port: resolve, connect, greet, log in, ask."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

from .. import wsa
from ..binding import Address, resolve
from . import worker
from .address import SocksProxy
from .bindsocket import BindSocket
from .pending import Pending, take_leave
from .symptom import Failure, Sign, Symptom, sign_of
from .timing import Timing

_TRY_AGAIN: Final = 11002
"""WSATRY_AGAIN: the name server has not answered."""


@dataclass(frozen=True, slots=True)
class Dialer:
    """Binds ports on one proxy."""

    proxy: SocksProxy
    timing: Timing

    async def bind(self, wanted: Endpoint) -> Pending:
        """
        Have the proxy bind a port; returns when it is bound.

        Raises `Failure`, also when the proxy says yes and means another port. Cancelling it, and
        its end after `timing.total`, leave no thread and no connection behind.
        """
        until = asyncio.get_running_loop().time() + self.timing.total
        addresses = await self.resolve(until)
        for address in addresses[:-1]:
            try:
                return await self._bind_at(address, wanted, until)
            except Failure as failure:
                if failure.symptom.hop != "connect":
                    raise
        return await self._bind_at(addresses[-1], wanted, until)

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
        try:
            sock = BindSocket(self.proxy, address.family, target, self.timing.keepalive)
        except OSError as error:
            sign, code = sign_of(error)
            text = error.strerror or ""
            raise self._failure("connect", sign, target, code=code, text=text) from None
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

    def _is_wanted(self, wanted: int, bound: int) -> bool:
        """Say whether a bound port will do; 3proxy always tells its own, which it is not."""
        return bound == wanted if wanted else bound not in (0, self.proxy.port)

    async def _ask(
        self, sock: BindSocket, address: Address, wanted: Endpoint, until: float
    ) -> Endpoint:
        try:
            async with asyncio.timeout_at(until):
                work = partial(sock.bind_at, address.sockaddr, wanted, timeout=self.timing.step)
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
    try:
        unspecified = ip_address(bound.host).is_unspecified
    except ValueError:
        unspecified = not bound.host
    return Endpoint(proxy.host, bound.port) if unspecified else bound
