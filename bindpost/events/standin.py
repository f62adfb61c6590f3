"""
The events of the stand-in proxies (`bindpost lab proxy`), source bindpost, numbered from 160.

Addresses are `host:port`; `client` is the program that binds through the proxy.
"""

from __future__ import annotations

from typing import Final

from .model import OURS, Category, EventType, Level

STANDIN_READY: Final = EventType(
    id=160,
    source=OURS,
    symbol="MSG_STANDIN_READY",
    level=Level.INFORMATION,
    category=Category.INITIALIZATION,
    template="The stand-in proxy is ready: clients at %2, the outside at %3 (%1).",
    parameters=("kind", "internal", "external"),
    details=("misbehaving",),
    action="standin-ready",
    explanation=(
        "`bindpost lab proxy` is bound. `misbehaving` lists what is wrong on purpose, left out "
        "when nothing is."
    ),
    remedy="Nothing to do.",
    ecs=("process", "start"),
)
STANDIN_SESSION: Final = EventType(
    id=161,
    source=OURS,
    symbol="MSG_STANDIN_SESSION",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="A client has begun a session with the stand-in proxy.",
    details=("client", "user", "program", "computer"),
    action="standin-session",
    explanation=(
        "A client connected to the SOCKS stand-in, or completed the hello exchange with the "
        "Winsock Proxy's, and then told the other details."
    ),
    remedy="Nothing to do.",
    ecs=("network", "start"),
)
STANDIN_BOUND: Final = EventType(
    id=162,
    source=OURS,
    symbol="MSG_STANDIN_BOUND",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="The stand-in proxy has bound %1 for a client.",
    parameters=("address",),
    details=("client",),
    action="standin-bound",
    explanation="Peers that connect to this address reach the client.",
    remedy="Nothing to do.",
    ecs=("network", "allowed"),
)
STANDIN_REFUSED: Final = EventType(
    id=163,
    source=OURS,
    symbol="MSG_STANDIN_REFUSED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="The stand-in proxy has refused a client: %1.",
    parameters=("reason",),
    details=("client",),
    action="standin-refused",
    explanation="The client was told no: it may not, or what it wants is taken.",
    remedy="See the stand-in's options, and what else holds the port.",
    ecs=("network", "denied"),
)
STANDIN_ANNOUNCED: Final = EventType(
    id=164,
    source=OURS,
    symbol="MSG_STANDIN_ANNOUNCED",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="The stand-in proxy has told a client of a peer.",
    details=("client", "peer"),
    action="standin-announced",
    explanation=(
        "Somebody connected to a port that is bound for a client. A Winsock Proxy client is told "
        "again until it acknowledges."
    ),
    remedy="Nothing to do.",
    ecs=("network", "connection"),
)
STANDIN_DROPPED: Final = EventType(
    id=165,
    source=OURS,
    symbol="MSG_STANDIN_DROPPED",
    level=Level.WARNING,
    category=Category.SMTP_INTERFACE,
    template="The stand-in proxy has dropped a datagram: %1.",
    parameters=("reason",),
    details=("client", "bytes"),
    action="standin-dropped",
    explanation="The datagram is no message of a Winsock Proxy client that is known here.",
    remedy="See what sends it; a client whose session has ended must greet again.",
    ecs=("network", "denied"),
)
STANDIN_ENDED: Final = EventType(
    id=166,
    source=OURS,
    symbol="MSG_STANDIN_ENDED",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="A client's session with the stand-in proxy is over.",
    details=("client",),
    action="standin-ended",
    explanation="The client took its leave, or the connection ended.",
    remedy="Nothing to do.",
    ecs=("network", "end"),
)
STANDIN_CONNECTED: Final = EventType(
    id=167,
    source=OURS,
    symbol="MSG_STANDIN_CONNECTED",
    level=Level.INFORMATION,
    category=Category.SMTP_INTERFACE,
    template="The stand-in proxy has connected a client to a server.",
    details=("client", "address"),
    action="standin-connected",
    explanation="The client asked for it by CONNECT, as a relay through a proxy does.",
    remedy="Nothing to do.",
    ecs=("network", "connection"),
)

EVENTS: Final[tuple[EventType, ...]] = (
    STANDIN_READY,
    STANDIN_SESSION,
    STANDIN_BOUND,
    STANDIN_REFUSED,
    STANDIN_ANNOUNCED,
    STANDIN_DROPPED,
    STANDIN_ENDED,
    STANDIN_CONNECTED,
)
