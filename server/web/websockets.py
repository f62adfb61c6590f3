"""WebSockets that only tell: several sources, one connection, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from bindpost.errors import StoreError

Send = Callable[[str | bytes], Awaitable[None]]
Source = Callable[[Send], Awaitable[None]]


async def tell(websocket: WebSocket, stopping: asyncio.Event, *sources: Source) -> None:
    """
    Accept a connection and let the sources send to it.

    Ends when the client goes, when a source ends (a client that reads too slowly loses the thread,
    and must come again), and when the server goes down. What the client says is ignored.
    """
    await websocket.accept()

    async def send(text: str | bytes) -> None:
        await websocket.send_text(text if isinstance(text, str) else text.decode())

    tasks = [asyncio.create_task(_quietly(source(send))) for source in sources]
    tasks.append(asyncio.create_task(_disconnected(websocket)))
    tasks.append(asyncio.create_task(_quietly(stopping.wait())))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    with suppress(RuntimeError, WebSocketDisconnect):  # the client has closed it already
        await websocket.close(1001)


async def _quietly(work: Awaitable[object]) -> None:
    """Do the work until it ends, or the store or the connection does."""
    with suppress(StoreError, WebSocketDisconnect):
        await work


async def _disconnected(websocket: WebSocket) -> None:
    """Return when the client has gone."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
