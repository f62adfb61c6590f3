"""Makes a remote bind: the same port here and on the proxy, the first time and again."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from .. import advice, wsa
from ..binding import BACKLOG
from .announcements import Announcements
from .channel import ControlChannel
from .dial import Dialer
from .failures import Failures
from .wire import ANY_HOST, Address

FREE_PORT_TRIES = 8
"""Local ports tried for port 0, when the proxy says that a number is taken there."""


class Bound(NamedTuple):
    """A remote bind that was made: the session, the local half, the address that peers dial."""

    channel: ControlChannel
    sock: socket.socket
    external: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """
    One remote bind as the client's files ask for it.

    `local` is bound here, `callback` the address that the proxy connects back to, `""` if any will
    do. `external_hosts` are the proxy's addresses that are wanted for some ports (ProxyBindIp),
    `kill_old` is KillOldSession. What the proxy announces goes to `announcements`.
    """

    dialer: Dialer
    failures: Failures
    local: Endpoint
    callback: str
    external_hosts: Mapping[int, str]
    kill_old: bool
    announcements: Announcements = field(compare=False)

    async def bind(self) -> Bound:
        """Bind and listen, here and there; raises `BindError`, and then nothing is left open."""
        channel = await self._dial()
        sock = None
        try:
            sock, external = await self._bind_both(channel)
            port = sock.getsockname()[1]
            await channel.listen(port, external, self._host_for(port))
        except BaseException:
            if sock is not None:
                sock.close()
            await _give_up(channel)
            raise
        return Bound(channel, sock, external)

    async def bind_again(self, external: Address) -> ControlChannel:
        """
        Bind and listen there once more, for the local half that is still bound.

        Raises `BindError`, and `MovedError` when peers would have to dial another address than
        before; then nothing is left open.
        """
        channel = await self._dial()
        try:
            now = await self._bind_there(channel, external.port)
            await channel.listen(external.port, now, self._host_for(external.port))
            if now != external:
                raise MovedError(self.failures.moved(channel.server.host, external.host, now.host))
        except BaseException:
            await _give_up(channel)
            raise
        return channel

    async def _dial(self) -> ControlChannel:
        return await self.dialer.dial(
            self.failures, [], local_host=self.callback, on_notice=self.announcements.add
        )

    async def _bind_there(self, channel: ControlChannel, port: int) -> Address:
        return await channel.bind(port, self._host_for(port), kill_old=self.kill_old)

    async def _bind_both(self, channel: ControlChannel) -> tuple[socket.socket, Address]:
        """Bind the same port here and there; for port 0 try numbers until both have one free."""
        tries = 1 if self.local.port else FREE_PORT_TRIES
        while True:
            try:
                sock = _bind_local(self.local)
            except OSError as error:
                hint = await asyncio.to_thread(advice.hint, wsa.code_of(error), self.local)
                raise self.failures.local(error, hint) from None
            try:
                return sock, await self._bind_there(channel, sock.getsockname()[1])
            except BindError as error:
                sock.close()
                tries -= 1
                if error.code != wsa.EADDRINUSE or not tries:
                    raise
            except BaseException:
                sock.close()
                raise

    def _host_for(self, port: int) -> str:
        return self.external_hosts.get(port, ANY_HOST)


class MovedError(Exception):
    """What was bound again has another address; `error` tells it as a `BindError`."""

    def __init__(self, error: BindError) -> None:
        super().__init__(str(error))
        self.error = error


async def _give_up(channel: ControlChannel) -> None:
    channel.close()
    await channel.wait_closed()


def _bind_local(address: Endpoint) -> socket.socket:
    """Make the local half of a remote bind, listening before the proxy can connect to it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if os.name == "posix":  # elsewhere it would let others take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock
