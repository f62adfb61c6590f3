"""Accepting when the system has run out of descriptors, and tasks that fail."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from bindpost.proxy.background import Acceptor, Background


class Starved(socket.socket):
    """A listening socket for which the system has no descriptor at first."""

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """Fail the first time."""
        self.accept = super().accept  # type: ignore[method-assign]  # from now on as usual
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.fixture
def starved() -> Iterator[Starved]:
    """Such a socket, on a free port."""
    with Starved(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


async def test_accepting_goes_on_after_a_pause(starved: Starved) -> None:
    """A lack of descriptors delays a connection and loses none."""
    accepted: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def accept(connection: socket.socket, peer: tuple[str, int]) -> None:
        connection.close()
        accepted.put_nowait(peer)

    acceptor = Acceptor(starved, accept, pause=0.01)
    with socket.create_connection(starved.getsockname()) as client:
        assert await accepted.get() == client.getsockname()
    acceptor.close()


async def test_acceptor_can_be_closed_in_its_pause(starved: Starved) -> None:
    """Closing during the pause leaves no timer and no socket."""
    paused = asyncio.Event()
    acceptor = Acceptor(starved, lambda connection, peer: connection.close(), pause=3600.0)
    accept = starved.accept

    def watched() -> tuple[socket.socket, tuple[str, int]]:
        paused.set()
        return accept()

    starved.accept = watched  # type: ignore[method-assign]  # tells when the pause has begun
    with socket.create_connection(starved.getsockname()):
        await paused.wait()
        acceptor.close()
        acceptor.close()

    assert starved.fileno() == -1


async def test_task_that_fails_is_told_to_the_loop() -> None:
    """An unexpected error reaches the loop's exception handler, and the task is gone."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    background = Background()
    error = ValueError("x")

    async def fail() -> None:
        raise error

    background.spawn(fail())
    await background.join()

    assert told == [error]
    assert len(background) == 0


async def test_socket_of_a_task_that_never_ran_is_closed() -> None:
    """A task that is cancelled before its first step still lets go of what it holds."""
    background = Background()
    one, other = socket.socketpair()
    with one, other:
        background.spawn(asyncio.sleep(3600), one)
        background.cancel()
        await background.join()

        assert one.fileno() == -1
