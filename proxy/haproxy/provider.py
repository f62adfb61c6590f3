"""The bind provider that wraps another one and expects a PROXY protocol header first."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Final, final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import ConfigError

from ..bindpath import BindPath
from ..calling import NO_WAY
from ..pause import Pause, pause_of
from ..provider import (
    BindProvider,
    Call,
    Hop,
    Listener,
    ListenerState,
    ProtocolFactory,
    Reaching,
    Report,
    UnreachedError,
    decision_of,
    warnings_of,
)
from .reach import reach
from .receiver import Gate, HeaderReceiver
from .trusted import TrustedSenders

TIMEOUT: Final = 5.0
"""Seconds for a header. It comes with the first packet; three are a lost packet's (section 2)."""


@final
class ProxyProtocolListener:
    """
    Another provider's listener. `close()` also ends connections whose header hasn't come.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(self, inner: Listener, waiting: set[HeaderReceiver]) -> None:
        self._inner = inner
        self._waiting = waiting

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where the load balancer connects."""
        return self._inner.addresses

    @property
    def capacity(self) -> int | None:
        """How many sessions at once; None for no limit."""
        return self._inner.capacity

    @property
    def state(self) -> ListenerState:
        """Where the listener is in its life."""
        return self._inner.state

    @property
    def pause(self) -> Pause | None:
        """The pauses before it binds again, if it does so by itself."""
        return pause_of(self._inner)

    def close(self) -> None:
        """Stop accepting; live sessions go on, what isn't one yet ends."""
        self._inner.close()
        for receiver in tuple(self._waiting):
            receiver.stop()

    async def wait_closed(self) -> None:
        """Return when nothing of the listener is left; live sessions are not waited for."""
        await self._inner.wait_closed()


@final
class ProxyProtocolProvider:
    """
    Binds as `inner` does; each connection must begin with a PROXY protocol header, version 1 or 2.

    Only senders in `trusted` (addresses and networks) may connect, and have `timeout` seconds for
    the header. Transports tell the real peer as `peername`, the address that it dialled as
    `sockname`, and what else the header tells as extra info `proxy_tlvs`, a mapping from names
    (`AUTHORITY`, `UNIQUE_ID`, `SSL_VERSION`, `0xEA`) to texts or numbers. TLS, implicit or by
    STARTTLS, is inside: the header comes before it.

    Implements `bindpost.proxy.provider.BindProvider` and `Reaching`. Raises `ConfigError`.
    """

    def __init__(
        self, inner: BindProvider, trusted: Sequence[str], *, timeout: float = TIMEOUT
    ) -> None:
        if not timeout > 0:
            raise ConfigError("listener.proxy_timeout", "it must be more than 0 seconds")
        self._inner = inner
        self._trusted = TrustedSenders(trusted)
        self._timeout = timeout
        self.warnings = warnings_of(inner)
        self._identity = (inner, tuple(trusted), timeout)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProxyProtocolProvider) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def url(self) -> str:
        """The inner bind path's: the header is a switch on it, no path of its own."""
        return self._inner.url

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> ProxyProtocolListener:
        """Bind and listen as the inner provider does. Raises `BindError`."""
        gate = Gate(
            listener=str(endpoint),
            via=self.url,
            trusted=self._trusted,
            timeout=self._timeout,
            tls=ssl,
        )
        waiting: set[HeaderReceiver] = set()
        inner = await self._inner.create_server(
            lambda: HeaderReceiver(protocol_factory, gate, waiting), endpoint, report=report
        )
        return ProxyProtocolListener(inner, waiting)

    async def decision(self, endpoint: Endpoint) -> BindPath | None:
        """Say by which rule the inner path was chosen, if by one."""
        return await decision_of(self._inner, endpoint)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk the inner path, then tell who must send the header, which nobody can test here."""
        hops = await self._inner.diagnose(endpoint)
        reached = all(hop.ok is not False for hop in hops)
        return [
            *hops,
            Hop(
                name="header",
                target="PROXY protocol",
                ok=True if reached else None,
                detail=f"must come first, v1 or v2, within {self._timeout:g} s; "
                f"trusted senders: {self._trusted}",
            ),
        ]

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """
        Connect as the inner provider does, and send a header as a load balancer would.

        Raises `UnreachedError`, also when the connection comes from a sender that isn't trusted.
        """
        if not isinstance(self._inner, Reaching):
            raise UnreachedError(NO_WAY)
        call = await self._inner.reach(address, seconds=seconds)
        return await reach(call, address, self._trusted)
