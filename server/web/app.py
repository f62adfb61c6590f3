"""The web app: the route families behind the guard, the login, and the choice of a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Router
from starlette.types import ASGIApp

from bindpost.config.model import WebLimits

from ..activity import Activity
from ..faults import Faults
from ..faults.presets import Preset, load_presets
from ..linkcheck.checker import LinkChecker
from ..mailboxes import Mailboxes
from ..store.events import EventStore
from ..store.index_state import TellsIndex
from ..store.store import SharedStore
from .access import Access
from .authentication import Authentication
from .checking import Checks
from .compression import Compression
from .display import Display
from .event_log import Export
from .families import Compatibility as Compatibility
from .families import Families
from .frame import Signature
from .guard import Guard
from .listening import Listens
from .look import Look
from .nodes import TellsNodes
from .origins import Origins
from .refusals import Refusals
from .releasing import Releases
from .run_rule import NOBODY, RunRule
from .scenario_desk import RunsScenarios, ScenarioDesk
from .selecting import Selecting
from .webhooks import TellsWebhooks

DEFAULTS: Final = Compatibility()
_LIMITS: Final = WebLimits()


def create_app(
    store: SharedStore,
    *,
    ready: Callable[[], bool],
    version: str,
    hosts: Collection[str] = (),
    access: Access | None = None,
    mailboxes: Mailboxes | None = None,
    relay: Releases | None = None,
    faults: Faults | None = None,
    presets: Mapping[str, Preset] | None = None,
    listeners: Listens | None = None,
    node: str | None = None,
    nodes: TellsNodes | None = None,
    scenarios: RunsScenarios | None = None,
    run_rule: RunRule = NOBODY,
    webhooks: TellsWebhooks | None = None,
    links: LinkChecker | None = None,
    index: TellsIndex | None = None,
    activity: Activity | None = None,
    compatibility: Compatibility = DEFAULTS,
    events: EventStore | None = None,
    event_counts: Mapping[int, int] = MappingProxyType({}),
    origins: Origins | None = None,
    metrics: bool = True,
    exports: Mapping[str, Export] = MappingProxyType({}),
    body_limit: int = _LIMITS.body_size,
) -> Starlette:
    """
    Make the web app over a store.

    `ready` answers `/readyz`. `hosts` are the names and addresses, beside those of loopback, that
    requests may be addressed to (see `guard.is_allowed`): the host that the server is bound to.
    `access` knows who may ask; without it everybody may. `mailboxes` are those of the settings.
    `relay` takes released messages; without one they are refused. `listeners` knows where mail is
    taken, `nodes` who has the inbox; `node` is this one's name, for the messages that it takes.
    `faults` are those of SMTP, and `presets` what can be added to them, bindpost's own unless
    given. `scenarios` knows those of the lab, and `run_rule` who may run them. `webhooks` knows
    what is told to URLs, `activity` what SMTP did. `links` asks for the links of a message; without
    it that is refused. `index` knows how far the search index is. `compatibility` is for Mailpit's
    API. `events` keeps the events, and `exports` are the forms in which they are handed out;
    `event_counts` has those of this run by number, for `/metrics`, which `metrics` switches.
    `origins` are those of web pages elsewhere that may use the APIs. `app.state.body_limit` is the
    most octets of a body that is no message, `app.state.stopping` an event that ends waiting
    requests when the server goes down.
    """
    display = Display(store)
    look = Look(version=version)
    refusals = Refusals(look)
    families = Families(
        store=store,
        mailboxes=mailboxes or Mailboxes(),
        display=display,
        checks=Checks(display, links),
        signature=Signature(),
        look=look,
        version=version,
        ready=ready,
        stopping=asyncio.Event(),
        activity=activity or Activity(),
        compatibility=compatibility,
        relay=relay,
        listeners=listeners,
        node=node,
        nodes=nodes,
        scenarios=ScenarioDesk(scenarios, run_rule),
        webhooks=webhooks,
        faults=faults or Faults(),
        presets=load_presets() if presets is None else presets,
        index=index,
        events=events,
        event_counts=event_counts,
        metrics=metrics,
        exports=exports,
    )

    def make(mailbox: str, is_own: bool) -> ASGIApp:
        routes = families.only(mailbox) if is_own else families.within(mailbox)
        router = Router(routes, redirect_slashes=False)
        refusals = Refusals(look, is_own=is_own)
        return ExceptionMiddleware(router, {HTTPException: refusals.refuse})

    app = Starlette(
        routes=families.whole(),
        middleware=[
            Middleware(Guard, hosts=hosts, origins=origins or Origins(), refusals=refusals),
            Middleware(Compression),
            Middleware(Authentication, access=access or Access()),
            Middleware(Selecting, make=make, is_known=families.is_known),
        ],
        exception_handlers={HTTPException: refusals.refuse},
    )
    app.router.redirect_slashes = False  # Mailpit has no paths that end in one
    app.state.stopping = families.stopping
    app.state.body_limit = body_limit
    return app
