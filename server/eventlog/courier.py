"""Brings records to one sink in a thread of its own: the service never waits for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from bindpost import events
from bindpost.log import get_logger

from .record import EventRecord
from .sink import Sink

_LOG: Final = get_logger("bindpost.eventlog")
LONGEST_QUEUE: Final = 10_000
"""Records that wait for a sink; of more the oldest are dropped, and counted."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries of a record that a sink could not take, doubling."""
FAREWELL: Final = 2.0
"""Seconds that a sink is given at the end for what still waits, unless it says otherwise."""


class Courier:
    """
    A sink with its queue and its thread.

    `scope` is the app whose events it brings, empty for all. Trouble is told once as SINK_FAILED,
    its end as SINK_RECOVERED with the number of records that were dropped meanwhile. `farewell` is
    how many seconds the sink is given at the end for what still waits.
    """

    def __init__(self, sink: Sink, *, scope: str = "", farewell: float = FAREWELL) -> None:
        self._sink = sink
        self._scope = scope
        self._farewell = farewell
        self._waiting: deque[EventRecord] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._dropped = 0
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"bindpost-{sink.name}", daemon=True)
        self._thread.start()

    def take(self, record: EventRecord) -> None:
        """Queue a record if it is one for this sink."""
        if record.definition is None and not self._sink.takes_text:
            return
        if self._scope and record.scope not in ("", self._scope):
            return
        with self._changed:
            if self._closing:
                return
            if len(self._waiting) >= LONGEST_QUEUE:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(record)
            self._changed.notify()

    def close(self) -> None:
        """Bring what still waits, for `farewell` seconds at most, and close the sink. Blocks."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(self._farewell)

    def _run(self) -> None:
        try:
            while (record := self._next()) is not None:
                self._bring(record)
        finally:
            self._sink.close()

    def _next(self) -> EventRecord | None:
        """Wait for a record; None when there is none left and there will be none."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _bring(self, record: EventRecord) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                self._sink.write(record)
            except OSError as error:
                self._failed(error)
                if not self._wait(pause):
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
            except Exception as error:
                self._failed(error)
                self._dropped += 1
                return
            else:
                self._recovered()
                return

    def _wait(self, seconds: float) -> bool:
        """Wait before another try; False if it is the end, and there is to be none."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closing and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._closing

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            cause = f"{type(error).__name__}: {error}"
            _LOG.error(events.SINK_FAILED, sink=self._sink.name, error=cause)

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            dropped, self._dropped = self._dropped, 0
            _LOG.info(events.SINK_RECOVERED, sink=self._sink.name, dropped=dropped)
