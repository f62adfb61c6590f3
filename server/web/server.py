"""The web side's port, bound before there is an app, and what serves the app on it."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from typing import TYPE_CHECKING, Final

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Limits, WebLimits
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.socket_listener import SocketListener

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .http import Connections


_LIMITS: Final = Limits()
_WEB_LIMITS: Final = WebLimits()


class WebServer:
    """
    An HTTP server; several may live in one process.

    From `bind()` on the port is its own, and who connects waits for `serve()`. `grace` is how many
    seconds `stop()` gives to requests that are under way. With `tls` it speaks HTTPS, and a client
    has `handshake_timeout` seconds to begin with it; at a Unix socket nothing needs that.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        grace: float = 3.0,
        tls: ssl.SSLContext | None = None,
        limits: WebLimits = _WEB_LIMITS,
        handshake_timeout: float = _LIMITS.handshake_timeout,
    ) -> None:
        self._endpoint = endpoint
        self._grace = grace
        self._limits = limits
        self._handshake_timeout = handshake_timeout
        self._tls = None if endpoint.is_unix else tls
        self._listener: SocketListener | None = None
        self._connections: Connections | None = None

    async def bind(self) -> None:
        """Bind; raises `BindError`."""
        self._listener = await DirectProvider().bind(self._endpoint)

    async def serve(self, app: Starlette) -> None:
        """Answer by an app of `create_app`, at the port that is bound."""
        assert self._listener is not None
        self._connections = await asyncio.to_thread(self._connections_of, app)
        await self._connections.take_from(self._listener)

    def _connections_of(self, app: Starlette) -> Connections:
        """Import what serves an app, which a start does in a thread: the loop has mail to take."""
        from .http import Connections

        return Connections(
            app, self._limits, tls=self._tls, handshake_timeout=self._handshake_timeout
        )

    @property
    def address(self) -> Endpoint:
        """Where the server is bound, with the real port; what was asked for until it is."""
        return self._endpoint if self._listener is None else self._listener.addresses[0]

    @property
    def url(self) -> str:
        """The server's URL: `http://127.0.0.1:8025`, or `unix:/path`."""
        address = self.address
        scheme = "https" if self._tls else "http"
        return str(address) if address.is_unix else f"{scheme}://{address}"

    @property
    def is_exposed(self) -> bool:
        """Whether other machines may reach it: it is bound to an address that is not loopback."""
        addresses = () if self._listener is None else self._listener.addresses
        return any(
            not (one.is_unix or ipaddress.ip_address(one.host.partition("%")[0]).is_loopback)
            for one in addresses
        )

    async def stop(self) -> None:
        """Stop accepting, let requests under way end for `grace` seconds, cut what is left."""
        if self._listener is None:
            return
        self._listener.close()
        if self._connections is not None:
            await self._connections.end(self._grace)
        await self._listener.wait_closed()
