"""Read flags in bindpost's own API: the route that sets or clears them."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store.store import MessageStore
from .requests import decode_object, read_body, refuse
from .responses import json_response


class _Mark(msgspec.Struct, forbid_unknown_fields=True):
    """Body of PATCH /messages."""

    read: bool
    ids: list[str] | None = None
    all: bool = False


class Marked(msgspec.Struct, frozen=True):
    """How many read flags have changed."""

    changed: int


class Marking:
    """The handler."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/api/bindpost/v1/messages", self.mark, methods=["PATCH"])]

    async def mark(self, request: Request) -> Response:
        """Set or clear the read flag of the messages of these ids, or of all."""
        try:
            body = decode_object(await read_body(request), _Mark)
        except ValueError as error:
            refuse(f"Nothing was marked: the body is not readable: {error}.")
        if (body.ids is None) == (not body.all):
            refuse('Nothing was marked: give either {"ids": ["..."]} or {"all": true}.')
        return json_response(Marked(await self._store.mark(body.ids, read=body.read)))
