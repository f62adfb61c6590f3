"""Mailpit's WebSocket, `/api/events`: what happens to the inbox, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from ..activity import Activity, Refusal
from ..store.store import Change, MessageStore
from . import mailpit_objects as objects
from .display import Display
from .websockets import Send, tell

STATS_INTERVAL: Final = 0.25
"""Least seconds between two `stats`."""
ONE_BY_ONE: Final = 200
"""Messages of a change that are told one by one; more are told as `prune`."""


class _Event(msgspec.Struct, rename="pascal"):
    """A frame."""

    type: str
    data: object = None


class _Stats(msgspec.Struct, rename="pascal"):
    total: int
    unread: int
    version: str


class _Id(msgspec.Struct, rename={"id": "ID"}):
    id: str


class _Read(msgspec.Struct, rename={"id": "ID", "read": "Read"}):
    id: str
    read: bool


class _Tags(msgspec.Struct, rename={"id": "ID", "tags": "Tags"}):
    id: str
    tags: Sequence[str]


class _Error(msgspec.Struct, rename={"ip": "IP"}):
    level: str = msgspec.field(name="Level")
    type: str = msgspec.field(name="Type")
    ip: str
    message: str = msgspec.field(name="Message")


class MailpitEvents:
    """The handler; `stopping` is set when the server goes down."""

    def __init__(
        self,
        store: MessageStore,
        display: Display,
        activity: Activity,
        *,
        version: str,
        stopping: asyncio.Event,
    ) -> None:
        self._store = store
        self._display = display
        self._activity = activity
        self._version = version
        self._stopping = stopping

    def routes(self) -> list[WebSocketRoute]:
        """Give the routes."""
        return [WebSocketRoute("/api/events", self.events)]

    async def events(self, websocket: WebSocket) -> None:
        """Tell a client what happens from now on."""
        changes = self._store.changes()
        changed = asyncio.Event()
        changed.set()

        async def send_changes(send: Send) -> None:
            async for change in changes:
                async for event in self._events(change):
                    await send(msgspec.json.encode(event))
                changed.set()

        async def send_stats(send: Send) -> None:
            while await changed.wait():
                changed.clear()
                await send(msgspec.json.encode(await self._stats()))
                await asyncio.sleep(STATS_INTERVAL)

        async def send_errors(send: Send) -> None:
            async for refusal in self._activity.refusals():
                await send(msgspec.json.encode(_error(refusal)))

        await tell(websocket, self._stopping, send_changes, send_stats, send_errors)

    async def _stats(self) -> _Event:
        counts = await self._store.count()
        return _Event("stats", _Stats(counts.total, counts.unread, f"v{self._version}"))

    async def _events(self, change: Change) -> AsyncIterator[_Event]:
        """Give a change in Mailpit's words."""
        if change.row is not None:
            (digest,) = await self._display.digests([change.row])
            yield _Event("new", objects.summary(change.row, digest))
        elif change.kind == "deleted" and change.cause == "all":
            yield _Event("truncate")
        elif (
            len(change.ids) > ONE_BY_ONE
            or change.cause == "retention"
            or (change.kind == "tagged" and change.cause == "all")
        ):
            yield _Event("prune")
        elif change.kind == "deleted":
            for message_id in change.ids:
                yield _Event("delete", _Id(message_id))
        else:
            for message_id in change.ids:
                if (row := await self._store.get(message_id)) is None:
                    continue
                if change.kind == "tagged":
                    yield _Event("update", _Tags(row.id, row.tags))
                else:
                    yield _Event("update", _Read(row.id, row.read))


def _error(refusal: Refusal) -> _Event:
    level = "warning" if refusal.code < 500 else "error"
    return _Event("error", _Error(level, "smtpd", refusal.peer or "", refusal.line))
