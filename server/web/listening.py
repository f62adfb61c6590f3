"""The listeners: routes that tell of them, walk their bind paths, and bind one again."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import listener_objects as objects
from .requests import read_index, refuse
from .responses import json_response


class Listens(Protocol):
    """What knows the listeners."""

    def listeners(self) -> list[objects.Listener]:
        """Give every listener as it is now; asks nobody."""
        ...

    async def paths(self) -> list[objects.Path]:
        """Walk every listener's path and give what was found; bounded in time."""
        ...

    async def rebind(self, number: int) -> objects.Listener:
        """
        Try to bind a listener at once, and give it as it is after that attempt; bounded in time.

        Raises `IndexError` for a number that no listener has, `ValueError` with a sentence for one
        that has nothing to be bound again.
        """
        ...


class Listening:
    """The handlers; without anybody who knows listeners there are none."""

    def __init__(self, desk: Listens | None) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Give the routes."""
        own = "/api/bindpost/v1"
        return [
            Route(f"{own}/listeners", self.listeners),
            Route(f"{own}/listeners/{{number}}/rebind", self.rebind, methods=["POST"]),
            Route(f"{own}/paths", self.paths),
        ]

    async def listeners(self, _: Request) -> Response:
        """Answer with every listener's state."""
        found = [] if self._desk is None else self._desk.listeners()
        return json_response(objects.Listeners(found))

    async def paths(self, request: Request) -> Response:
        """Answer with every listener's path, walked now; not for an image on somebody's page."""
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            refuse("Another site's page may not have the paths walked.", 403)
        found = [] if self._desk is None else await self._desk.paths()
        return json_response(objects.Paths(found))

    async def rebind(self, request: Request) -> Response:
        """Bind a listener now that failed or waits for its next attempt; answer with its state."""
        number = read_index(request, "number")
        try:
            if self._desk is None:
                raise IndexError(number)
            return json_response(await self._desk.rebind(number))
        except IndexError:
            refuse(f"There is no listener {number}.", 404)
        except ValueError as error:
            refuse(str(error), 409)
