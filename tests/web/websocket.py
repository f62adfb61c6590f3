"""A WebSocket client for the tests, on a socket (RFC 6455, by wsproto)."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

PATIENCE: Final = 30.0
"""Seconds to wait for something that must come."""


class WebSocketClient:
    """
    A connection to a server at 127.0.0.1: `async with WebSocketClient(port, path) as client`.

    `refused` is the status when the server does not take it.
    """

    def __init__(
        self,
        port: int,
        path: str,
        *,
        host: str = "localhost",
        origin: str | None = None,
        authorization: str | None = None,
    ) -> None:
        self.refused: int | None = None
        self._port = port
        given = {b"origin": origin, b"authorization": authorization}
        self._request = Request(
            host=host,
            target=path,
            extra_headers=[(name, value.encode()) for name, value in given.items() if value],
        )
        self._conn = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._send(self._request)
        answer = await self._next()
        if isinstance(answer, RejectConnection):
            self.refused = answer.status_code
        else:
            assert isinstance(answer, AcceptConnection)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def _send(self, event: Event) -> None:
        self._writer.write(self._conn.send(event))

    async def _next(self) -> Event:
        while not self._events:
            async with asyncio.timeout(PATIENCE):
                data = await self._reader.read(65536)
            self._conn.receive_data(data or None)
            self._events.extend(self._conn.events())
        return self._events.pop(0)

    def say(self, text: str) -> None:
        """Send a text."""
        self._send(Message(data=text))

    def cut(self) -> None:
        """Drop the connection without a word."""
        self._writer.transport.abort()

    async def frame(self) -> Any:
        """Give the next text, as JSON; None when the server closes."""
        text = ""
        while True:
            event = await self._next()
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)
            elif isinstance(event, Ping):
                self._send(event.response())
            elif isinstance(event, CloseConnection):
                return None

    async def frame_of(self, kind: str) -> Any:
        """Give the data of the next frame of a type; others are passed over."""
        while (frame := await self.frame()) is not None:
            assert set(frame) == {"Type", "Data"}
            if frame["Type"] == kind:
                return frame["Data"]
        raise AssertionError(f"the server closed without {kind}")
