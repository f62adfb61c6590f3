"""Outages of the store: told when one begins, and when it is over with how many were refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, final

from bindpost import events
from bindpost.log import get_logger

_LOG: Final = get_logger("bindpost.smtp")


@final
class Outage:
    """
    Knows whether the store of one app is away, by what became of the latest message.

    `clock` is monotonic, in seconds. Belongs to one event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = 0.0
        self._refused = 0

    def refuse(self) -> bool:
        """Count a message that the store was away for; say whether it is the first one."""
        self._refused += 1
        if self._refused == 1:
            self._began = self._clock()
        return self._refused == 1

    def end(self) -> None:
        """Tell that a message was kept again, if there was an outage."""
        if self._refused:
            seconds = round(self._clock() - self._began, 3)
            _LOG.info(events.STORE_BACK, seconds=seconds, refused=self._refused)
            self._refused = 0
