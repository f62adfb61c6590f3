"""The sessions that a SOCKS listener has brought: how they begin, and when none lives any more."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import partial

from ..background import Background
from ..provider import ProtocolFactory
from ..sockets import move, reset_on_close
from ..tls import inside_tls
from .linger import Receiver


class Sessions:
    """
    Begins sessions on connections that were accepted elsewhere, and counts those that live.

    With `tls` each begins with a handshake. `linger` is that of the sessions' transports, until
    `no_more_lingering`.
    """

    def __init__(
        self, protocol_factory: ProtocolFactory, tls: ssl.SSLContext | None, *, linger: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol_factory = protocol_factory
        self._tls = tls
        self._linger = linger
        self._live: dict[object, Receiver | None] = {}
        self._none_lives = asyncio.Event()
        self._none_lives.set()
        self._beginning = Background()

    def __len__(self) -> int:
        return len(self._live)

    def begin(self, sock: socket.socket, facts: Mapping[str, object]) -> None:
        """Begin a session, which counts from now on; the socket is no longer the caller's."""
        token = object()
        self._live[token] = None
        self._none_lives.clear()
        self._beginning.spawn(self._begin(sock, facts, token), sock)

    def no_more_lingering(self) -> None:
        """Wait for no client to close, now or later."""
        self._linger = 0
        for receiver in tuple(self._live.values()):
            if receiver is not None:
                receiver.no_more_lingering()

    async def wait_none(self) -> None:
        """Return when no session lives."""
        await self._none_lives.wait()

    async def wait_begun(self) -> None:
        """Return when no session is just beginning."""
        await self._beginning.join()

    async def _begin(self, sock: socket.socket, facts: Mapping[str, object], token: object) -> None:
        ended = partial(self._ended, token)
        try:
            protocol = inside_tls(
                self._protocol_factory(), self._tls, shutdown=self._linger or None
            )
        except BaseException:
            reset_on_close(sock)  # nobody is there who would wait for the client to close
            ended()
            raise
        receiver = Receiver(protocol, facts, linger=self._linger, on_lost=ended)
        self._live[token] = receiver
        try:
            await self._loop.connect_accepted_socket(lambda: receiver, move(sock))
        except OSError:  # the client has gone already
            ended()

    def _ended(self, token: object) -> None:
        self._live.pop(token, None)
        if not self._live:
            self._none_lives.set()
