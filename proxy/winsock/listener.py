"""A listener whose port is bound on the proxy, and what it does with the connections it gets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..background import Acceptor, Background, move
from ..provider import ListenerState, ProtocolFactory, Report
from ..transport import proxied
from .channel import ControlChannel
from .messages import BindInfo
from .wire import Address

ANNOUNCED_LIMIT: Final = 1024
"""Announced connections that are remembered until they come; the oldest goes first."""
ANNOUNCED_FOR: Final = 30.0
"""Seconds for which they are; later the port may be some local client's."""


class Announcements:
    """
    The connections that the proxy has announced and not yet made, by its internal port.

    `grace` is how long, in seconds, a connection may come before its notice does, `lifetime` how
    long a notice waits for its connection.
    """

    def __init__(self, grace: float, lifetime: float = ANNOUNCED_FOR) -> None:
        self._grace = grace
        self._lifetime = lifetime
        self._loop = asyncio.get_running_loop()
        self._notices: dict[int, tuple[float, BindInfo]] = {}
        self._waiting: dict[int, asyncio.Future[BindInfo]] = {}

    def add(self, notice: BindInfo) -> None:
        """Remember a notice, or give it to the connection that waits for it."""
        waiting = self._waiting.pop(notice.internal_port, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(notice)
            return
        if len(self._notices) >= ANNOUNCED_LIMIT:
            del self._notices[next(iter(self._notices))]
        self._notices[notice.internal_port] = (self._loop.time(), notice)

    def take(self, port: int) -> BindInfo | None:
        """Give the notice for a connection from this port; it counts for one connection only."""
        since, notice = self._notices.pop(port, (0.0, None))
        return notice if self._loop.time() - since <= self._lifetime else None

    async def wait(self, port: int) -> BindInfo | None:
        """Give the notice when it comes within the grace, else None."""
        waiting: asyncio.Future[BindInfo] = self._loop.create_future()
        self._waiting[port] = waiting
        try:
            async with asyncio.timeout(self._grace):
                await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(port, None)
        return waiting.result()


class RemoteListener:
    """
    A port on the proxy together with the local port that the proxy connects to.

    A connection is proxied if it comes from the proxy's own address with an announced port; its
    `peername` is then the Internet peer. Every other one is a direct local client and is passed
    through untouched. When the proxy stops answering, all is given up and FAILED is reported.
    """

    def __init__(
        self,
        *,
        protocol_factory: ProtocolFactory,
        channel: ControlChannel,
        sock: socket.socket,
        announcements: Announcements,
        external: Address,
        via: str,
        tls: ssl.SSLContext | None,
        report: Report | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol_factory = protocol_factory
        self._channel = channel
        self._announcements = announcements
        self._via = via
        self._tls = tls
        self._report = report
        self._addresses = (Endpoint(*external), Endpoint(*sock.getsockname()[:2]))
        self._state = ListenerState.LISTENING
        self._background = Background()
        self._background.spawn(self._keep_alive())
        self._acceptor = Acceptor(sock, self._on_connection)

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """The proxy's address that peers connect to, then the local one."""
        return self._addresses

    @property
    def capacity(self) -> int | None:
        """Not limited."""
        return None

    @property
    def state(self) -> ListenerState:
        """LISTENING, FAILED once the proxy has stopped answering, or CLOSED."""
        return self._state

    def close(self) -> None:
        """Stop accepting, here and on the proxy."""
        self._state = ListenerState.CLOSED
        self._acceptor.close()
        self._background.cancel()
        self._channel.close()

    async def wait_closed(self) -> None:
        """Return when no task and no socket of the listener is left."""
        await self._background.join()
        await self._channel.wait_closed()

    async def _keep_alive(self) -> None:
        try:
            await self._channel.keep_alive()
        except BindError as error:
            self.close()
            self._state = ListenerState.FAILED
            if self._report is not None:
                self._report(ListenerState.FAILED, error)

    def _on_connection(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._background.spawn(self._hand_over(connection, Address(*peer)), connection)

    async def _hand_over(self, connection: socket.socket, peer: Address) -> None:
        """Find out who is there, and give the connection to a protocol."""
        notice = None
        if peer.host == self._channel.server.host:
            notice = self._announcements.take(peer.port)
            if notice is None:  # it may have overtaken its notice
                notice = await self._announcements.wait(peer.port)
        factory = self._protocol_factory
        if notice is not None:
            factory = proxied(
                factory,
                {
                    "peername": tuple(notice.peer),
                    "sockname": tuple(notice.external),
                    "via": self._via,
                },
            )
        protocol = factory()  # an error in it finds the connection still ours to close
        # A client that fails the TLS handshake is its own affair, as with loop.create_server.
        with suppress(OSError):
            await self._loop.connect_accepted_socket(
                lambda: protocol, move(connection), ssl=self._tls
            )
