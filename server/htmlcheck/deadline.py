"""Deadline: what hostile mail may take of a thread, which nothing from outside can stop."""

from __future__ import annotations

import time
from typing import final


class TimeUpError(Exception):
    """The time is up; what was found until then stands."""


@final
class Deadline:
    """A moment after which `check` raises."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `TimeUpError` if the time is up."""
        if time.monotonic() > self._end:
            raise TimeUpError
