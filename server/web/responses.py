"""The kinds of answers: JSON as msgspec writes it, and errors as plain sentences."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in an answer; it is aware, and written as RFC 3339 has it."""
NOT_FOUND: Final = "404 page not found"
"""Mailpit's words; its clients compare them."""

_POLICY_VIOLATION: Final = 1008
_READING: Final = frozenset({"GET", "HEAD"})
"""What a folder of files answers."""


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def error_response(request: Request, error: Exception) -> Response:
    """Answer a refused request in plain text; 405 says what there is (RFC 9110, 15.5.6)."""
    assert isinstance(error, HTTPException)  # what it is registered for
    text = error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return PlainTextResponse(text, error.status_code, headers={"Allow": _methods(request)})
    if error.status_code == HTTPStatus.NOT_FOUND and text == HTTPStatus.NOT_FOUND.phrase:
        text = NOT_FOUND
    return PlainTextResponse(text, error.status_code, headers=error.headers)


async def turn_away(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or somebody who wants a WebSocket, with a refusal."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


def _methods(request: Request) -> str:
    """
    Give the methods of all routes of what the request's path names; each knows its own only.

    That is what the first of them has: a fixed path stands before one with a name in its place.
    """
    scope = dict(request.scope) | {"root_path": "", "path_params": {}}
    routes = [route for route in request.app.routes if route.matches(scope)[0] is not Match.NONE]
    paths = [getattr(route, "path", "") for route in routes]
    named = [route for route, path in zip(routes, paths, strict=True) if path == paths[0]]
    methods = {method for route in named for method in getattr(route, "methods", _READING)}
    return ", ".join(sorted(methods))
