"""A SOCKS proxy with BIND, for labs and tests: users, port policies, and faults on purpose."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Self

from bindpost.config.endpoint import Endpoint

from ..background import ConnectionServer
from ..sockets import move
from ..watch import Watch, unwatched
from .standin_client import Fault, Manners
from .standin_ports import PortPolicy, Ports
from .standin_session import Session

__all__ = ["Fault", "PortPolicy", "SocksServer"]


class SocksServer:
    """
    A SOCKS 4, 4a and 5 server that knows BIND and CONNECT; `async with` runs it.

    `host`, an IPv4 address, and `port` are where clients connect, port 0 for any; `external` is the
    address on which ports are bound, and from which it connects: on a loopback address it leads
    nowhere else. `users` maps names to passwords; with any, SOCKS5 needs one and SOCKS4 is refused.
    `policy` says what happens to a port that is taken, `faults` what is wrong on purpose, `reply`
    and `second_reply` are the codes of these replies in place of success, `connect_reply` that of
    the one to CONNECT. `versions` are those that are spoken. `drip` is the pause between two bytes
    of the fault `slow`, in seconds. `watch` is told what happens, without secrets.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        external: str = "127.0.0.1",
        users: Mapping[str, str] = MappingProxyType({}),
        policy: PortPolicy = PortPolicy.PLAIN,
        faults: Collection[Fault] = (),
        reply: int | None = None,
        second_reply: int | None = None,
        connect_reply: int | None = None,
        versions: Collection[int] = (4, 5),
        drip: float = 0.05,
        watch: Watch = unwatched,
    ) -> None:
        self._server = ConnectionServer(Endpoint(host, port), self._connected)
        self._ports = Ports(external, policy)
        self._manners = Manners(
            users=dict(users),
            faults=frozenset(faults),
            reply=reply,
            second_reply=second_reply,
            connect_reply=connect_reply,
            versions=frozenset(versions),
            drip=drip,
            watch=watch,
        )
        self._sessions: set[Session] = set()
        self._busy = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def __aenter__(self) -> Self:
        self._server.open()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._server.close()
        self._ports.close()
        await asyncio.sleep(0)  # the connections that were cut close their sockets now

    @property
    def address(self) -> Endpoint:
        """Where clients connect."""
        return self._server.address

    def url(self, scheme: str = "socks5", login: str = "") -> str:
        """Give the bind path that leads here; `login` is `USER:PASSWORD`."""
        return f"{scheme}://{login}{'@' if login else ''}{self.address}"

    @property
    def bound(self) -> Sequence[Endpoint]:
        """The ports that are bound for clients and wait for a connection."""
        return [session.bound for session in self._sessions if session.bound is not None]

    @property
    def taken(self) -> set[int]:
        """The ports that somebody else holds; to be changed at will."""
        return self._ports.taken

    async def idle(self) -> None:
        """Return when no client is connected, and so nothing is bound."""
        await self._idle.wait()

    async def busy(self) -> None:
        """Return when a client is connected."""
        await self._busy.wait()

    def _connected(self, sock: socket.socket) -> Coroutine[None, None, None]:
        session = Session(self._manners, self._ports)
        self._sessions.add(session)
        self._busy.set()
        self._idle.clear()
        return self._serve(session, sock)

    async def _serve(self, session: Session, sock: socket.socket) -> None:
        try:
            await session.serve(move(sock))
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._busy.clear()
                self._idle.set()
