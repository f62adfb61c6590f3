"""The web app: puts the route families together behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from bindpost.config.model import Limits

from ..store.events import EventStore
from ..store.store import MessageStore
from . import health
from .display import Display
from .event_log import EventLog, Export
from .guard import Guard
from .importing import Importing
from .listening import Listening, Listens
from .mailpit import Mailpit
from .native import Native
from .pages import Pages
from .releasing import Releases, Releasing
from .responses import error_response
from .webhooks import TellsWebhooks, WebhookRoutes


def create_app(
    store: MessageStore,
    *,
    ready: Callable[[], bool],
    version: str,
    hosts: Collection[str] = (),
    relay: Releases | None = None,
    listeners: Listens | None = None,
    message_size: int = Limits().message_size,
    webhooks: TellsWebhooks | None = None,
    events: EventStore | None = None,
    exports: Mapping[str, Export] = MappingProxyType({}),
) -> Starlette:
    """
    Make the web app over a store.

    `ready` answers `/readyz`. `hosts` are the names and addresses, beside those of loopback, that
    requests may be addressed to (see `guard.is_allowed`): the host that the server is bound to.
    `relay` takes released messages; without one they are refused. `listeners` knows where mail is
    taken. `message_size` is how many bytes an imported message may have. `webhooks` knows what is
    told to URLs. `events` keeps the events, and `exports` are the forms in which they are handed
    out.
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
            *Importing(store, size_limit=message_size).routes(),
            *Listening(listeners).routes(),
            *WebhookRoutes(webhooks).routes(),
            *EventLog(events, exports, stopping=stopping).routes(),
            *Pages(store, display, version=version).routes(),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: error_response},
    )
    app.router.redirect_slashes = False  # Mailpit has no paths that end in one
    app.state.stopping = stopping
    return app
