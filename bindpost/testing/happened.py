"""The events of one server, as a test looks at them: those that were, and those that come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final, final, overload

from ..errors import BindpostError
from ..objects import Event

PATIENCE: Final = 10.0


class NoSuchEventError(BindpostError, AssertionError):
    """The event that a test waited for did not happen; the text tells which did."""


@final
class Events(Sequence[Event]):
    """Events in the order in which they happened; safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Event] = []
        self._waiting: list[tuple[_Which, Future[Event]]] = []

    def add(self, event: Event) -> None:
        """Take an event, and give it to those who wait for it."""
        with self._lock:
            self._seen.append(event)
            due = [waiter for waiter in self._waiting if waiter[0].is_met_by(event)]
            self._waiting = [waiter for waiter in self._waiting if waiter not in due]
        for _, future in due:
            if future.set_running_or_notify_cancel():
                future.set_result(event)

    def clear(self) -> None:
        """Forget what has been."""
        with self._lock:
            self._seen.clear()

    @property
    def ids(self) -> list[int]:
        """The events' numbers, in order."""
        return [event.id for event in self._all()]

    def wait_for(
        self,
        *,
        id: int | None = None,
        source: str | None = None,
        text: str | None = None,
        timeout: float = PATIENCE,
    ) -> Event:
        """
        Give the first event that matches, past or to come.

        `id` is its number in the event viewer, 4007 for instance, `source` the log's source,
        `text` a part of its sentence in any case. Raises `NoSuchEventError` after `timeout`
        seconds.
        """
        which = _Which(id, source, text)
        future = self._expect(which)
        try:
            return future.result(timeout)
        except FutureTimeoutError:
            raise self._missing(which, timeout) from None
        finally:
            self._give_up(future)

    async def async_wait_for(
        self,
        *,
        id: int | None = None,
        source: str | None = None,
        text: str | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - the twin of `wait_for`
    ) -> Event:
        """Do as `wait_for` does, without blocking the asyncio loop of the test."""
        which = _Which(id, source, text)
        future = self._expect(which)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except TimeoutError:
            raise self._missing(which, timeout) from None
        finally:
            self._give_up(future)

    def __len__(self) -> int:
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self._all()[index]

    def __repr__(self) -> str:
        return f"<Events {[f'{event.id} {event.message}' for event in self._all()]}>"

    def _all(self) -> list[Event]:
        with self._lock:
            return self._seen[:]

    def _expect(self, which: _Which) -> Future[Event]:
        future: Future[Event] = Future()
        with self._lock:
            found = next(filter(which.is_met_by, self._seen), None)
            if found is None:
                self._waiting.append((which, future))
        if found is not None:
            future.set_result(found)
        return future

    def _give_up(self, future: Future[Event]) -> None:
        with self._lock:
            self._waiting = [waiter for waiter in self._waiting if waiter[1] is not future]

    def _missing(self, which: _Which, timeout: float) -> NoSuchEventError:
        seen = "".join(f"\n  {event.source} {event.id}: {event.message}" for event in self._all())
        told = f"; these did:{seen}" if seen else "; none did at all"
        return NoSuchEventError(f"no event {which} happened in {timeout:g} seconds{told}")


@final
class _Which:
    """Which event is wanted; every condition that is set must hold."""

    def __init__(self, id: int | None, source: str | None, text: str | None) -> None:
        self._id = id
        self._source = source
        self._text = text

    def is_met_by(self, event: Event) -> bool:
        """Say whether it is this one."""
        return (
            self._id in (None, event.id)
            and self._source in (None, event.source)
            and (self._text is None or self._text.casefold() in event.message.casefold())
        )

    def __str__(self) -> str:
        known = (self._source, self._id, self._text and repr(self._text))
        return " ".join(str(part) for part in known if part is not None)
