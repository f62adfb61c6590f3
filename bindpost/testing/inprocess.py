"""A server in this process: in a thread and a loop of its own, so that any test can use it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar, final

import msgspec
from structlog.typing import EventDict

from ..client import WaitRefusedError
from ..client.faults import FaultRefusedError, FaultRule, Fired, UsedPreset
from ..config.fault import Fault, When
from ..config.fault_change import Change
from ..config.model import Settings
from ..config.names import node_of
from ..events import EventType, Level
from ..log import OURS, Ear, said
from ..objects import Event, FullMessage, MessageSummary, Wanted
from ..server.app import Bindpost
from ..server.eventlog.record import EventRecord, Failure, RecordMaker
from ..server.faults import Armed, Faults, UnknownFaultError
from ..server.faults.presets import use
from ..server.store.store import MessageRow, Query
from ..server.web import fault_objects, native_objects
from ..server.web.criteria import Criteria
from ..server.web.describing import describe, first_message
from ..server.web.display import Display
from .happened import Heard
from .mailserver import MailServer

T = TypeVar("T")
_LISTENS: Final[ContextVar[object]] = ContextVar("bindpost_listens", default=None)


@contextmanager
def in_process(settings: Settings, *, folder: Path) -> Iterator[MailServer]:
    """
    Run a server by these settings while the block lasts; `folder` is as `Bindpost` has it.

    Raises what `Bindpost` raises: `ConfigError`, and `BindError` under `on_bind_failure = stop`.
    """
    server = InProcess(settings, folder=folder)
    server.start()
    try:
        yield MailServer(server)
    finally:
        server.stop()


@final
class InProcess:
    """
    A `Bindpost` in a thread; the `Backing` of a `MailServer`.

    Its methods are for other threads than its own.
    """

    def __init__(self, settings: Settings, *, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._events = Heard()
        self._ear = _Hearing(self._events, node_of(settings))
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="bindpost-server", daemon=True)
        self._app: Bindpost
        self._display: Display
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Return when the listeners have been tried; raises what `Bindpost` raises."""
        logging.getLogger(OURS).addHandler(self._ear)
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            logging.getLogger(OURS).removeHandler(self._ear)
            raise

    def stop(self) -> None:
        """Return when nothing of it is left."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        logging.getLogger(OURS).removeHandler(self._ear)

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._settings

    @property
    def web(self) -> str | None:
        """The URL of its web side, None if that is off."""
        return None if self._app.web is None else self._app.web.url

    @property
    def events(self) -> Heard:
        """Its events."""
        return self._events

    @property
    def faults(self) -> OwnFaults:
        """What takes faults for it."""
        return OwnFaults(self)

    def addresses(self) -> list[tuple[str, int]]:
        """Give where it takes mail now."""
        return [(place.host, place.port) for place in self._app.smtp if not place.is_unix]

    def cursor(self) -> int:
        """Give the cursor of the newest message."""
        return next((row.cursor for row in self._call(self._rows(0, limit=1))), 0)

    def summaries(self, after: int) -> list[MessageSummary]:
        """Give the messages behind a cursor, newest first."""
        rows = self._call(self._rows(after))
        return [_object(native_objects.row(row), MessageSummary) for row in rows]

    def messages(self, after: int) -> list[FullMessage]:
        """Give the messages behind a cursor, oldest first."""
        return self._call(self._messages(after))

    def wait(self, wanted: Wanted, *, after: int, timeout: float) -> FullMessage | None:
        """Wait for the first such message behind a cursor."""
        return self._call(self._wait(wanted, after, timeout))

    async def async_wait(
        self,
        wanted: Wanted,
        *,
        after: int,
        timeout: float,  # noqa: ASYNC109 - passed on
    ) -> FullMessage | None:
        """Wait without blocking the loop."""
        return await asyncio.wrap_future(self._submit(self._wait(wanted, after, timeout)))

    def delete(self, after: int) -> None:
        """Delete the messages behind a cursor."""
        self._call(self._delete(after))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        _LISTENS.set(self._events)
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with Bindpost(self._settings, folder=self._folder) as self._app:
            self._display = Display(self._app.store)
            self._started.set_result(None)
            await self._stopping.wait()
            await asyncio.to_thread(self._display.close)

    def _submit(self, work: Coroutine[object, object, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _call(self, work: Coroutine[object, object, T]) -> T:
        return self._submit(work).result()

    async def _rows(self, after: int, *, limit: int = 0) -> list[MessageRow]:
        return await self._app.store.find(Query(after=after), limit=limit)

    async def _messages(self, after: int) -> list[FullMessage]:
        described = [
            await describe(self._app.store, self._display, row, with_raw=True)
            for row in reversed(await self._rows(after))
        ]
        return [_object(message, FullMessage) for message in described if message is not None]

    async def _wait(self, wanted: Wanted, after: int, seconds: float) -> FullMessage | None:
        query = Query(
            recipient=wanted.recipient,
            sender=wanted.sender,
            subject=wanted.subject,
            after=after,
        )
        try:
            criteria = Criteria.make(
                subject_regex=wanted.subject_regex,
                headers=wanted.header_lines,
                header_regexes=wanted.header_regex_lines,
                has_link=wanted.has_link,
            )
        except ValueError as error:
            raise WaitRefusedError(str(error)) from None
        found = await first_message(
            self._app.store, self._display, query, criteria, seconds=seconds, with_raw=True
        )
        return None if found is None else _object(found, FullMessage)

    async def _delete(self, after: int) -> None:
        await self._app.store.delete([row.id for row in await self._rows(after)])


@final
class OwnFaults:
    """The faults of a server in this process; the `FaultDesk` of its tests."""

    def __init__(self, server: InProcess) -> None:
        self._server = server

    def add(self, fault: Fault) -> FaultRule:
        """Put a fault into force."""
        return self._ask(lambda desk: _rule_of(desk.add(fault), desk))

    def remove(self, name: str) -> None:
        """Let a fault be no more."""
        self._ask(lambda desk: desk.remove(name))

    def log(self, *, after: int = 0) -> tuple[Fired, ...]:
        """Give what has fired behind a number, oldest first."""
        found = self._ask(lambda desk: desk.log(after=after))
        return tuple(_object(fault_objects.fired(one), Fired) for one in found)

    def use(self, preset: str, when: When, change: Change) -> UsedPreset:
        """Put a preset's rules into force."""

        def add(desk: Faults) -> UsedPreset:
            known = self._server._app.presets
            if preset not in known:
                raise ValueError(f"there is no preset {preset!r}; there are {', '.join(known)}")
            used = use(desk, known[preset], when, change)
            return _object(fault_objects.used(used, desk), UsedPreset)

        return self._ask(add)

    def authority(self) -> bytes:
        """Give the authority, as PEM, that has signed the wrong certificates."""
        return self._ask(lambda desk: desk.certificates.authority)

    def _ask(self, ask: Callable[[Faults], T]) -> T:
        async def inside() -> T:
            return ask(self._server._app.faults)

        try:
            return self._server._call(inside())
        except (ValueError, UnknownFaultError) as error:
            raise FaultRefusedError(str(error)) from None


def _rule_of(armed: Armed, desk: Faults) -> FaultRule:
    return _object(fault_objects.rule(armed, desk), FaultRule)


class _Hearing(Ear):
    """Takes the events that are logged on behalf of one node, by its tasks and callbacks."""

    def __init__(self, events: Heard, node: str) -> None:
        super().__init__(logging.INFO)
        self._events = events
        self._count = itertools.count(1)
        self._make = RecordMaker(node)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        found = said(record)
        if _LISTENS.get() is not self._events or found is None:
            return
        if not isinstance(definition := found.event, EventType):
            return
        line: EventDict = {"_record": record, "exc_info": record.exc_info}
        made: EventRecord = self._make(None, "", line)["record"]
        self._events.add(
            Event(
                cursor=next(self._count),
                time=made.time,
                source=definition.source,
                id=definition.id,
                level=Level(definition.level).name.lower(),
                category=definition.category.title,
                computer=made.host,
                node=made.host,
                message=made.message,
                strings=made.strings,
                fields=made.fields,
                error=_told(made.failure),
                logger=made.logger,
                process_id=made.process_id,
                thread_id=made.thread_id,
            )
        )


def _told(failure: Failure | None) -> dict[str, str]:
    known = dataclasses.asdict(failure) if failure else {}
    return {name: text for name, text in known.items() if text}


def _object(value: object, kind: type[T]) -> T:
    """Give the client's form of what the API would tell."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes, datetime))
    return msgspec.convert(plain, kind)
