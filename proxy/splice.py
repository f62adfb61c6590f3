"""Carries bytes between two sockets, both ways, until both sides have ended."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Final

from .sockets import reset_on_close

CHUNK: Final = 65536


async def splice(one: socket.socket, other: socket.socket) -> None:
    """
    Copy bytes both ways; an end of stream is passed on, a reset resets the other side.

    The sockets are non-blocking and stay the caller's, to be closed afterwards.
    """
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(one, other))
            both.create_task(_pump(other, one))
    except* OSError:
        for sock in (one, other):
            with suppress(OSError):
                reset_on_close(sock)


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)
