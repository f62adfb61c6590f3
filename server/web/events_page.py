"""The event viewer: what was logged as a list, one event from all sides, files to take along."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.events import IMS, OURS, SEVERITIES

from ..store.events import EventQuery, EventStore, KeptEvent
from . import event_objects as objects
from .event_log import OFF
from .event_query import read_query
from .look import Look
from .nodes import TellsNodes
from .requests import read_index, refuse

SHOWN: Final = 100
"""Events that come at once."""
FILTERS: Final = ("level", "source", "node", "id", "text")


class EventsPage:
    """The handlers; without a store the page says that no events are kept."""

    def __init__(
        self,
        store: EventStore | None,
        look: Look,
        nodes: TellsNodes | None,
        *,
        exports: Collection[str],
    ) -> None:
        self._store = store
        self._look = look
        self._nodes = nodes
        self._exports = exports

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/events", self.show_list),
            Route("/events/{cursor}", self.show_event),
        ]

    async def show_list(self, request: Request) -> Response:
        """Show a page of the list; for its script only the rows."""
        listing = await self._listing(request)
        part = request.query_params.get("part") == "rows"
        return self._look.page(
            "event_rows.html" if part else "events.html", **listing, event=None, page="events"
        )

    async def show_event(self, request: Request) -> Response:
        """Show an event beside the list; for its script only the event."""
        store = self._store or refuse(OFF, 404)
        cursor = read_index(request, "cursor")
        found = await store.find(EventQuery(after=cursor - 1, before=cursor + 1))
        if not found:
            refuse(f"There is no event {cursor}: it is not kept any more, or hasn't been.", 404)
        event = objects.explained(found[0])
        if request.query_params.get("part") == "event":
            return self._look.page("event.html", event=event)
        listing = await self._listing(request)
        return self._look.page("events.html", **listing, event=event, page="events")

    async def _listing(self, request: Request) -> dict[str, object]:
        given = _without_empty(request)
        query = read_query(given)
        found: list[KeptEvent] = []
        latest = 0 if self._store is None else self._store.latest  # first, as for the inbox
        if self._store is not None:
            found = list(await self._store.find(query, limit=SHOWN + 1))
        # Where several nodes have the inbox, what happened later may have come here sooner.
        shown = sorted(found[:SHOWN], key=lambda kept: kept.time, reverse=True)
        values = {name: given.query_params.get(name, "") for name in FILTERS}
        filters = {name: value for name, value in values.items() if value}
        return {
            "events": [objects.event(kept) for kept in shown],
            "next": found[SHOWN - 1].cursor if len(found) > SHOWN else None,
            "latest": latest,
            "off": OFF if self._store is None else "",
            "older": query.before is not None,
            "values": values,
            "filters": filters,
            "query": f"?{urlencode(filters)}" if filters else "",
            "exports": self._exports,
            "sources": (IMS, OURS),
            "nodes": self._node_names(values["node"]),
            "levels": SEVERITIES,
        }

    def _node_names(self, chosen: str) -> list[str]:
        """Give the nodes that can be chosen: none where there can be only one."""
        known = None if self._nodes is None else self._nodes.nodes()
        if known is None or not known.shared:
            return [chosen] if chosen else []
        return sorted({node.name for node in known.nodes} | ({chosen} if chosen else set()))


def _without_empty(request: Request) -> Request:
    """Give the request without empty values: a form sends a field that nothing was put in."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if value.strip()]
    return Request({**request.scope, "query_string": urlencode(pairs).encode()})
