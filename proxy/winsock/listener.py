"""A listener whose port is bound on the proxy, and what it does with the connections it gets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..background import Acceptor, Background
from ..provider import ListenerState, ProtocolFactory, Report
from ..sockets import move
from ..transport import proxied
from .binder import Binder, Bound, MovedError
from .channel import ControlChannel
from .wire import Address


@final
class RemoteListener:
    """
    A port on the proxy together with the local port that the proxy connects to.

    A connection is proxied if it comes from the proxy's own address with an announced port; its
    `peername` is then the Internet peer. Every other one is a direct local client and is passed
    through untouched. When the proxy stops answering, all is given up and FAILED is reported; but
    if the bind is `persistent` the local port stays, RETRYING is reported, and the port is bound
    on the proxy again, with pauses, for ever. Live sessions go on in either case.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(
        self,
        bound: Bound,
        *,
        binder: Binder,
        persistent: bool,
        protocol_factory: ProtocolFactory,
        via: str,
        tls: ssl.SSLContext | None,
        report: Report | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = bound.channel
        self._external = bound.external
        self._binder = binder
        self._persistent = persistent
        self._protocol_factory = protocol_factory
        self._via = via
        self._tls = tls
        self._report = report
        self._addresses = (Endpoint(*bound.external), Endpoint(*bound.sock.getsockname()[:2]))
        self._state = ListenerState.LISTENING
        self._trouble: tuple[int, str] | None = None
        self._background = Background()
        self._background.spawn(self._keep_bound())
        self._acceptor = Acceptor(bound.sock, self._on_connection)

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
        """LISTENING; RETRYING while the proxy is lost, or FAILED for good; CLOSED."""
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

    async def _keep_bound(self) -> None:
        while True:
            try:
                await self._channel.keep_alive()
            except BindError as error:
                if not self._persistent:
                    self._give_up(error)
                    return
                self._change(ListenerState.RETRYING, error)
            self._channel.close()
            await self._channel.wait_closed()
            try:
                self._channel = await self._bind_again()
            except MovedError as moved:
                self._give_up(moved.error)
                return
            self._change(ListenerState.LISTENING)

    async def _bind_again(self) -> ControlChannel:
        """Bind on the proxy until it works; raises `MovedError`."""
        pauses = self._binder.dialer.timing.pauses
        for pause in chain(pauses, repeat(pauses[-1])):
            await asyncio.sleep(pause)
            try:
                return await self._binder.bind_again(self._external)
            except BindError as error:
                self._change(ListenerState.RETRYING, error)
        raise AssertionError("there is always another pause")

    def _give_up(self, error: BindError) -> None:
        self.close()
        self._change(ListenerState.FAILED, error)

    def _change(self, state: ListenerState, error: BindError | None = None) -> None:
        """Note and report a new state, or the same trouble's new cause."""
        trouble = (error.code, error.hop) if error else None
        if (state, trouble) == (self._state, self._trouble):
            return
        self._state, self._trouble = state, trouble
        if self._report is not None:
            # Not called from here: an error in it must not end this listener.
            self._loop.call_soon(self._report, state, error)

    def _on_connection(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._background.spawn(self._hand_over(connection, Address(*peer)), connection)

    async def _hand_over(self, connection: socket.socket, peer: Address) -> None:
        """Find out who is there, and give the connection to a protocol."""
        notice = None
        if peer.host == self._channel.server.host:
            notice = self._binder.announcements.take(peer.port)
            if notice is None:  # it may have overtaken its notice
                notice = await self._binder.announcements.wait(peer.port)
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
