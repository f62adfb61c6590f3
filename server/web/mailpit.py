"""Mailpit's REST API, `/api/v1/`: lists, searches, read flags and deleting."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..store.rules import counts_of
from ..store.store import EVERYTHING, MessageRow, MessageStore, Query
from . import mailpit_objects as objects
from .choosing import found_ids
from .display import Display
from .mailpit_search import search_of
from .requests import decode_object, read_body, read_number, refuse
from .responses import json_response

_NOTHING_DELETED = (
    'Nothing was deleted: {}. Send a JSON object: {{"IDs": ["..."]}} deletes these messages, '
    "{{}} deletes all."
)
NO_QUERY = "Error: no search query"


class _Delete(msgspec.Struct):
    """Body of DELETE /messages."""

    ids: list[str] | None = None


class _Mark(msgspec.Struct):
    """Body of PUT /messages."""

    read: bool = False
    ids: list[str] | None = None
    search: str | None = None


class Mailpit:
    """
    The handlers.

    `delete_without_body` lets a DELETE that has no body, or an unreadable one, delete everything,
    as Mailpit does.
    """

    def __init__(
        self, store: MessageStore, display: Display, *, delete_without_body: bool = False
    ) -> None:
        self._store = store
        self._display = display
        self._delete_without_body = delete_without_body

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v1/messages", self.list_messages),
            Route("/api/v1/messages", self.mark, methods=["PUT"]),
            Route("/api/v1/messages", self.delete, methods=["DELETE"]),
            Route("/api/v1/search", self.search),
            Route("/api/v1/search", self.delete_found, methods=["DELETE"]),
        ]

    async def list_messages(self, request: Request) -> Response:
        """Answer with a page of the inbox, newest first."""
        start = read_number(request, "start", 0)
        limit = read_number(request, "limit", 50)
        query = search_of(request, given="")
        rows = await self._store.find(query, limit=limit, offset=start)
        return await self._page(EVERYTHING, rows, start, limit)

    async def search(self, request: Request) -> Response:
        """Answer with a page of what matches, newest first; a limit of 0 gives none of it."""
        query = _asked(request)
        start = read_number(request, "start", 0)
        limit = read_number(request, "limit", 50)
        rows = await self._store.find(query, limit=limit, offset=start) if limit else []
        return await self._page(query, rows, start, limit)

    async def _page(
        self, query: Query, rows: Sequence[MessageRow], start: int, limit: int
    ) -> Response:
        digests = await self._display.digests(rows)
        counts = await self._store.count()
        if query == EVERYTHING:
            matching = counts
        elif start == 0 and len(rows) < limit:  # these are all
            matching = counts_of(rows)
        else:
            matching = await self._store.count(query)
        return json_response(
            objects.MessageList(
                total=counts.total,
                unread=counts.unread,
                count=len(rows),
                messages_count=matching.total,
                messages_unread=matching.unread,
                start=start,
                tags=list(await self._store.tag_names()),
                messages=[objects.summary(*pair) for pair in zip(rows, digests, strict=True)],
            )
        )

    async def mark(self, request: Request) -> Response:
        """Set or clear the read flag of these messages, or those found; of all if none are told."""
        try:
            body = decode_object(await read_body(request), _Mark)
        except ValueError as error:
            refuse(f"The body is not readable: {error}.")
        if body.ids and body.search:
            refuse("You may specify either IDs or a search query, not both")
        ids = await self._found(request, body.search) if body.search else body.ids or None
        await self._store.mark(ids, read=body.read)
        return PlainTextResponse("ok")

    async def delete(self, request: Request) -> Response:
        """Delete these messages, or all if the object has no ids; without a body, none."""
        body = await read_body(request)
        try:
            ids = decode_object(body, _Delete).ids
        except ValueError as error:
            if not self._delete_without_body:
                what = f"the body is not readable: {error}"
                refuse(_NOTHING_DELETED.format(what if body.strip() else "the request has no body"))
            ids = None
        await self._store.delete(ids or None)
        # MailHog's clients send this too, and read what comes back as JSON unless nothing does.
        is_mailhogs = not body and "accept" not in request.headers
        return PlainTextResponse("" if is_mailhogs else "ok")

    async def delete_found(self, request: Request) -> Response:
        """Delete what matches a search."""
        _asked(request)
        await self._store.delete(await self._found(request, request.query_params["query"]))
        return PlainTextResponse("ok")

    async def _found(self, request: Request, text: str) -> list[str]:
        """Give the ids of what matches; a search that says nothing is refused."""
        query = search_of(request, given=text)
        if not query.terms:
            refuse(f"The search {text[:80]!r} says nothing; nothing was changed.")
        return await found_ids(self._store, query)


def _asked(request: Request) -> Query:
    """Give the query of a request that must have one."""
    if not request.query_params.get("query", "").strip():
        refuse(NO_QUERY)
    return search_of(request)
