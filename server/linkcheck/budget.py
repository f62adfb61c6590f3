"""Budget: how many requests may still be made; what was used comes back with time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, final

_MINUTE: Final = 60.0


@final
class Budget:
    """So many requests a minute, and no more than these at a time."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left = self._most
        self._counted = clock()

    def take(self) -> bool:
        """Take one; say whether there was one."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._counted) * self._most / _MINUTE)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
