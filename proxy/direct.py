"""`direct:`, a bind on this machine: asyncio's own server and nothing around it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final, NamedTuple, final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from . import advice, wsa
from .binding import BACKLOG, bind_tcp, bind_unix, resolve
from .provider import Hop, ListenerState, ProtocolFactory, Report

URL: Final = "direct:"


@final
class DirectListener:
    """
    Listening sockets of this machine, one for each address.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = tuple(sockets)
        self._addresses = tuple(_address_of(sock) for sock in sockets)
        self._files = tuple(_files_of(sockets))
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
        for file in self._files:
            file.remove()

    async def serve(
        self, protocol_factory: ProtocolFactory, context: ssl.SSLContext | None
    ) -> None:
        """Accept connections; on failure or cancellation the listener is closed."""
        loop = asyncio.get_running_loop()
        try:
            for sock in self._sockets:
                is_unix = sock.family == getattr(socket, "AF_UNIX", None)
                create = loop.create_unix_server if is_unix else loop.create_server
                server: asyncio.AbstractServer = await create(
                    protocol_factory,
                    sock=sock,
                    ssl=context,
                    backlog=BACKLOG,
                    # Serving would begin with a point at which cancelling loses the server.
                    start_serving=False,
                )
                self._servers.append(server)
            for server in self._servers:
                await server.start_serving()
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


@final
class DirectProvider:
    """
    Binds on this machine.

    A host name binds all its addresses, on one port number. `[::]` takes IPv6 only, as asyncio and
    unlike many C programs: name `0.0.0.0` beside it for both. The transports are asyncio's own;
    they tell nothing as extra info `via`.

    Implements `bindpost.proxy.provider.BindProvider`.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DirectProvider)

    def __hash__(self) -> int:
        return hash(DirectProvider)

    @property
    def url(self) -> str:
        """`direct:`."""
        return URL

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> DirectListener:
        """
        Bind and listen. Nothing is ever reported: what is bound here stays bound until closed.

        Raises `BindError` with the code of the failed bind, or 11001 to 11004 if the host name
        can't be resolved.
        """
        hop = "resolve"
        try:
            if endpoint.is_unix:
                hop = "bind"
                sockets = [bind_unix(endpoint.path)]
            else:
                addresses = await resolve(endpoint.host, endpoint.port)
                hop = "bind"
                sockets = bind_tcp(addresses, endpoint.port)
        except OSError as error:
            raise await _refusal(error, endpoint, hop) from error
        listener = DirectListener(sockets)
        await listener.serve(protocol_factory, ssl)
        return listener

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """
        Say whether each address could be bound: whether it is this machine's, allowed, and free.

        Binds nothing, so it can't know what only a bind finds out (firewalls, security policies),
        nor whether a port that is free now stays so.
        """
        if endpoint.is_unix:
            return await asyncio.to_thread(advice.foresee_unix, endpoint)
        begun = perf_counter()
        try:
            addresses = await resolve(endpoint.host, endpoint.port)
        except OSError as error:
            refusal = await _refusal(error, endpoint, "resolve")
            return [
                Hop(
                    name="resolve",
                    target=endpoint.host,
                    ok=False,
                    detail=refusal.detail,
                    milliseconds=(perf_counter() - begun) * 1000,
                    code=refusal.code,
                    hint=refusal.hint,
                )
            ]
        found = ", ".join(address.host for address in addresses)
        resolved = Hop("resolve", endpoint.host, True, found, (perf_counter() - begun) * 1000)
        return [resolved, *await asyncio.to_thread(advice.foresee, endpoint, addresses)]


async def _refusal(error: OSError, endpoint: Endpoint, hop: str) -> BindError:
    """Make the `BindError` of a failed bind; the look around for a hint is made in a thread."""
    code = wsa.code_of(error)
    return BindError(
        code,
        endpoint=str(endpoint),
        path=URL,
        hop=hop,
        detail=error.strerror or str(error),
        hint=await asyncio.to_thread(advice.hint, code, endpoint),
    )


class _SocketFile(NamedTuple):
    """The file of a Unix socket, told from a successor's by its inode."""

    path: str
    device: int
    inode: int

    def remove(self) -> None:
        """Remove the file if it is still ours."""
        with suppress(OSError):
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == (self.device, self.inode):
                os.unlink(self.path)


def _files_of(sockets: Sequence[socket.socket]) -> Iterator[_SocketFile]:
    for sock in sockets:
        if sock.family == getattr(socket, "AF_UNIX", None):
            path = str(sock.getsockname())
            status = os.lstat(path)
            yield _SocketFile(path, status.st_dev, status.st_ino)


def _address_of(sock: socket.socket) -> Endpoint:
    name = sock.getsockname()
    if isinstance(name, str):
        return Endpoint(path=name)
    return Endpoint(host=str(name[0]), port=int(name[1]))
