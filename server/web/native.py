"""bindpost's own API, `/api/bindpost/v1/`: waiting, envelopes, sessions, exact bytes."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store.store import MessageStore
from ..store.terms import Term
from . import native_objects as objects
from .choosing import Choice, ids_of
from .criteria import Criteria
from .describing import describe, first_message
from .display import Display
from .mailpit_search import parse_search
from .requests import (
    decode_object,
    read_body,
    read_flag,
    read_number,
    read_query,
    read_seconds,
    refuse,
    refuse_unknown,
    row_of,
)
from .responses import json_response
from .searching import find

WAIT_DEFAULT: Final = 30.0
WAIT_LIMIT: Final = 300.0
"""Seconds that one request may wait."""
PAGE_LIMIT: Final = 1_000


class Native:
    """The handlers; `stopping` is set when the server goes down, which ends the waits."""

    def __init__(self, store: MessageStore, display: Display, *, stopping: asyncio.Event) -> None:
        self._store = store
        self._display = display
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/bindpost/v1/wait", self.wait),
            Route("/api/bindpost/v1/messages", self.list_messages),
            Route("/api/bindpost/v1/messages", self.delete, methods=["DELETE"]),
            Route("/api/bindpost/v1/messages/{id}", self.message),
            Route("/api/bindpost/v1/messages/{id}/raw", self.raw),
        ]

    async def wait(self, request: Request) -> Response:
        """Answer with the first message that matches as soon as there is one, or with 204."""
        first = first_message(
            self._store,
            self._display,
            read_query(request),
            _criteria(request),
            seconds=read_seconds(request, "timeout", WAIT_DEFAULT, maximum=WAIT_LIMIT),
            with_raw=read_flag(request, "raw"),
        )
        match = asyncio.create_task(first)
        tasks = {
            match,
            asyncio.create_task(_disconnected(request)),
            asyncio.create_task(self._stopping.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not match.done():
                refuse("The server is going down.", 503)
            message = match.result()
            return Response(status_code=204) if message is None else json_response(message)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def list_messages(self, request: Request) -> Response:
        """Answer with messages, newest first; `before` pages on."""
        limit = read_number(request, "limit", 50, maximum=PAGE_LIMIT) or PAGE_LIMIT
        query = msgspec.structs.replace(read_query(request), terms=_terms(request))
        holds = _criteria(request).of(self._display)
        found = await find(self._store, query, limit=limit, holds=holds)
        if found.problem and not found.rows:
            refuse(f"{found.problem}.", 503)
        return json_response(
            objects.Messages(messages=[objects.row(row) for row in found.rows], next=found.next)
        )

    async def message(self, request: Request) -> Response:
        """Answer with all that is known of a message; its read flag stays."""
        with_raw = read_flag(request, "raw")
        row = await row_of(self._store, request)
        found = await describe(self._store, self._display, row, with_raw=with_raw)
        return json_response(found or refuse_unknown())

    async def raw(self, request: Request) -> Response:
        """Answer with the bytes as received, as bytes."""
        row = await row_of(self._store, request)
        raw = await self._store.raw(row.id)
        if raw is None:
            refuse_unknown()
        disposition = {"Content-Disposition": f'attachment; filename="{row.id}.eml"'}
        return Response(raw, media_type="application/octet-stream", headers=disposition)

    async def delete(self, request: Request) -> Response:
        """Delete the messages that the body means; all only if it says so in words."""
        try:
            body = decode_object(await read_body(request), Choice)
        except ValueError as error:
            refuse(f"Nothing was deleted: the body is not readable: {error}.")
        try:
            ids = await ids_of(self._store, body)
        except ValueError as error:
            refuse(f"Nothing was deleted: {str(error).removesuffix('.')}.")
        asked = [] if body.ids is None or ids is None else ids
        unknown = [message_id for message_id in asked if await self._store.get(message_id) is None]
        deleted = await self._store.delete(ids)
        return json_response(objects.Deleted(deleted=deleted, unknown=unknown))


def _terms(request: Request) -> tuple[Term, ...]:
    given = request.query_params
    try:
        return parse_search(given.get("query", ""), given.get("tz"))
    except ValueError as error:
        refuse(str(error))


def _criteria(request: Request) -> Criteria:
    given = request.query_params
    try:
        return Criteria.make(
            subject_regex=given.get("subject_regex"),
            headers=given.getlist("header"),
            header_regexes=given.getlist("header_regex"),
            has_link=read_flag(request, "has_link"),
        )
    except ValueError as error:
        refuse(f"{error}.")


async def _disconnected(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
