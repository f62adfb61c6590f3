"""Refuses a parameter that a route of bindpost's own API doesn't have: it would mean any mail."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from starlette.datastructures import QueryParams
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .operations import OPERATIONS, PREFIX
from .requests import refuse
from .selecting import PARAMETER


def strict(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Give the routes; those of our own API look at the names of parameters first."""
    found = list(routes)
    for route in found:
        if isinstance(route, Route) and route.path.startswith(PREFIX):
            route.app = _Strict(route.app, route.path)
    return found


class _Strict:
    """A route's app that answers only what it can read the whole query of."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"]:
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            _look_at(f"{method} {self._path}", QueryParams(scope["query_string"]))
        await self._app(scope, receive, send)


def _look_at(key: str, given: Iterable[str]) -> None:
    parameters = [one.name for one in OPERATIONS[key].parameters if one.where == "query"]
    known = [*parameters, PARAMETER]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name[:100], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            refuse(f"{name[:100]!r} is no parameter of {key}; {hint}")
