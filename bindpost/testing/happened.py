"""The events of one server, as a test looks at them: those that were, and those that come."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from typing import Final, NoReturn, final, overload

from ..errors import BindpostError
from ..objects import Event

PATIENCE: Final = 10.0


class NoSuchEventError(BindpostError, AssertionError):
    """The event that a test waited for did not happen; the text tells which did."""


class Events(Sequence[Event], ABC):
    """Events in the order in which they happened, and those to come."""

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
        which = Which(id, source, text)
        return self._wait(which, timeout) or self._fail(which, timeout)

    async def async_wait_for(
        self,
        *,
        id: int | None = None,
        source: str | None = None,
        text: str | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - the twin of `wait_for`
    ) -> Event:
        """Do as `wait_for` does, without blocking the asyncio loop of the test."""
        which = Which(id, source, text)
        return await self._async_wait(which, timeout) or self._fail(which, timeout)

    @abstractmethod
    def clear(self) -> None:
        """Let what has been be no longer seen."""

    @abstractmethod
    def _all(self) -> list[Event]:
        """Give what is seen now."""

    @abstractmethod
    def _wait(self, which: Which, seconds: float) -> Event | None:
        """Give the first that matches, None when none came in time."""

    @abstractmethod
    async def _async_wait(self, which: Which, seconds: float) -> Event | None:
        """Do so without blocking the loop."""

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

    def _fail(self, which: Which, timeout: float) -> NoReturn:
        seen = "".join(f"\n  {event.source} {event.id}: {event.message}" for event in self._all())
        told = f"; these did:{seen}" if seen else "; none did at all"
        raise NoSuchEventError(f"no event {which} happened in {timeout:g} seconds{told}")


@final
class Heard(Events):
    """Events that are told by `add`; safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Event] = []
        self._waiting: list[tuple[Which, Future[Event]]] = []

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

    def _all(self) -> list[Event]:
        with self._lock:
            return self._seen[:]

    def _wait(self, which: Which, seconds: float) -> Event | None:
        with self._expected(which) as future, suppress(FutureTimeoutError):
            return future.result(seconds)
        return None

    async def _async_wait(self, which: Which, seconds: float) -> Event | None:
        with self._expected(which) as future, suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        return None

    @contextmanager
    def _expected(self, which: Which) -> Iterator[Future[Event]]:
        """Give what the first event that matches is told to."""
        future: Future[Event] = Future()
        with self._lock:
            found = next(filter(which.is_met_by, self._seen), None)
            if found is None:
                self._waiting.append((which, future))
        if found is not None:
            future.set_result(found)
        try:
            yield future
        finally:
            with self._lock:
                self._waiting = [waiter for waiter in self._waiting if waiter[1] is not future]


@final
class Which:
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
