"""The kinds of answers: JSON as msgspec writes it, and refusals before anything is asked."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in an answer; it is aware, and written as RFC 3339 has it."""
NOT_FOUND: Final = "404 page not found"
"""Mailpit's words; its clients compare them."""

_POLICY_VIOLATION: Final = 1008


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def turn_away(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or somebody who wants a WebSocket, with a refusal."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await answer(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
