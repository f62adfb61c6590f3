"""Back-pressure: how much may wait for the writer, in pieces of work and in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, final

BACKLOG_JOBS: Final = 2048
BACKLOG_BYTES: Final = 64 * 1024 * 1024


@final
class Backlog:
    """
    Lets work in as long as there is room for it, in the order in which it came.

    Work that is larger than all the room is let in alone. Belongs to one event loop.
    """

    def __init__(self, *, jobs: int = BACKLOG_JOBS, size: int = BACKLOG_BYTES) -> None:
        self._jobs_left = jobs
        self._most = size
        self._size_left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def enter(self, size: int) -> bool:
        """Let work of this many bytes in, if there is room; say whether there was."""
        if self._waiting or not self._has_room(size):
            return False
        self._take(size)
        return True

    async def wait(self, size: int) -> None:
        """Let work in when its turn has come."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn came in the same moment
                self.leave(1, size)
            raise

    def leave(self, jobs: int, size: int) -> None:
        """Note that so much work is done; let in what has waited for that."""
        self._jobs_left += jobs
        self._size_left += size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.cancelled():
                if not self._has_room(wanted):
                    return
                self._take(wanted)
                turn.set_result(None)
            self._waiting.popleft()

    def _has_room(self, size: int) -> bool:
        return self._jobs_left > 0 and (size <= self._size_left or self._size_left == self._most)

    def _take(self, size: int) -> None:
        self._jobs_left -= 1
        self._size_left -= size
