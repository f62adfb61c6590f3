"""
Body: gathers a message in whole pieces, where the plain engine reads it line by line.

After DATA the search is for CRLF and a dot. Behind it stands CRLF, and the message is over, or
something else, and the dot was stuffed (RFC 5321, 4.5.2). All else goes by untouched, whatever the
lines are like. After BDAT octets are counted, and none is looked at (RFC 3030, 2).
"""

from __future__ import annotations

from typing import Final

_DOT: Final = b"\r\n."
_END: Final = b"\r\n"
_PROGRESS: Final = 64 * 1024
"""Bytes after which a client counts as busy."""


class Gathering:
    """
    Bytes that are coming, `size` of them so far; of more than `limit` none is held in memory.

    `is_whole` tells that no more are to be fed for now.
    """

    __slots__ = ("_data", "_limit", "_unreported", "is_whole", "size")

    def __init__(self, limit: int, size: int = 0) -> None:
        self._limit = limit
        self._data = bytearray()
        self._unreported = 0
        self.size = size
        self.is_whole = False

    @property
    def held(self) -> int:
        """Bytes that are held in memory."""
        return len(self._data)

    def made_progress(self) -> bool:
        """Tell whether another 64 KiB have come since the last time that they had."""
        if self.size - self._unreported < _PROGRESS:
            return False
        self._unreported = self.size
        return True

    def _keep(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= self._limit:
            self._data += piece
        else:
            self._data = bytearray()


class Body(Gathering):
    """
    A message up to its dot; `feed` is given its bytes, in any pieces.

    `message` is what came when `is_whole`: None if it is larger than `limit` bytes.
    """

    __slots__ = ("_open",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit, size=-2)  # without the CRLF that is none of it
        self._open = b"\r\n"  # the message begins at the start of a line

    @property
    def message(self) -> bytes | None:
        """The bytes of the message, None if it is too large."""
        return bytes(memoryview(self._data)[2:]) if self.size <= self._limit else None

    def feed(self, chunk: bytes) -> bytes:
        """
        Take a chunk; gives what stands behind the message's end, b"" if that has not come.

        What may yet turn out to be the end, `CRLF.CR` at the most, waits for the next chunk.
        """
        data = self._open + chunk
        start = 0
        while (dot := _find_dot(data, start)) >= 0:
            behind = data[dot + 3 : dot + 5]
            if behind == _END:
                self._keep(data[start : dot + 2])
                self._open = b""
                self.is_whole = True
                return data[dot + 5 :]
            if len(behind) < 2 and _END.startswith(behind):
                self._keep(data[start:dot])
                self._open = data[dot:]
                return b""
            self._keep(data[start : dot + 2])
            start = dot + 3
        end = len(data) - (2 if data.endswith(b"\r\n") else 1 if data.endswith(b"\r") else 0)
        self._keep(data[start:end])
        self._open = data[end:]
        return b""


class Chunks(Gathering):
    """
    A message in chunks; `begin` tells the size of the next one, `feed` is given its bytes.

    With a limit of 0 it reads chunks away.
    """

    __slots__ = ("_missing",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._missing = 0

    @property
    def message(self) -> bytes:
        """The bytes of all chunks so far."""
        return bytes(self._data)

    def begin(self, octets: int) -> None:
        """Expect a chunk of so many octets."""
        self._missing = octets
        self.is_whole = not octets

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; gives what stands behind the chunk's end."""
        missing = self._missing
        if len(piece) < missing:
            self._missing -= len(piece)
            self._keep(piece)
            return b""
        self._missing = 0
        self.is_whole = True
        self._keep(piece[:missing])
        return piece[missing:]


def _find_dot(data: bytes, start: int) -> int:
    """Give where CRLF and a dot stand next, -1 for nowhere; most data has hardly a dot at all."""
    first = data.find(b".", start)
    return -1 if first < 0 else data.find(_DOT, max(first - 2, start))
