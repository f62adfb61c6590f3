"""The kinds of answers: JSON as msgspec writes it, and errors as plain sentences."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time in an answer; it is aware, and written as RFC 3339 has it."""
NOT_FOUND: Final = "404 page not found"
"""Mailpit's words; its clients compare them."""


def json_response(value: object) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), media_type="application/json")


async def error_response(_: Request, error: Exception) -> Response:
    """Answer a refused request in plain text."""
    assert isinstance(error, HTTPException)  # what it is registered for
    text = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and text == HTTPStatus.NOT_FOUND.phrase:
        text = NOT_FOUND
    return PlainTextResponse(text, error.status_code, headers=error.headers)
