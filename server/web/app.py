"""The web app: puts the route families together behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from ..store.events import EventStore
from ..store.store import MessageStore
from . import health, openapi
from .access import Access
from .authentication import Authentication
from .display import Display
from .event_log import EventLog, Export
from .guard import Guard
from .listening import Listening, Listens
from .mailpit import Mailpit
from .native import Native
from .pages import Pages
from .releasing import Releases, Releasing
from .responses import error_response


def create_app(
    store: MessageStore,
    *,
    ready: Callable[[], bool],
    version: str,
    hosts: Collection[str] = (),
    access: Access | None = None,
    relay: Releases | None = None,
    listeners: Listens | None = None,
    events: EventStore | None = None,
    exports: Mapping[str, Export] = MappingProxyType({}),
) -> Starlette:
    """
    Make the web app over a store.

    `ready` answers `/readyz`. `hosts` are the names and addresses, beside those of loopback, that
    requests may be addressed to (see `guard.is_allowed`): the host that the server is bound to.
    `access` knows who may ask; without it everybody may.
    `relay` takes released messages; without one they are refused. `listeners` knows where mail is
    taken. `events` keeps the events, and `exports` are the forms in which they are handed out.
    `app.state.stopping` is an event that ends waiting requests when the server goes down.
    """
    display = Display(store)
    stopping = asyncio.Event()
    app = Starlette(
        routes=[
            *health.routes(ready),
            *Mailpit(store, display).routes(),
            *Native(store, display, stopping=stopping).routes(),
            *Releasing(store, relay).routes(),
            *Listening(listeners).routes(),
            *openapi.routes(version),
            *EventLog(events, exports, stopping=stopping).routes(),
            *Pages(store, display, version=version).routes(),
        ],
        middleware=[
            Middleware(Guard, hosts=hosts),
            Middleware(Authentication, access=access or Access()),
        ],
        exception_handlers={HTTPException: error_response},
    )
    app.router.redirect_slashes = False  # Mailpit has no paths that end in one
    app.state.stopping = stopping
    return app
