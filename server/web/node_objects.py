"""The JSON objects of the nodes: who has this inbox, in which state, with which listeners."""

from __future__ import annotations

from typing import Literal

import msgspec

from .listener_objects import Listener
from .responses import Moment

NodeState = Literal["alive", "stopped", "gone"]
NODE_STATES: tuple[NodeState, ...] = ("alive", "stopped", "gone")


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """
    A node; docs/api.md tells each key.

    `here` is true for the one that answers. `listeners` are as they were when it was `heard` last.
    """

    name: str
    here: bool
    run: str
    version: str
    state: NodeState
    started: Moment
    heard: Moment
    listeners: list[Listener]


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """
    All nodes, by name; `shared` says whether others could have the inbox at all.

    `trouble` says why they can't be heard of now, empty while they can.
    """

    shared: bool
    trouble: str
    nodes: list[Node]
