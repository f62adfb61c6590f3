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

from bindpost.proxy.socket_listener import SocketListener

_LOGGER: Final = logging.getLogger("bindpost.web")
PING_INTERVAL: Final = 54.0
"""Seconds between pings of a WebSocket, as Mailpit sends them."""
FRAME_LIMIT: Final = 64 * 1024
"""Bytes of a message from a WebSocket's client; what it says is ignored anyway."""
CONNECTION_LIMIT: Final = 1_000
"""Connections at once; the next ones are answered with 503."""
REQUEST_TIME: Final = 120.0
"""Seconds in which a request has to come, its body too, or the connection is closed."""


class Connections:
    """
    The connections of an app of `create_app`.

    Not `uvicorn.Server`: that one handles signals, exits the process when it can't bind, polls,
    and sets up logging for the whole process.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._state = _State()
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws=_WebSocket,
            ws_ping_interval=PING_INTERVAL,
            ws_max_size=FRAME_LIMIT,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,  # the app's guard sets it
            limit_concurrency=CONNECTION_LIMIT,
        )
        self._config.load()

    async def take_from(self, listener: SocketListener, tls: ssl.SSLContext | None) -> None:
        """Serve who connects to a listener; on failure the listener is closed."""
        factory = partial(_Protocol, config=self._config, server_state=self._state, app_state={})
        await listener.serve(factory, tls)

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
    """uvicorn's list of connections, which can be waited on."""

    def __init__(self) -> None:
        super().__init__()
        self._lost = asyncio.Event()

    def note_lost(self) -> None:
        """Take note that a connection has ended."""
        self._lost.set()

    async def wait_idle(self) -> None:
        """Return when there is no connection."""
        while self.connections:
            self._lost.clear()
            await self._lost.wait()


class _Protocol(H11Protocol):
    """
    uvicorn's protocol with our logger, without an access log, and with a time for each request.

    uvicorn ends a connection that is idle between two requests, but waits for ever for one that has
    begun, or never begins.
    """

    def __init__(self, *, server_state: _State, **arguments: Any) -> None:  # Any: uvicorn's own
        super().__init__(server_state=server_state, **arguments)
        self._state = server_state
        self._request_timer: asyncio.TimerHandle | None = None
        self._is_upgraded = False
        self.logger = _LOGGER
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and wait for the first request."""
        super().connection_made(transport)
        self._time_request()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request that is whole has come in time. Nothing is behind the last one."""
        if self.conn.their_state not in (h11.MUST_CLOSE, h11.CLOSED):
            super().data_received(data)
            self._time_request()

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
        """Go on as a WebSocket, which takes its time; wsproto wants a Host that is a name."""
        try:
            dict(self.headers).get(b"host", b"").decode("idna")  # HTTP/1.0 may have none
        except UnicodeError:
            self.send_400_response("The Host is no name.")
            return
        self._is_upgraded = True
        super().handle_websocket_upgrade(event)

    def _time_request(self) -> None:
        """Have a timer run as long as a request is to come, or has come in part."""
        is_coming = not self._is_upgraded and self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        if is_coming and self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_TIME, self.transport.close)
        elif not is_coming:
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server that the connection has ended."""
        self._stop_timer()
        super().connection_lost(exc)
        self._state.note_lost()


class _WebSocket(WSProtocol):
    """uvicorn's protocol for WebSockets, likewise."""

    def __init__(self, *, server_state: _State, **arguments: Any) -> None:  # Any: uvicorn's own
        super().__init__(server_state=server_state, **arguments)
        self._state = server_state
        self.logger = _LOGGER

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server that the connection has ended."""
        super().connection_lost(exc)
        self._state.note_lost()
