"""Serves the web app over HTTP inside the running event loop, with uvicorn's protocols."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from functools import partial
from typing import Any, Final

import h11
import uvicorn
import wsproto.utilities
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from bindpost.config.model import WebLimits
from bindpost.proxy.socket_listener import SocketListener

from ..handshake import begin_handshake

_LOGGER: Final = logging.getLogger("bindpost.web")
PING_INTERVAL: Final = 54.0
"""Seconds between pings of a WebSocket, as Mailpit sends them; one that is silent ends by them."""

_DECODED: Final = {
    b"host": "idna",
    b"connection": "ascii",
    b"sec-websocket-extensions": "ascii",
    b"sec-websocket-protocol": "ascii",
}
"""Fields that wsproto decodes, and how; it does not catch what is wrong with them."""


class Connections:
    """
    The connections of an app of `create_app`.

    With `tls` they speak HTTPS, and have `handshake_timeout` seconds to begin with it. Not
    `uvicorn.Server`: that one handles signals, exits the process when it can't bind, polls, and
    sets up logging for the whole process.
    """

    def __init__(
        self,
        app: Starlette,
        limits: WebLimits,
        *,
        tls: ssl.SSLContext | None,
        handshake_timeout: float,
    ) -> None:
        self._app = app
        self._state = _State(limits, tls=tls, handshake_timeout=handshake_timeout)
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws=_WebSocket,
            ws_ping_interval=PING_INTERVAL,
            ws_max_size=limits.websocket_message,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,  # the app's guard sets it
            limit_concurrency=limits.connections + 1,  # 503 is said from that number on
            timeout_keep_alive=limits.idle_time,
            h11_max_incomplete_event_size=limits.header_size,
        )
        self._config.load()

    async def take_from(self, listener: SocketListener) -> None:
        """Serve who connects to a listener; on failure the listener is closed."""
        factory = partial(_Protocol, config=self._config, server_state=self._state, app_state={})
        await listener.serve(factory, None)

    async def end(self, grace: float) -> None:
        """Let requests under way end for so many seconds, cut what is left."""
        self._app.state.stopping.set()
        for connection in list(self._state.connections):
            with contextlib.suppress(h11.LocalProtocolError, wsproto.utilities.LocalProtocolError):
                connection.shutdown()  # it may have failed already, and be closing
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._state.wait_idle()
        tasks = list(self._state.tasks)
        for connection in list(self._state.connections):
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _State(ServerState):
    """
    uvicorn's list of connections, which can be waited on, and knows who keeps it waiting.

    `waiting` are those whose client has something to do, who has waited longest first.
    """

    def __init__(
        self, limits: WebLimits, *, tls: ssl.SSLContext | None, handshake_timeout: float
    ) -> None:
        super().__init__()
        self.limits = limits
        self.tls = tls
        self.handshake_timeout = handshake_timeout
        self.waiting: dict[_Protocol, None] = {}
        self._lost = asyncio.Event()

    def enter(self, connection: _Protocol) -> None:
        """Count a connection in; above the limit who has kept us waiting longest has to go."""
        if len(self.connections) >= self.limits.connections and self.waiting:
            longest = next(iter(self.waiting))
            self.leave(longest)
            longest.transport.abort()
        self.connections.add(connection)

    def leave(self, connection: _Protocol | _WebSocket) -> None:
        """Count a connection out; can be called twice."""
        self.connections.discard(connection)
        if isinstance(connection, _Protocol):
            self.waiting.pop(connection, None)
        self._lost.set()

    async def wait_idle(self) -> None:
        """Return when there is no connection."""
        while self.connections:
            self._lost.clear()
            await self._lost.wait()


class _Protocol(H11Protocol):
    """
    uvicorn's protocol with our logger, without an access log, and with times for the client.

    uvicorn ends a connection that is idle between two requests, but waits for ever for one that has
    begun, or never begins, and for a client that does not take its answer.
    """

    def __init__(self, *, server_state: _State, **arguments: Any) -> None:  # Any: uvicorn's own
        super().__init__(server_state=server_state, **arguments)
        self._state = server_state
        self._timer: asyncio.TimerHandle | None = None
        self._is_upgraded = False
        self._takes_no_more = False
        self.logger = _LOGGER
        self.access_log = False

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or go on inside TLS, and wait for the first request."""
        is_inside = transport.get_extra_info("sslcontext") is not None
        if not is_inside:
            self.transport = transport
            self._state.enter(self)
        if self._state.tls is None or is_inside:
            super().connection_made(transport)
            self._look_who_waits()
        else:
            self._state.waiting[self] = None
            begin_handshake(
                transport, self, self._state.tls, seconds=self._state.handshake_timeout
            ).add_done_callback(self._handshake_over)

    def _handshake_over(self, handshake: asyncio.Future[None]) -> None:
        """End a connection that did not come to be inside TLS, which asyncio does not tell of."""
        error = handshake.exception()
        if self.flow is None:
            self.connection_lost(error if isinstance(error, Exception) else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server that the connection has ended."""
        self._stop_timer()
        super().connection_lost(exc)
        self._state.leave(self)

    # Who waits for whom

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request that is whole has come in time. Nothing is behind the last one."""
        if self.conn.their_state not in (h11.MUST_CLOSE, h11.CLOSED):
            super().data_received(data)
            self._look_who_waits()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look_who_waits()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; a request before it that is under way gets no other answer."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        # An answer to HEAD has no body, and one that has begun gets no second head.
        with contextlib.suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Go on as a WebSocket, which takes its time."""
        for name, value in self.headers:
            try:
                value.decode(_DECODED.get(name, "latin-1"))
            except UnicodeError:
                self.send_400_response(f"{name.decode()} has characters that it can't have.")
                return
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """Give the client a time to take what waits for it."""
        super().pause_writing()
        self._takes_no_more = True
        self._stop_timer()
        self._look_who_waits()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        self._takes_no_more = False
        self._stop_timer()
        self._look_who_waits()

    def _look_who_waits(self) -> None:
        """Have a timer run as long as the client has a request or an answer only in part."""
        is_coming = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if self._is_upgraded or not (is_coming or self._takes_no_more):
            self._stop_timer()
        elif self._timer is None:
            limits = self._state.limits
            seconds = limits.answer_time if self._takes_no_more else limits.request_time
            self._timer = self.loop.call_later(seconds, self.transport.abort)
            self._state.waiting[self] = None

    def _stop_timer(self) -> None:
        self._state.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _WebSocket(WSProtocol):
    """uvicorn's protocol for WebSockets, likewise."""

    def __init__(self, *, server_state: _State, **arguments: Any) -> None:  # Any: uvicorn's own
        super().__init__(server_state=server_state, **arguments)
        self._state = server_state
        self.logger = _LOGGER

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server that the connection has ended."""
        super().connection_lost(exc)
        self._state.leave(self)
