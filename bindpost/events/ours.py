"""
The order of the events that the Internet Mail Service never had, source bindpost, from 100.

Each stands in the module of what it is about: service, binding, clients, store, relay, logs.
A number is never given to another event. What a peer sent goes into fields, not into a sentence.
"""

from __future__ import annotations

from typing import Final

from .binding import (
    CLIENT_FILE_ODD,
    LISTENER_BOUND,
    PATH_LOST,
    PATH_RECOVERED,
    REBIND_ATTEMPT,
    SINGLE_SESSION,
    WEB_BOUND,
    WEB_FAILED,
)
from .clients import (
    CLIENT_DROPPED,
    INTERNAL_ERROR,
    PROXY_HEADER_UNEXPECTED,
    REQUEST_FAILED,
    SESSION_REFUSED,
    TLS_FAILED,
)
from .logs import EVENTS_FOLDED, PROTOCOL_LOG_FAILED, SINK_FAILED, SINK_RECOVERED
from .model import EventType
from .relay import RELAY_DELAYED, RELAY_ERROR, RELAY_FAILED, RELAY_LOOP, RELAY_ON, RELAY_SENT
from .service import (
    CUT,
    DRAINING,
    READY,
    RELOAD_FAILED,
    RELOADED,
    ROOT_GIVEN_UP,
    SERVICE_START_FAILED,
)
from .store import RETENTION_SWEPT, STORE_BACK, STORE_FAILED

EVENTS: Final[tuple[EventType, ...]] = (
    READY,
    LISTENER_BOUND,
    SESSION_REFUSED,
    PATH_LOST,
    PATH_RECOVERED,
    REBIND_ATTEMPT,
    STORE_FAILED,
    WEB_BOUND,
    DRAINING,
    CUT,
    CLIENT_DROPPED,
    TLS_FAILED,
    RETENTION_SWEPT,
    SERVICE_START_FAILED,
    INTERNAL_ERROR,
    PROTOCOL_LOG_FAILED,
    WEB_FAILED,
    REQUEST_FAILED,
    RELOADED,
    RELOAD_FAILED,
    PROXY_HEADER_UNEXPECTED,
    SINGLE_SESSION,
    RELAY_ON,
    RELAY_SENT,
    RELAY_DELAYED,
    RELAY_FAILED,
    RELAY_LOOP,
    RELAY_ERROR,
    CLIENT_FILE_ODD,
    SINK_FAILED,
    SINK_RECOVERED,
    EVENTS_FOLDED,
    ROOT_GIVEN_UP,
    STORE_BACK,
)
