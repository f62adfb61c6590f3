"""Read flags in bindpost's own API: the route that sets or clears them."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store.store import MessageStore
from .choosing import Choice, ids_of
from .requests import decode_object, read_body, refuse
from .responses import json_response


class _Mark(Choice, forbid_unknown_fields=True, kw_only=True):
    """Body of PATCH /messages."""

    read: bool


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
        """Set or clear the read flag of the messages that the body means."""
        try:
            body = decode_object(await read_body(request), _Mark)
        except ValueError as error:
            refuse(f"Nothing was marked: the body is not readable: {error}.")
        try:
            ids = await ids_of(self._store, body)
        except ValueError as error:
            refuse(f"Nothing was marked: {str(error).removesuffix('.')}.")
        return json_response(Marked(await self._store.mark(ids, read=body.read)))
