"""A port that a proxy has bound for us, while it waits for its one client."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Final

from bindpost.config.endpoint import Endpoint

from ..sockets import move
from . import wire
from .symptom import Failure, Sign, Symptom, sign_of

FAREWELL: Final = 0.5
"""Seconds that a proxy may take to let go of a port."""


async def take_leave(sock: socket.socket) -> None:
    """
    Hang up on a proxy and close the socket; a closed one is passed over.

    Returns when the proxy has hung up too, which it does when it has let go of the port, or when
    it has not for too long.
    """
    if sock.fileno() < 0:
        return
    loop = asyncio.get_running_loop()
    try:
        sock.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(FAREWELL):
            while await loop.sock_recv(sock, 1024):
                pass
    except OSError:
        pass
    finally:
        sock.close()


@dataclass(slots=True, kw_only=True)
class Pending:
    """
    A bind that waits on the proxy; the connection to the proxy becomes the client's.

    `address` is where the client connects.
    """

    sock: socket.socket
    version: int
    target: str
    address: Endpoint
    _heard: bytearray = field(default_factory=bytearray)

    async def accept(self) -> Endpoint:
        """
        Return when a client has connected, with its address; however long that takes.

        Reads not a byte of what the client says. Raises `Failure`, hop `accept`.
        """
        try:
            reply = await wire.read_reply(self.version, self._read)
        except EOFError:
            raise self._failure(Sign.CLOSED) from None
        except wire.NotSocksError:
            raise self._failure(Sign.INVALID) from None
        except OSError as error:
            sign, code = sign_of(error)
            raise self._failure(sign, code=code, text=error.strerror or "") from None
        if reply.code != wire.GRANTED[self.version]:
            raise self._failure(Sign.REPLY, code=reply.code)
        return reply.address

    def take(self) -> socket.socket:
        """Give the client's connection; nothing is left here to be closed."""
        return move(self.sock)

    async def give_up(self) -> None:
        """Give the bind up, if nobody has taken it."""
        await take_leave(self.sock)

    async def _read(self, count: int) -> bytes:
        """Read exactly so many bytes."""
        loop = asyncio.get_running_loop()
        data = b""
        while len(data) < count:
            piece = await loop.sock_recv(self.sock, count - len(data))
            if not piece:
                raise EOFError
            data += piece
            self._heard += piece
        return data

    def _failure(self, sign: Sign, *, code: int | None = None, text: str = "") -> Failure:
        return Failure(
            Symptom(
                version=self.version,
                hop="accept",
                sign=sign,
                target=self.target,
                code=code,
                text=text,
                heard=bytes(self._heard),
            )
        )
