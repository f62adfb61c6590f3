"""The event log: routes that list what is kept, follow what happens, and hand it out as a file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import IO, BinaryIO, Final, Protocol, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..store.events import EventQuery, EventStore, KeptEvent
from . import event_objects as objects
from .event_query import read_last_event_id, read_query
from .requests import read_index, read_number, refuse
from .responses import json_response
from .sse import live, respond

OFF: Final = "No events are kept: set event_log.keep to how many."
PAGE_LIMIT: Final = 1_000
_RETRY: Final = 2_000
"""Milliseconds after which a browser comes back to a stream that ended."""
_PAGE: Final = 500
_CHUNK: Final = 64 * 1024
_IN_MEMORY: Final = 4 * 1024 * 1024
"""Bytes of an export above which it waits on the disk for its client."""


class Export(Protocol):
    """A form in which events are handed out as a file."""

    @property
    def media_type(self) -> str:
        """Its media type."""
        ...

    @property
    def suffix(self) -> str:
        """What a file's name ends with."""
        ...

    def write(self, events: Iterable[KeptEvent], file: BinaryIO) -> None:
        """Write events, the oldest first, to a file that is empty and can seek."""
        ...


class EventLog:
    """
    The handlers; without a store they say that no events are kept.

    `exports` has the forms by name; `stopping` is set when the server goes down, which ends the
    streams.
    """

    def __init__(
        self,
        store: EventStore | None,
        exports: Mapping[str, Export],
        *,
        stopping: asyncio.Event,
    ) -> None:
        self._store = store
        self._exports = exports
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """Give the routes."""
        own = "/api/bindpost/v1/events"
        return [
            Route(own, self.list_events),
            Route(f"{own}/stream", self.stream),
            Route(f"{own}/export", self.export),
            Route(f"{own}/{{cursor}}", self.event),
        ]

    async def list_events(self, request: Request) -> Response:
        """Answer with events, newest first; `before` pages on."""
        store = self._store or refuse(OFF, 404)
        limit = read_number(request, "limit", 50, maximum=PAGE_LIMIT) or PAGE_LIMIT
        found = await store.find(read_query(request), limit=limit + 1)
        shown = found[:limit]
        return json_response(
            objects.Events(
                events=[objects.event(kept) for kept in shown],
                next=shown[-1].cursor if len(found) > limit else None,
            )
        )

    async def event(self, request: Request) -> Response:
        """Answer with one event, and what its kind means."""
        store = self._store or refuse(OFF, 404)
        cursor = read_index(request, "cursor")
        found = await store.find(EventQuery(after=cursor - 1, before=cursor + 1))
        if not found:
            refuse(f"There is no event {cursor}: it is not kept any more, or hasn't been.", 404)
        return json_response(objects.explained(found[0]))

    async def stream(self, request: Request) -> Response:
        """Answer with what happens, as it happens, from a cursor on if one is given."""
        store = self._store or refuse(OFF, 404)
        query = read_query(request)
        seen = read_last_event_id(request)
        after = query.after if seen is None else seen
        if after is not None and after > store.latest:
            after = 0  # a cursor of another store, of a server in memory that has been restarted
        followed = store.follow(msgspec.structs.replace(query, after=after))
        return respond(self._sse(followed))

    async def export(self, request: Request) -> Response:
        """Answer with all events that match as a file, the oldest first."""
        store = self._store or refuse(OFF, 404)
        name = request.query_params.get("format", "json")
        form = self._exports.get(name)
        if form is None:
            refuse(f"format={name[:40]!r} is none of {', '.join(self._exports)}")
        loop = asyncio.get_running_loop()
        query = read_query(request)

        def ask(query: EventQuery) -> list[KeptEvent]:
            looking = store.find(query, limit=_PAGE, oldest_first=True)
            return list(asyncio.run_coroutine_threadsafe(looking, loop).result())

        file = await asyncio.to_thread(_write, form, _paged(ask, query))
        return StreamingResponse(
            _chunks(file),
            media_type=form.media_type,
            headers={"Content-Disposition": f'attachment; filename="events{form.suffix}"'},
        )

    async def _sse(self, followed: AsyncIterator[KeptEvent]) -> AsyncIterator[bytes]:
        """Give events as server-sent events, and a comment when there was none for long."""
        yield b"retry: %d\n\n" % _RETRY
        async with aclosing(live(followed, self._stopping)) as news:
            async for kept in news:
                yield b": nothing happened\n\n" if kept is None else _message(kept)


def _message(kept: KeptEvent) -> bytes:
    # JSON has its line breaks escaped, so one `data:` line holds it all.
    return b"id: %d\ndata: %b\n\n" % (kept.cursor, msgspec.json.encode(objects.event(kept)))


def _paged(ask: Callable[[EventQuery], list[KeptEvent]], query: EventQuery) -> Iterator[KeptEvent]:
    while page := ask(query):
        yield from page
        query = msgspec.structs.replace(query, after=page[-1].cursor)


def _write(form: Export, events: Iterable[KeptEvent]) -> IO[bytes]:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - its reader closes it
    try:
        form.write(events, cast("BinaryIO", file))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Give a file in pieces, and close it; called in threads."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
