"""
Folding: the same event again and again is counted, and the count is told, so that nothing floods.

Pure: the time comes in as an argument. Of one event `BURST` records pass in each `WINDOW`; those
that follow are left out, and when the window is over one record of EVENTS_FOLDED says how many.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from bindpost.events import EVENTS_FOLDED

from .plain import Plain
from .record import EventRecord

BURST: Final = 5
"""Records of one event that pass in a window: a path that is lost twice shall be seen twice."""
WINDOW: Final = 60.0
"""Seconds from the first record of an event until its repetitions are told."""
LONGEST: Final = 1000
"""Different events that are watched at once; the oldest of more is told early."""
MEASURED: Final = frozenset({"attempt", "delay", "peer", "seconds", "session"})
"""Fields in which two records of the same event may differ."""


@dataclass(slots=True)
class _Window:
    began: float
    seen: int
    last: EventRecord

    @property
    def folded(self) -> int:
        return max(0, self.seen - BURST)


class Folding:
    """Decides which records pass. Not thread-safe; its caller holds a lock."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, _Window] = {}
        self._due: dict[Hashable, float] = {}
        """When the count of each window is to be told in which something was left out."""

    def take(self, record: EventRecord, now: float) -> Iterator[EventRecord]:
        """Give what is to be shown when `record` comes at `now` (seconds of a monotonic clock)."""
        yield from self.due(now)
        if record.definition is None:
            yield record
            return
        key = _key(record)
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= LONGEST:
                yield from self._end(next(iter(self._windows)), now)
            window = self._windows[key] = _Window(now, 0, record)
        window.seen += 1
        window.last = record
        if window.folded:
            self._due[key] = window.began + WINDOW
        else:
            yield record

    def due(self, now: float) -> Iterator[EventRecord]:
        """Give the counts of the windows that are over at `now`."""
        # The oldest stands first: a window is never begun anew before it has ended.
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if now - window.began < WINDOW:
                return
            yield from self._end(key, now)

    def flush(self, now: float) -> Iterator[EventRecord]:
        """Give all counts, at the end of the log."""
        while self._windows:
            yield from self._end(next(iter(self._windows)), now)

    @property
    def next_due(self) -> float | None:
        """When the first count is due, on the clock of `take`; None if nothing was left out."""
        return min(self._due.values(), default=None)

    def _end(self, key: Hashable, now: float) -> Iterator[EventRecord]:
        window = self._windows.pop(key)
        if self._due.pop(key, None) is not None:
            yield _count(window, now)


def _key(record: EventRecord) -> Hashable:
    fields = {name: value for name, value in record.fields.items() if name not in MEASURED}
    return (
        record.scope,
        record.definition,
        record.strings,
        msgspec.json.encode(fields, order="sorted"),
    )


def _count(window: _Window, now: float) -> EventRecord:
    last = window.last
    assert last.definition is not None
    fields: dict[str, Plain] = {
        "event_id": last.definition.id,
        "source": last.definition.source,
        "times": window.folded,
        "seconds": round(now - window.began, 1),
        "sentence": last.message,
    }
    return replace(
        last,
        level=EVENTS_FOLDED.level.logging_name,
        logger="bindpost.eventlog",
        message=EVENTS_FOLDED.sentence(fields),
        fields=fields,
        failure=None,
        definition=EVENTS_FOLDED,
        strings=EVENTS_FOLDED.strings(fields),
    )
