"""The bind provider of SOCKS proxies: `socks5://`, `socks4://` and `socks4a://`."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Self, final

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import SocksPath
from bindpost.errors import BindError, ConfigError

from ..provider import Call, Hop, ProtocolFactory, Report
from .address import SocksProxy
from .diagnosis import Diagnosis
from .dial import Dialer
from .explain import explain
from .listener import SocksListener
from .naming import probe
from .pending import Pending
from .reach import reach
from .sessions import Sessions
from .symptom import Failure, Service, Sign, Symptom
from .timing import Timing, keepalive_of


@final
class SocksProvider:
    """
    Has a SOCKS proxy bind ports (command BIND), one connection at a time.

    Of the endpoint only the port counts; its host must be a wildcard.

    Implements `bindpost.proxy.provider.BindProvider` and `Reaching`.
    """

    def __init__(self, proxy: SocksProxy, *, timing: Timing | None = None) -> None:
        self._proxy = proxy
        self._timing = timing or Timing()
        self._dialer = Dialer(proxy, self._timing)
        self._named: dict[str, Service | None] = {}

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `socks5://[USER:PASSWORD@]HOST[:PORT]` and its kin. Raises `ConfigError`."""
        return cls(SocksProxy.from_url(url))

    @classmethod
    def from_table(cls, name: str, table: SocksPath) -> Self:
        """Read a `[path.NAME]` table. Raises `ConfigError`."""
        try:
            proxy = SocksProxy.from_url(table.url)
        except ConfigError as error:
            raise ConfigError(f"path.{name}.url", error.problem, hint=error.hint) from None
        return cls(proxy, timing=Timing(keepalive=keepalive_of(table.keepalive)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SocksProvider) and self._dialer == other._dialer

    def __hash__(self) -> int:
        return hash(self._dialer)

    @property
    def url(self) -> str:
        """The bind path as a URL, the password hidden."""
        return self._proxy.url

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> SocksListener:
        """
        Bind a port on the proxy.

        Raises `ConfigError` before anything is sent if the endpoint is not one for SOCKS, and
        `BindError`: 10048 if the proxy bound another port, 10050 for all else that it did or
        didn't do.
        """
        self._proxy.check(endpoint)
        try:
            pending = await self._bind(endpoint)
        except Failure as failure:
            symptom = await self._named_once(failure.symptom)
            raise self._explain(endpoint, symptom) from None
        self._named.clear()
        return SocksListener(
            pending,
            Sessions(protocol_factory, ssl, linger=self._timing.linger),
            wanted=endpoint,
            dialer=self._dialer,
            report=report,
            explain=partial(self._explain, endpoint),
        )

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """
        Walk to the proxy, greet it and log in; if something else answers, find out what it is.

        Whether the proxy allows the bind and has the port free is not known before it is bound.
        Raises `ConfigError` as `create_server` does.
        """
        self._proxy.check(endpoint)
        return await Diagnosis(self._dialer, partial(self._explain, endpoint)).walk(endpoint)

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Connect to a bound address by CONNECT through the proxy. Raises `UnreachedError`."""
        return await reach(self._dialer, address, seconds=seconds)

    async def _bind(self, endpoint: Endpoint) -> Pending:
        """Bind; again, if the proxy may only need a moment to let go of the port."""
        for pause in self._timing.settle:
            try:
                return await self._dialer.bind(endpoint)
            except Failure as failure:
                if failure.symptom.sign is not Sign.OTHER_PORT:
                    raise
            await asyncio.sleep(pause)
        return await self._dialer.bind(endpoint)

    async def _named_once(self, symptom: Symptom) -> Symptom:
        """
        Give the symptom with the name of what listens there, if it gave no reason of its own.

        It is asked once for each hop and sign, not in every attempt of a caller that tries again.
        """
        if not symptom.may_be_probed:
            return symptom
        key = f"{symptom.hop} {symptom.sign}"
        if key not in self._named:
            proxy = self._proxy
            self._named[key] = await probe(proxy.host, proxy.port, seconds=self._timing.probe)
        return symptom.naming(self._named[key])

    def _explain(self, endpoint: Endpoint, symptom: Symptom) -> BindError:
        return explain(symptom, endpoint, self.url)
