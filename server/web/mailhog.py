"""MailHog's API, v1 and v2, as far as it doesn't collide with Mailpit's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from ..store.store import EVERYTHING, Change, MessageRow, MessageStore, Query
from ..store.terms import Term
from . import mailhog_objects as objects
from .display import Display
from .mailpit_message import inline, media_type
from .releasing import OFF, Releases
from .requests import (
    bytes_of,
    decode_object,
    read_body,
    read_index,
    read_number,
    refuse,
    refuse_unknown,
    row_of,
)
from .responses import json_response
from .sse import live
from .websockets import Send, tell

PAGE_LIMIT: Final = 250
PAGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of messages after which a page ends, since each is given whole."""
_KINDS: Final[Mapping[str, Literal["sender", "recipient", "raw"]]] = {
    "from": "sender",
    "to": "recipient",
    "containing": "raw",
}


class _Release(msgspec.Struct):
    """Body of a release; the server that it names is only compared."""

    email: str = ""
    name: str = ""
    host: str = ""
    port: str = "25"


class MailHog:
    """The handlers; `stopping` is set when the server goes down."""

    def __init__(
        self,
        store: MessageStore,
        display: Display,
        *,
        relay: Releases | None,
        stopping: asyncio.Event,
    ) -> None:
        self._store = store
        self._display = display
        self._relay = relay
        self._stopping = stopping

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        one = "/api/v1/messages/{id}"
        return [
            Route("/api/v2/messages", self.list_messages),
            Route("/api/v2/search", self.search),
            Route("/api/v2/outgoing-smtp", self.outgoing_smtp),
            WebSocketRoute("/api/v2/websocket", self.websocket),
            Route("/api/v1/events", self.events),
            Route(one, self.message),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/download", self.download),
            Route(f"{one}/mime/part/{{part}}/download", self.part),
        ]

    def release_routes(self) -> list[BaseRoute]:
        """Give the route that lets a message out, which is not for everybody."""
        return [Route("/api/v1/messages/{id}/release", self.release, methods=["POST"])]

    async def list_messages(self, request: Request) -> Response:
        """Answer with a page of messages, newest first."""
        return await self._page(request, EVERYTHING)

    async def search(self, request: Request) -> Response:
        """Answer with a page of what has a text in its sender, recipients or bytes."""
        kind = request.query_params.get("kind", "")
        text = request.query_params.get("query", "")
        if kind not in _KINDS or not text:
            refuse("Give kind=from, to or containing, and a query.")
        return await self._page(request, Query(terms=(Term(_KINDS[kind], text),)))

    async def _page(self, request: Request, query: Query) -> Response:
        start = read_number(request, "start", 0)
        limit = min(read_number(request, "limit", 50), PAGE_LIMIT)
        rows = await self._store.find(query, limit=limit, offset=start) if limit else []
        total = (await self._store.count(query)).total
        items: list[objects.Message] = []
        size = 0
        for row in rows:
            size += row.size
            if items and size > PAGE_BYTES:
                break
            if (message := await self._message(row)) is not None:
                items.append(message)
        page = objects.Page(total=total, count=len(items), start=start, items=items)
        text = await asyncio.to_thread(msgspec.json.encode, page)  # many megabytes, it may be
        return Response(text, media_type="application/json")

    async def message(self, request: Request) -> Response:
        """Answer with a message."""
        message = await self._message(await row_of(self._store, request))
        return json_response(message or refuse_unknown())

    async def delete(self, request: Request) -> Response:
        """Delete a message."""
        await self._store.delete([(await row_of(self._store, request)).id])
        return Response()

    async def download(self, request: Request) -> Response:
        """Answer with the bytes as received, as a file."""
        row = await row_of(self._store, request)
        raw = await bytes_of(self._store, row)
        disposition = {"Content-Disposition": f'attachment; filename="{row.id}.eml"'}
        return Response(raw, media_type="message/rfc822", headers=disposition)

    async def part(self, request: Request) -> Response:
        """Answer with a part of the first level, decoded, as a file; they are counted from 0."""
        number = read_index(request, "part")
        row = await row_of(self._store, request)
        part = await self._display.part(row.id, str(number + 1)) or refuse_unknown()
        disposition = inline(part.file_name).replace("inline", "attachment", 1)
        headers = {"Content-Type": media_type(part), "Content-Disposition": disposition}
        return Response(part.content, headers=headers)

    async def release(self, request: Request) -> Response:
        """Give a message to the relay; to no other server, whatever the client names."""
        relay = self._relay or refuse(OFF)
        row = await row_of(self._store, request)
        try:
            body = decode_object(await read_body(request), _Release)
            other = body.host and f"{body.host}:{body.port}" != relay.server
            if other or body.name:
                raise ValueError(
                    f"bindpost releases to {relay.server} only; leave Host and Name out"
                )
            await relay.release(row, [body.email])
        except ValueError as error:
            refuse(f"Nothing was released: {error}.")
        return Response()

    async def outgoing_smtp(self, _: Request) -> Response:
        """Answer with the servers that were saved for releases: none."""
        return json_response({})

    async def websocket(self, websocket: WebSocket) -> None:
        """Tell each new message."""
        changes = self._store.changes()

        async def send_new(send: Send) -> None:
            async for change in changes:
                if (frame := await self._frame(change)) is not None:
                    await send(frame)

        await tell(websocket, self._stopping, send_new)

    async def events(self, _: Request) -> Response:
        """Tell each new message as a server-sent event."""
        return StreamingResponse(self._event_stream(), media_type="text/event-stream")

    async def _event_stream(self) -> AsyncIterator[bytes]:
        yield b": here\n\n"
        async with aclosing(live(self._store.changes(), self._stopping)) as news:
            async for change in news:
                if change is None:
                    yield b": nothing happened\n\n"
                elif (frame := await self._frame(change)) is not None:
                    yield b"data: %b\n\n" % frame

    async def _frame(self, change: Change) -> bytes | None:
        message = await self._message(change.row) if change.row is not None else None
        return None if message is None else msgspec.json.encode(message)

    async def _message(self, row: MessageRow) -> objects.Message | None:
        return await self._display.read(row.id, partial(objects.message, row))
