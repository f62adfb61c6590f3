"""How a request is refused: by a sentence in plain text, and on a page to whoever goes to one."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from .look import Look
from .responses import NOT_FOUND

_READING: Final = frozenset({"GET", "HEAD"})
"""What a folder of files answers."""
_NO_PAGE: Final = "There is no such page, or what it showed has been deleted."


class Refusals:
    """
    The answers to what is refused or fails.

    `is_own` says that they are for somebody who sees a mailbox of their own only. Without `look`
    there are no pages.
    """

    def __init__(self, look: Look | None = None, *, is_own: bool = False) -> None:
        self._look = look
        self._is_own = is_own

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer a refused request; 405 says what there is (RFC 9110, 15.5.6)."""
        assert isinstance(error, HTTPException)  # what it is registered for
        text, headers = error.detail, dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"Allow": _methods(request)}
        if error.status_code == HTTPStatus.NOT_FOUND and text == HTTPStatus.NOT_FOUND.phrase:
            text = NOT_FOUND
        return self.answer(request.scope, text, error.status_code, headers)

    def answer(
        self, scope: Scope, text: str, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Answer with a sentence, or with a page that has it and the way on."""
        if self._look is None or not _is_visit(scope):
            return PlainTextResponse(text, status, headers)
        page = self._look.page(
            "refusal.html",
            page="",
            place={"is_own": self._is_own},
            title=HTTPStatus(status).phrase,
            text=_NO_PAGE if text == NOT_FOUND else text,
            again=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )
        page.status_code = status
        page.headers.update(headers or {})
        return page


def _is_visit(scope: Scope) -> bool:
    """Say whether somebody goes to a page with a browser: no API, no script, no frame."""
    headers = Headers(scope=scope)
    return (
        "text/html" in headers.get("accept", "")
        and headers.get("sec-fetch-dest", "document") == "document"
        and not scope["path"].startswith("/api/")
    )


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
