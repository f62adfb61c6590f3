"""The one logging handler of bindpost: makes a record of each line and hands it to every outlet."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final, Protocol

import structlog
from structlog.typing import EventDict, WrappedLogger

from bindpost.log import Ear

from .courier import Courier
from .folding import Folding
from .record import EventRecord, RecordMaker
from .stream import LogStream

EVENTS_FROM: Final = logging.INFO
"""The level from which sinks get records, whatever the stream shows."""


class Outlet(Protocol):
    """What records are handed to; it may raise, which is its own affair."""

    def take(self, record: EventRecord) -> None:
        """Take a record."""
        ...


class EventHandler(Ear):
    """
    Makes an `EventRecord` of everything that is logged, folds repetitions, and hands it on.

    No failure in it ever reaches the caller. `stream` is where lines are written, None for nowhere.
    """

    def __init__(
        self, stream: LogStream | None, *, host: str, ids: Iterator[int] | None = None
    ) -> None:
        super().__init__()
        self.ids = count(1) if ids is None else ids
        self.stream = stream
        self.couriers: list[Courier] = []
        self._folding = Folding()
        self._timer: threading.Timer | None = None
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[
                    structlog.contextvars.merge_contextvars,
                    structlog.stdlib.ExtraAdder(),
                ],
                processors=[RecordMaker(host), self._take],
                pass_foreign_args=True,
                use_get_message=False,
            )
        )

    @property
    def wanted_level(self) -> int:
        """The lowest level that anybody here takes."""
        levels = [self.stream.level] if self.stream is not None else []
        return min([*levels, EVENTS_FROM] if self.couriers else levels, default=logging.CRITICAL)

    def emit(self, record: logging.LogRecord) -> None:
        """Make and hand out the record; if it can't be made, one that says where it came from."""
        try:
            self.format(record)
        except Exception as error:
            cause = type(error).__name__
            text = f"a record of {record.filename}:{record.lineno} could not be rendered: {cause}"
            stand_in = {"name": record.name, "levelno": record.levelno, "msg": text}
            self.format(logging.makeLogRecord(stand_in | {"levelname": record.levelname}))

    def let_go(self, courier: Courier) -> None:
        """Tell what was folded, bring what waits to one sink, and close it. Blocks a little."""
        with self.lock or contextlib.nullcontext():
            self._hand_out(self._folding.flush(time.monotonic()))
            if courier in self.couriers:
                self.couriers.remove(courier)
        courier.close()

    def close(self) -> None:
        """Tell what was folded, bring what waits to the sinks, and close them. Blocks a little."""
        with self.lock or contextlib.nullcontext():
            if self._timer is not None:
                self._timer.cancel()
            self._hand_out(self._folding.flush(time.monotonic()))
        for courier in self.couriers:
            courier.close()
        super().close()

    def _take(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
        """Stand last in the formatter's chain; logging holds the handler's lock around it."""
        self._hand_out(self._folding.take(event_dict["record"], time.monotonic()))
        self._watch_the_clock()
        return ""

    def _hand_out(self, records: Iterable[EventRecord]) -> None:
        outlets: list[Outlet] = [*([self.stream] if self.stream else []), *self.couriers]
        for record in records:
            numbered = replace(record, record_id=next(self.ids)) if record.definition else record
            for outlet in outlets:
                # One that has gone, or a record that it can't show, is no matter to the others.
                with contextlib.suppress(Exception):
                    outlet.take(numbered)

    def _watch_the_clock(self) -> None:
        """Have the first count told when it is due, though nothing more be logged."""
        due = self._folding.next_due
        if due is None or (self._timer is not None and self._timer.is_alive()):
            return
        self._timer = threading.Timer(max(0.0, due - time.monotonic()), self._tell_counts)
        self._timer.daemon = True
        self._timer.start()

    def _tell_counts(self) -> None:
        with self.lock or contextlib.nullcontext():
            self._timer = None
            self._hand_out(self._folding.due(time.monotonic()))
            self._watch_the_clock()
