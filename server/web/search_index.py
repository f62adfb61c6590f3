"""Our own API's route to the search index: how far it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store.index_state import IndexState, TellsIndex
from .responses import json_response

NONE = IndexState(state="none", reason="Nobody makes one.")


class SearchIndexRoute:
    """The handler; `index` knows the index, None if nobody makes one."""

    def __init__(self, index: TellsIndex | None) -> None:
        self._index = index

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/api/bindpost/v1/search-index", self.tell)]

    async def tell(self, request: Request) -> Response:
        """Answer with the index as it is now."""
        return json_response(NONE if self._index is None else await self._index.state())
