"""A port on an SSH server that is bound again when the login is lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from .. import wsa
from ..pause import Pause
from ..provider import ListenerState, ProtocolFactory, Report
from ..tls import inside_tls
from .attempts import Attempts
from .channel import ChannelSession
from .connection import SshConnection
from .dial import Walk, dial
from .failures import Failures
from .request import ListenRequest, SocketName, socket_name
from .settings import SshSettings

_REFUSALS = ("auth", "request")
"""Hops at which a person has to do something before another attempt can work."""


class Binder:
    """
    Binds one endpoint, again and again with the port that it got first.

    `open()` logs in, `listen` binds; each peer becomes a session of `protocol_factory`.
    """

    def __init__(
        self,
        settings: SshSettings,
        endpoint: Endpoint,
        protocol_factory: ProtocolFactory,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.settings = settings
        self.request = ListenRequest(endpoint)
        self._factory = protocol_factory
        self._tls = tls

    @property
    def failures(self) -> Failures:
        """What makes the errors of the next attempt."""
        return Failures(settings=self.settings, endpoint=self.request.endpoint)

    async def open(self) -> SshConnection:
        """Log in. Raises `BindError`."""
        return await dial(self.settings, self.failures, Walk())

    async def listen(self, connection: SshConnection) -> int:
        """Bind; gives the port. Raises `BindError`."""
        address = connection.address

        def open_session(
            host: str, port: int, on_end: Callable[[ChannelSession], None]
        ) -> ChannelSession:
            return self._open_session(address, socket_name(host, port), on_end)

        port = await connection.listen(self.request, open_session, self.failures)
        if self.request.endpoint.port == 0:
            self.request = ListenRequest(self.request.endpoint.with_port(port))
        return port

    def _open_session(
        self, address: str, peer: SocketName | None, on_end: Callable[[ChannelSession], None]
    ) -> ChannelSession:
        """Make the session of a peer."""
        facts = {
            "peername": peer,
            "sockname": self.request.sockname(address, self.request.endpoint.port, peer),
            "via": self.settings.url,
        }
        return ChannelSession(inside_tls(self._factory(), self._tls), facts, on_end)


class SshListener:
    """
    A port on an SSH server.

    When the login is lost, its sessions end, the state is RETRYING, and the port is bound again:
    at once, then with growing pauses; after a refusal slowly. A port that is taken then is probably
    held by the lost login, which the server has not yet missed: only after a minute the listener
    gives up, and is FAILED.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(
        self, binder: Binder, connection: SshConnection, port: int, report: Report | None
    ) -> None:
        self._binder = binder
        self._connection: SshConnection | None = connection
        self._report = report
        self._addresses = (binder.request.address(binder.settings.host, port),)
        self._state = ListenerState.LISTENING
        self._pause = Pause()
        self._keeping = asyncio.get_running_loop().create_task(self._keep_bound(connection))

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where peers connect: on the SSH host, with the port that was really bound."""
        return self._addresses

    @property
    def capacity(self) -> int | None:
        """No limit."""
        return None

    @property
    def state(self) -> ListenerState:
        """LISTENING; RETRYING, and FAILED after giving up; CLOSED."""
        return self._state

    @property
    def pause(self) -> Pause:
        """The pauses before it binds again."""
        return self._pause

    def close(self) -> None:
        """Stop accepting; the login stays until its last session has ended."""
        if self._state is not ListenerState.CLOSED:
            self._state = ListenerState.CLOSED
            self._keeping.cancel()
            self._pause.over()
            if self._connection is not None:
                self._connection.retire()

    async def wait_closed(self) -> None:
        """Return when `close()` was called and the port is free; live sessions don't matter."""
        await asyncio.wait([self._keeping])
        if self._connection is not None:
            await self._connection.retired()

    async def deserted(self) -> None:
        """Return when `wait_closed` would, and the last session has ended and its login with it."""
        await self.wait_closed()
        if self._connection is not None:
            await self._connection.gone()

    async def _keep_bound(self, connection: SshConnection) -> None:
        clock = asyncio.get_running_loop()
        attempts = Attempts(self._binder.settings.timing)
        while True:
            since = clock.time()
            reason = await connection.lost()
            self._connection = None
            attempts.lost(after=clock.time() - since)
            self._change(ListenerState.RETRYING, self._binder.failures.lost("lost", reason))
            try:
                connection = await self._rebind(attempts)
            except BindError as error:
                self._change(ListenerState.FAILED, error)
                self._pause.over()
                return
            self._connection = connection
            self._change(ListenerState.LISTENING, None)
            self._pause.over()

    async def _rebind(self, attempts: Attempts) -> SshConnection:
        """Bind again however long it takes; raises `BindError` when the port is somebody else's."""
        while True:
            await self._pause(attempts.pause())
            try:
                connection = await self._binder.open()
            except BindError as error:
                self._note(error, attempts)
                continue
            try:
                if await self._listen_on(connection, attempts):
                    return connection
            except BaseException:
                await connection.close()
                raise
            await connection.close()

    async def _listen_on(self, connection: SshConnection, attempts: Attempts) -> bool:
        """Bind with a new login; False if it is of no use, `BindError` if nothing is."""
        clock = asyncio.get_running_loop()
        while True:
            try:
                await self._binder.listen(connection)
            except BindError as error:
                if error.code != wsa.EADDRINUSE:
                    self._note(error, attempts)
                    return False
                if attempts.taken(clock.time()):
                    raise
                self._note(error, attempts)
                await self._pause(attempts.pause())
            else:
                return True

    def _note(self, error: BindError, attempts: Attempts) -> None:
        """Report why it still isn't bound, unless that is known."""
        if attempts.failed(str(error), refused=error.hop in _REFUSALS):
            self._change(ListenerState.RETRYING, error)

    def _change(self, state: ListenerState, error: BindError | None) -> None:
        self._state = state
        if self._report is not None:
            self._report(state, error)


async def bind(
    settings: SshSettings,
    endpoint: Endpoint,
    protocol_factory: ProtocolFactory,
    tls: ssl.SSLContext | None,
    report: Report | None,
) -> tuple[SshListener, Sequence[str]]:
    """
    Log in and bind; gives the listener, and the debug messages that came with the answer.

    Raises `BindError`; then, and when cancelled, nothing is left.
    """
    binder = Binder(settings, endpoint, protocol_factory, tls)
    connection = await binder.open()
    try:
        port = await binder.listen(connection)
    except BaseException:
        await connection.close()
        raise
    debug = connection.debug
    return SshListener(binder, connection, port, report), debug
