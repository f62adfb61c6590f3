"""`/livez` and `/readyz`, for whoever starts and watches the server."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def routes(ready: Callable[[], bool]) -> list[Route]:
    """Give the routes; `ready` says whether every listener is bound."""

    async def livez(_: Request) -> Response:
        return Response()

    async def readyz(_: Request) -> Response:
        return Response(status_code=200 if ready() else 503)

    return [Route("/livez", livez), Route("/readyz", readyz)]
