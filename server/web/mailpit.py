"""The REST API of Mailpit, `/api/v1/`, so that its clients work unchanged."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..store.store import MessageStore
from . import mailpit_objects as objects
from .display import Display
from .requests import decode_object, read_body, read_number, refuse, refuse_unknown, row_of
from .responses import json_response

_NOTHING_DELETED = (
    'Nothing was deleted: {}. Send a JSON object: {{"IDs": ["..."]}} deletes these messages, '
    "{{}} deletes all."
)


class _Delete(msgspec.Struct):
    """Body of DELETE /messages."""

    ids: list[str] | None = None


class _Mark(msgspec.Struct):
    """Body of PUT /messages."""

    read: bool = False
    ids: list[str] | None = None
    search: str | None = None


class Mailpit:
    """The handlers."""

    def __init__(self, store: MessageStore, display: Display) -> None:
        self._store = store
        self._display = display

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v1/messages", self.list_messages),
            Route("/api/v1/messages", self.mark, methods=["PUT"]),
            Route("/api/v1/messages", self.delete, methods=["DELETE"]),
            Route("/api/v1/message/{id}", self.message),
            Route("/api/v1/message/{id}/headers", self.headers),
            Route("/api/v1/message/{id}/raw", self.raw),
        ]

    async def list_messages(self, request: Request) -> Response:
        """Answer with a page of the inbox, newest first."""
        start = read_number(request, "start", 0)
        limit = read_number(request, "limit", 50)
        rows = await self._store.find(limit=limit, offset=start)
        digests = await self._display.digests(rows)
        counts = await self._store.count()
        return json_response(
            objects.MessageList(
                total=counts.total,
                unread=counts.unread,
                count=len(rows),
                messages_count=counts.total,
                messages_unread=counts.unread,
                start=start,
                tags=[],
                messages=[objects.summary(*pair) for pair in zip(rows, digests, strict=True)],
            )
        )

    async def message(self, request: Request) -> Response:
        """Answer with a message, and mark it read."""
        row = await row_of(self._store, request)
        parsed = await self._display.parsed(row.id)
        if parsed is None:
            refuse_unknown()
        await self._store.mark([row.id], read=True)
        return json_response(objects.message(row, parsed))

    async def headers(self, request: Request) -> Response:
        """Answer with the header fields, names in Go's canonical form, values as they came."""
        row = await row_of(self._store, request)
        parsed = await self._display.parsed(row.id)
        if parsed is None:
            refuse_unknown()
        fields: dict[str, list[str]] = {}
        for field in parsed.headers:
            name = "-".join(word.capitalize() for word in field.name.split("-"))
            fields.setdefault(name, []).append(field.raw)
        return json_response(fields)

    async def raw(self, request: Request) -> Response:
        """Answer with the bytes as received; with `dl=1` as a file to keep."""
        row = await row_of(self._store, request)
        raw = await self._store.raw(row.id)
        if raw is None:
            refuse_unknown()
        response = Response(raw, media_type="text/plain; charset=utf-8")
        if request.query_params.get("dl") == "1":
            response.headers["Content-Disposition"] = f'attachment; filename="{row.id}.eml"'
        return response

    async def mark(self, request: Request) -> Response:
        """Set or clear the read flag of these messages; of all when no ids are given."""
        try:
            body = decode_object(await read_body(request), _Mark)
        except ValueError as error:
            refuse(f"The body is not readable: {error}.")
        if body.search:
            refuse("Marking what a search finds is not supported; give IDs.")
        await self._store.mark(body.ids or None, read=body.read)
        return PlainTextResponse("ok")

    async def delete(self, request: Request) -> Response:
        """Delete these messages, or all if the object has no ids; without a body, none."""
        body = await read_body(request)
        if not body.strip():
            refuse(_NOTHING_DELETED.format("the request has no body"))
        try:
            ids = decode_object(body, _Delete).ids
        except ValueError as error:
            refuse(_NOTHING_DELETED.format(f"the body is not readable: {error}"))
        await self._store.delete(ids or None)
        return PlainTextResponse("ok")
