"""Mailpit's REST API: tags."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..message.tags import clean_tag
from ..store.store import MessageStore
from .requests import decode_object, read_body, refuse
from .responses import json_response

_T = TypeVar("_T")


class _Set(msgspec.Struct):
    """Body of PUT /tags."""

    tags: list[str] | None = None
    ids: list[str] | None = None


class _Rename(msgspec.Struct):
    """Body of PUT /tags/{tag}."""

    name: str = ""


class MailpitTags:
    """The handlers."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v1/tags", self.list_tags),
            Route("/api/v1/tags", self.set_tags, methods=["PUT"]),
            Route("/api/v1/tags/{tag}", self.rename, methods=["PUT"]),
            Route("/api/v1/tags/{tag}", self.remove, methods=["DELETE"]),
        ]

    async def list_tags(self, _: Request) -> Response:
        """Answer with the names of the tags in use."""
        return json_response(list(await self._store.tag_names()))

    async def set_tags(self, request: Request) -> Response:
        """Give these messages these tags, and no others; without ids nothing changes."""
        body = await _body(request, _Set)
        await self._store.set_tags(body.ids or (), body.tags or ())
        return PlainTextResponse("ok")

    async def rename(self, request: Request) -> Response:
        """Change a tag's name on every message."""
        name = await self._known(request)
        written = (await _body(request, _Rename)).name
        new = clean_tag(written)
        if not new:
            refuse(f"invalid tag name: {written[:100]}")
        if new.lower() != name.lower() and await self._find(new):
            refuse(f"tag already exists: {new}")
        await self._store.rename_tag(name, new)
        return PlainTextResponse("ok")

    async def remove(self, request: Request) -> Response:
        """Take a tag off every message."""
        await self._store.remove_tag(await self._known(request))
        return PlainTextResponse("ok")

    async def _known(self, request: Request) -> str:
        name = request.path_params["tag"]
        return await self._find(name) or refuse(f"tag not found: {name[:100]}")

    async def _find(self, name: str) -> str | None:
        tags = await self._store.tag_names()
        return next((tag for tag in tags if tag.lower() == name.lower()), None)


async def _body(request: Request, kind: type[_T]) -> _T:
    try:
        return decode_object(await read_body(request), kind)
    except ValueError as error:
        refuse(f"The body is not readable: {error}.")
