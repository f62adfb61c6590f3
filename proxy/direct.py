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
from .binding import bind_tcp, bind_unix, resolve
from .calling import call_here
from .matrix import direct_row
from .provider import Call, Hop, ProtocolFactory, Report, failed_hop
from .socket_listener import SocketListener

URL: Final = "direct:"


@final
class DirectProvider:
    """
    Binds on this machine.

    A host name binds all its addresses, on one port number. `[::]` takes IPv6 only, as asyncio and
    unlike many C programs: name `0.0.0.0` beside it for both. The transports are asyncio's own;
    they tell nothing as extra info `via`.

    Implements `bindpost.proxy.provider.BindProvider` and `Reaching`.
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
    ) -> SocketListener:
        """
        Bind and listen. Nothing is ever reported: what is bound here stays bound until closed.

        Raises `BindError`, see `bind`.
        """
        listener = await self.bind(endpoint)
        await listener.serve(protocol_factory, ssl)
        return listener

    async def bind(self, endpoint: Endpoint) -> SocketListener:
        """
        Bind only: peers can connect, and wait until the listener is told to `serve`.

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
        return listen_on(sockets)

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
            return [failed_hop(refusal, endpoint.host, (perf_counter() - begun) * 1000)]
        found = ", ".join(address.host for address in addresses)
        resolved = Hop("resolve", endpoint.host, True, found, (perf_counter() - begun) * 1000)
        return [resolved, *await asyncio.to_thread(advice.foresee, endpoint, addresses)]

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Connect to a bound address, to a wildcard by loopback. Raises `UnreachedError`."""
        return await call_here(address, seconds=seconds)


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
        cause=direct_row(code, endpoint).key,
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


def listen_on(sockets: Sequence[socket.socket]) -> SocketListener:
    """Give a listener that removes the files of its Unix sockets when it is closed."""
    files = tuple(_files_of(sockets))

    def remove_files() -> None:
        for file in files:
            file.remove()

    return SocketListener(sockets, remove_files)


def _files_of(sockets: Sequence[socket.socket]) -> Iterator[_SocketFile]:
    for sock in sockets:
        if sock.family == getattr(socket, "AF_UNIX", None):
            path = str(sock.getsockname())
            status = os.lstat(path)
            yield _SocketFile(path, status.st_dev, status.st_ino)
