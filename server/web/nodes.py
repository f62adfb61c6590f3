"""The nodes: the route that tells of all that have this inbox."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import node_objects as objects
from .responses import json_response


class TellsNodes(Protocol):
    """What knows the nodes."""

    def nodes(self) -> objects.Nodes:
        """Give every node as it is known now; asks nobody."""
        ...


class NodeRoutes:
    """The handler; without anybody who knows nodes there are none."""

    def __init__(self, desk: TellsNodes | None) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/api/bindpost/v1/nodes", self.nodes)]

    async def nodes(self, _: Request) -> Response:
        """Answer with all nodes."""
        alone = objects.Nodes(shared=False, trouble="", nodes=[])
        return json_response(alone if self._desk is None else self._desk.nodes())
