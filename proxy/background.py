"""Tasks and sockets in the background of something that is opened and closed."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Final

from bindpost.config.endpoint import Endpoint

ACCEPT_AT_ONCE: Final = 100
"""Connections taken in one turn of the event loop."""
ACCEPT_PAUSE: Final = 1.0
"""As asyncio's own servers pause."""
CONNECTIONS: Final = 256
"""Connections of a `ConnectionServer` at once; those beyond them are closed without a word."""
_OUT_OF_RESOURCES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Background:
    """A set of tasks that end together; a task's unexpected error goes to the loop's handler."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], tuple[socket.socket, ...]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[None, None, None], *holding: socket.socket) -> None:
        """
        Run a coroutine until it ends or `cancel` is called, then close the sockets that it holds.

        That is done here because a task that is cancelled before its first step runs no `finally`.
        """
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks[task] = holding
        task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Ask all tasks to end."""
        for task in self._tasks:
            task.cancel()

    async def join(self) -> None:
        """Return when all tasks have ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)
            await asyncio.sleep(0)  # lets `_done` run

    def _done(self, task: asyncio.Task[None]) -> None:
        for sock in self._tasks.pop(task):
            sock.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "a background task failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)


class Acceptor:
    """
    Accepts on a listening, non-blocking IPv4 socket, and owns it.

    `on_connection` gets each new socket, non-blocking, and its peer. When the system has run out of
    descriptors or memory nothing is accepted for `pause` seconds. `close()` is immediate.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_connection: Callable[[socket.socket, tuple[str, int]], None],
        *,
        pause: float = ACCEPT_PAUSE,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._on_connection = on_connection
        self._pause = pause
        self._resumption: asyncio.TimerHandle | None = None
        self._loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Stop accepting and close the socket."""
        if self._sock.fileno() < 0:
            return
        if self._resumption is not None:
            self._resumption.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            try:
                connection, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                self._loop.remove_reader(self._sock.fileno())
                self._resumption = self._loop.call_later(self._pause, self._resume)
                return
            connection.setblocking(False)
            self._on_connection(connection, peer)

    def _resume(self) -> None:
        self._resumption = None
        self._loop.add_reader(self._sock.fileno(), self._accept)


class ConnectionServer:
    """
    Listens on an IPv4 address, port 0 for any, and serves each connection by a task of its own.

    `serve` gets the connection's socket, non-blocking, which is closed when what it gave has ended.
    """

    def __init__(
        self,
        address: Endpoint,
        serve: Callable[[socket.socket], Coroutine[None, None, None]],
    ) -> None:
        self.address = address
        self._serve = serve
        self._acceptor: Acceptor | None = None
        self._tasks = Background()

    def open(self) -> None:
        """Listen, and set `address` to what is bound; raises `OSError`."""
        sock = socket.create_server((self.address.host, self.address.port), backlog=CONNECTIONS)
        sock.setblocking(False)
        self.address = self.address.with_port(sock.getsockname()[1])
        self._acceptor = Acceptor(sock, self._connected)

    async def close(self) -> None:
        """Stop listening and cut all connections; returns when nothing is left of them."""
        if self._acceptor is not None:
            self._acceptor.close()
        self._tasks.cancel()
        await self._tasks.join()

    def _connected(self, sock: socket.socket, _peer: object) -> None:
        if len(self._tasks) >= CONNECTIONS:
            sock.close()
        else:
            self._tasks.spawn(self._serve(sock), sock)
