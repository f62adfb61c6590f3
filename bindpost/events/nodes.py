"""The events of several nodes with one inbox: one is gone, one is back, two have one name."""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

NODE_GONE: Final = EventType(
    id=210,
    source=OURS,
    symbol="MSG_NODE_GONE",
    level=Level.WARNING,
    category=Category.INTERNAL,
    template="The node %1 is gone: nothing was heard of it for %2 seconds.",
    parameters=("node", "seconds"),
    action="node-gone",
    explanation=(
        "A node that has this inbox, too, ended without saying so, stands still, or can't reach "
        "the database. One of the others logs it, and all of them show it."
    ),
    remedy="See whether it runs, and whether its machine does. Its mail is in the inbox.",
    ecs=("process", "end"),
)
NODE_BACK: Final = EventType(
    id=211,
    source=OURS,
    symbol="MSG_NODE_BACK",
    level=Level.INFORMATION,
    category=Category.INTERNAL,
    template="The node %1 is back, after %2 seconds.",
    parameters=("node", "seconds"),
    action="node-back",
    explanation="The node itself logs it when it finds out that the others took it for gone.",
    remedy="Nothing to do.",
    ecs=("process", "start"),
)
NODE_DOUBLED: Final = EventType(
    id=212,
    source=OURS,
    symbol="MSG_NODE_DOUBLED",
    level=Level.ERROR,
    category=Category.INTERNAL,
    template="Another node of this inbox is called %1, too.",
    parameters=("node",),
    action="node-doubled",
    explanation=(
        "A node whose name is taken is refused at its start. This one was out of reach when "
        "another took its name. Both go on, but their events can't be told apart."
    ),
    remedy="Give each node a name of its own, by the setting node or --node, and start it again.",
    ecs=("configuration", "info"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    NODE_GONE,
    NODE_BACK,
    NODE_DOUBLED,
)
