"""The kinds of answers: JSON as msgspec writes it, and errors as plain sentences."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

NOT_FOUND: Final = "404 page not found"
"""Mailpit's words; its clients compare them."""


def json_response(value: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def error_response(_: Request, error: Exception) -> Response:
    """Answer a refused request in plain text."""
    assert isinstance(error, HTTPException)  # what it is registered for
    text = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and text == HTTPStatus.NOT_FOUND.phrase:
        text = NOT_FOUND
    return PlainTextResponse(text, error.status_code, headers=error.headers)
