"""
Receipts: tells of each message that was received, and of very many only how many there were.

A line and a kept event for each is what people want to see until a load test runs: then it would
cost more than the mail, and push everything else out of the event log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, final

from bindpost import events
from bindpost.log import get_logger

_LOG: Final = get_logger("bindpost.smtp")
EACH_SECOND: Final = 20
"""Messages that are told of one by one in a second."""


@final
class Receipts:
    """
    Counts the messages of one app; belongs to one event loop.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = -1.0
        self._told = 0
        self._left_out = 0
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def tells_of(self, size: int) -> bool:
        """Say whether a message of `size` bytes is told of by itself; otherwise it is counted."""
        now = self._clock()
        if not 0 <= now - self._began < 1.0:
            self._began, self._told = now, 0
        if self._told < EACH_SECOND:
            self._told += 1
            return True
        self._left_out += 1
        self._size += size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1.0, self.tell_rest)
        return False

    def tell_rest(self) -> None:
        """Tell how many there were beside those that were told of, if there were any."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._left_out:
            _LOG.info(events.MESSAGES_RECEIVED, messages=self._left_out, size=self._size)
            self._left_out = self._size = 0
