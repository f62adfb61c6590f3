"""A listener over sockets of this machine, whoever has bound them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import final

from bindpost.config.endpoint import Endpoint

from .binding import BACKLOG
from .provider import ListenerState, ProtocolFactory


@final
class SocketListener:
    """
    Listening sockets of this machine; `release` is called once, when they are closed.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(self, sockets: Sequence[socket.socket], release: Callable[[], None]) -> None:
        self._sockets = tuple(sockets)
        self._addresses = tuple(address_of(sock) for sock in sockets)
        self._release = release
        self._servers: list[asyncio.AbstractServer] = []
        self._closed = asyncio.Event()

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where peers connect, with the port that was really bound."""
        return self._addresses

    @property
    def capacity(self) -> int | None:
        """No limit."""
        return None

    @property
    def state(self) -> ListenerState:
        """LISTENING, and CLOSED from `close()` on."""
        return ListenerState.CLOSED if self._closed.is_set() else ListenerState.LISTENING

    def close(self) -> None:
        """Stop accepting, at once; live sessions go on. A second time does nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        for server in self._servers:
            server.close()
        for sock in self._sockets:  # one that has no server yet
            sock.close()
        self._release()

    async def serve(
        self, protocol_factory: ProtocolFactory, context: ssl.SSLContext | None
    ) -> None:
        """Accept connections; on failure or cancellation the listener is closed."""
        loop = asyncio.get_running_loop()
        try:
            for sock in self._sockets:
                # For Unix sockets too: create_unix_server would remove the file, be it ours or not.
                server = await loop.create_server(
                    protocol_factory,
                    sock=sock,
                    ssl=context,
                    backlog=BACKLOG,
                    # Serving would begin with a point at which cancelling loses the server.
                    start_serving=False,
                )
                self._servers.append(server)
            for ready in self._servers:
                await ready.start_serving()
        except BaseException:
            self.close()
            raise

    async def wait_closed(self) -> None:
        """
        Return when `close()` was called and the sockets are gone; live sessions are not waited for.

        Not `Server.wait_closed`: from Python 3.12.1 on, and on uvloop, that one waits for sessions.
        """
        await self._closed.wait()
        await asyncio.sleep(0)  # libuv tells of closed handles in the loop's next turn


def address_of(sock: socket.socket) -> Endpoint:
    """Give the address that a socket is bound to."""
    name = sock.getsockname()
    if isinstance(name, bytes):  # an abstract one; systemd writes it so
        return Endpoint(path=f"@{name[1:].decode('utf-8', 'backslashreplace')}")
    if isinstance(name, str):
        return Endpoint(path=name)
    return Endpoint(host=str(name[0]), port=int(name[1]))
