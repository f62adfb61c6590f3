"""The stream of changes as server-sent events: what happened behind a cursor, then live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.errors import StoreError

from ..store.store import Change, ChangeKind, MessageStore
from . import native_objects as objects
from .sse import live, read_start, respond

RETRY: Final = 1_000
"""Milliseconds that a browser waits before it connects again."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """The first event: where the stream begins, and how much is kept; `reason` of a reset."""

    sequence: int
    total: int
    unread: int
    reason: str | None = None


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the inbox, and how much is kept now."""

    sequence: int
    kind: ChangeKind
    ids: tuple[str, ...]
    read: bool | None
    message: objects.Row | None
    total: int
    unread: int


class Stream:
    """The handler; `stopping` is set when the server goes down, which ends the streams."""

    def __init__(self, store: MessageStore, *, stopping: asyncio.Event) -> None:
        self._store = store
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/api/bindpost/v1/stream", self.stream)]

    async def stream(self, request: Request) -> Response:
        """Answer with the changes behind `Last-Event-ID` or `after`, or from now on, for ever."""
        return respond(self._lines(read_start(request)))

    async def _lines(self, after: int | None) -> AsyncIterator[str]:
        changes, opening = await self._open(after)
        yield f"retry: {RETRY}\n{opening}"
        try:
            async with aclosing(live(changes, self._stopping)) as news:
                async for change in news:
                    if change is None:
                        yield ": nothing happened\n\n"
                    elif change.ids:  # none where it happened in a mailbox only
                        yield await self._event(change)
        except StoreError as error:  # too slow to follow, or the store is closed
            yield await self._reset(str(error))

    async def _open(self, after: int | None) -> tuple[AsyncIterator[Change], str]:
        """Begin to follow; what has never been, a cursor of another store, is told as a reset."""
        try:
            changes = self._store.changes(after)
        except StoreError as error:
            return self._store.changes(), await self._reset(str(error))
        sequence = self._store.sequence if after is None else after
        counts = await self._store.count()
        opening = Opening(sequence=sequence, total=counts.total, unread=counts.unread)
        return changes, _write("ready", sequence, opening)

    async def _reset(self, reason: str) -> str:
        sequence = self._store.sequence
        counts = await self._store.count()
        opening = Opening(
            sequence=sequence, total=counts.total, unread=counts.unread, reason=reason
        )
        return _write("reset", sequence, opening)

    async def _event(self, change: Change) -> str:
        counts = await self._store.count()
        happening = Happening(
            sequence=change.sequence,
            kind=change.kind,
            ids=change.ids,
            read=change.read,
            message=None if change.row is None else objects.row(change.row),
            total=counts.total,
            unread=counts.unread,
        )
        return _write(change.kind, change.sequence, happening)


def _write(event: str, sequence: int, data: msgspec.Struct) -> str:
    return f"id: {sequence}\nevent: {event}\ndata: {msgspec.json.encode(data).decode()}\n\n"
