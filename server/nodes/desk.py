"""What the web side tells of the nodes: this one as it is, the others as they were heard of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, final

import msgspec

from ..message.model import utc_now
from ..store.codec import decode
from ..web.listener_objects import Listener
from ..web.node_objects import Node, Nodes
from .here import Here

if TYPE_CHECKING:
    from .neighbours import Neighbour, Neighbours


@final
class NodesDesk:
    """
    This node, whose listeners `listeners` gives, and its neighbours if it may have any.

    Implements `bindpost.server.web.nodes.TellsNodes`.
    """

    def __init__(
        self,
        here: Here,
        listeners: Callable[[], list[Listener]],
        neighbours: Neighbours | None,
    ) -> None:
        self._here = here
        self._listeners = listeners
        self._neighbours = neighbours

    def nodes(self) -> Nodes:
        """Give every node as it is known now."""
        neighbours = self._neighbours
        found = [] if neighbours is None else _present(neighbours.known.values(), self._here.name)
        return Nodes(
            shared=neighbours is not None,
            trouble="" if neighbours is None else neighbours.trouble,
            nodes=sorted([self._own(), *map(_describe, found)], key=lambda node: node.name),
        )

    def _own(self) -> Node:
        return Node(
            name=self._here.name,
            here=True,
            run=self._here.run,
            version=self._here.version,
            state="alive",
            started=self._here.started,
            heard=utc_now(),
            listeners=self._listeners(),
        )


def _present(known: Collection[Neighbour], own: str) -> list[Neighbour]:
    """Leave out stopped nodes whose name another one has now, after a start with new data."""
    latest = {one.row.name: one for one in sorted(known, key=lambda one: -one.row.age)}
    return [
        one
        for one in known
        if not one.row.stopped or (latest[one.row.name] is one and one.row.name != own)
    ]


def _describe(one: Neighbour) -> Node:
    return Node(
        name=one.row.name,
        here=False,
        run=one.row.run,
        version=one.row.version,
        state="stopped" if one.row.stopped else "gone" if one.row.gone else "alive",
        started=one.started,
        heard=one.heard,
        listeners=_read(one.listeners),
    )


def _read(listeners: str) -> list[Listener]:
    """Read a node's listeners; those of another version may not be readable here."""
    try:
        return decode(listeners, list[Listener])
    except msgspec.ValidationError:
        return []
