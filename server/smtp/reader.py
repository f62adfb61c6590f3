"""The wire's reading side: command lines with a tap on them, the body of DATA, BDAT's chunks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from .body import Chunks

Tap = Callable[[int], Awaitable[None]]
"""Is told how many octets of a message have come so far; it may take its time."""
AUTH_LIMIT: Final = 12288
"""Octets of AUTH with its initial response, and of each response after it (RFC 4954, 4.)."""
SECRET: Final = b"********"
_AUTH: Final = re.compile(
    rb"\A(\s*X?AUTH\b[\x00-\x20\x80-\xff]*+[\w-]*+\s*+).+", re.IGNORECASE | re.DOTALL
)
"""AUTH, a mechanism, and what is behind it, whatever is in the place of a blank."""
_LONG: Final = re.compile(rb"X?AUTH ", re.IGNORECASE)
OVERLONG: Final = b"(a line that is too long)"
"""What is shown of such a line."""
_TIMER_STEP: Final = 64 * 1024
_GAUGE_STEP: Final = 4 * 1024


class CommandReader(asyncio.StreamReader):
    """
    A stream reader that shows each command line to `heard` as it is read, secrets replaced.

    `heard` tells whether all of the line may be a secret; then nobody else gets it either. `limit`
    is the most octets of a line, CRLF included.

    aiosmtpd reads commands with `readuntil()`, AUTH's responses with `readline()`; the lines of a
    body are read with another separator, and not shown.
    """

    _buffer: bytearray  # asyncio's own, which typeshed doesn't tell of
    _limit: int

    if TYPE_CHECKING:

        def _maybe_resume_transport(self) -> None: ...

    def __init__(
        self,
        heard: Callable[[bytes], bool],
        *,
        limit: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(limit=limit - 1, loop=loop)  # it counts without the separator
        self._line_limit = limit
        self._heard = heard
        self._overlong = False

    def take(self) -> bytes:
        """Give all that has come and was not read, and keep nothing of it."""
        came = bytes(self._buffer)
        self._buffer.clear()
        self._maybe_resume_transport()
        return came

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        """
        Read up to and including the separator (one; typeshed's tuples of them are 3.13's).

        Of a line that is too long only that is shown: its rest could be half a secret.
        """
        if separator != b"\n":
            return await super().readuntil(separator)
        try:
            line = await self._read_command()
        except asyncio.LimitOverrunError:
            self._overlong = True
            raise
        may_be_secret = self._heard(OVERLONG if self._overlong else shown(line))
        self._overlong = False
        return SECRET + b"\n" if may_be_secret and line.isascii() else line

    async def _read_command(self) -> bytes:
        try:
            return await super().readuntil()
        except asyncio.LimitOverrunError:
            if self._overlong or not _LONG.match(self._buffer):
                raise
            return await self._read_long()

    async def _read_long(self) -> bytes:
        """Read a line that may have a secret in it, and so be longer than other lines."""
        self._limit = max(AUTH_LIMIT, self._line_limit) - 1
        try:
            return await super().readuntil()
        finally:
            self._limit = self._line_limit - 1

    async def readline(self) -> bytes:
        """Read AUTH's response, showing only that it came; one that is too long counts as `*`."""
        overlong = False
        while True:
            try:
                line = await self._read_long()
            except asyncio.LimitOverrunError as overrun:
                await self.readexactly(overrun.consumed)
                overlong = True
            else:
                self._heard(SECRET)
                return b"*" if overlong else line


def shown(line: bytes) -> bytes:
    """Give a command as it may be shown: without its end, and without AUTH's response."""
    return _AUTH.sub(rb"\1" + SECRET, line.rstrip(b"\r\n"))


async def read_body(
    reader: asyncio.StreamReader,
    *,
    limit: int,
    progress: Callable[[], None],
    gauge: Tap,
    tap: Tap | None = None,
) -> bytes | None:
    """
    Read a message up to CRLF.CRLF, dots unstuffed (RFC 5321, 4.5.2), all else as it came.

    Only CRLF ends a line: a bare CR or LF is content, so no `LF.LF`, `LF.CRLF` or `CR.CR` ends the
    data (the smuggling of CVE-2023-51764). Lines may be of any length. Gives None when the message
    is larger than `limit` bytes; it is then read to its end, and forgotten. `progress` is called
    for each 64 KiB, `gauge` with the octets that are held, at the start and for each 4 KiB, `tap`
    with all so far, at the start and after each line. Raises `asyncio.IncompleteReadError` when the
    client goes away.
    """
    body = bytearray()
    size = unreported = 0
    gauged = -_GAUGE_STEP
    at_line_start = True
    while True:
        if size - gauged >= _GAUGE_STEP:
            gauged = size
            await gauge(len(body))
        if tap is not None:
            await tap(size)
        try:
            piece = await reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError as overrun:
            piece = await reader.readexactly(overrun.consumed)
        if at_line_start and piece.startswith(b"."):
            if piece == b".\r\n":
                return bytes(body) if size <= limit else None
            piece = piece[1:]
        at_line_start = piece.endswith(b"\r\n")
        size += len(piece)
        if size <= limit:
            body += piece
        else:
            body.clear()
        unreported += len(piece)
        if unreported >= _TIMER_STEP:
            unreported = 0
            progress()


async def read_chunk(
    reader: asyncio.StreamReader,
    octets: int,
    chunks: Chunks,
    *,
    progress: Callable[[], None],
    gauge: Tap,
    tap: Tap | None = None,
) -> None:
    """
    Read the octets that BDAT announces, whatever they are (RFC 3030, 2).

    `progress`, `gauge` and `tap` are as those of `read_body`; the last two are asked after each
    piece. Raises `asyncio.IncompleteReadError` when the client goes away.
    """
    chunks.begin(octets)
    end = chunks.size + octets
    while True:
        await gauge(chunks.held)
        if tap is not None:
            await tap(chunks.size)
        if chunks.is_whole:
            return
        piece = await reader.read(min(end - chunks.size, _TIMER_STEP))
        if not piece:
            raise asyncio.IncompleteReadError(b"", end - chunks.size)
        chunks.feed(piece)
        if chunks.made_progress():
            progress()


async def read_away(reader: asyncio.StreamReader, octets: int) -> None:
    """Read so many octets and keep none. Raises `asyncio.IncompleteReadError`."""
    while octets:
        piece = await reader.read(min(octets, _TIMER_STEP))
        if not piece:
            raise asyncio.IncompleteReadError(b"", octets)
        octets -= len(piece)


def has_longer_line(body: bytes, limit: int) -> bool:
    """Tell whether a line of a message has more octets than the limit, CRLF included."""
    start = 0
    while len(body) - start > limit:
        last_end = body.rfind(b"\r\n", start, start + limit)
        if last_end < 0:
            return True
        start = last_end + 2
    return False
