"""The web app: puts the route families together behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from ..activity import Activity
from ..faults import Faults
from ..faults.presets import Preset, load_presets
from ..store.events import EventStore
from ..store.store import MessageStore
from . import health, openapi
from .access import Access
from .authentication import Authentication
from .compression import Compression
from .display import Display
from .event_log import EventLog, Export
from .events_page import EventsPage
from .faults import FaultRoutes
from .faults_page import FaultsPage
from .frame import Frames
from .guard import Guard
from .importing import Importing
from .listening import Listening, Listens
from .look import Look
from .mailhog import MailHog
from .mailhog_jim import MailHogJim
from .mailpit import Mailpit
from .mailpit_chaos import MailpitChaos
from .mailpit_events import MailpitEvents
from .mailpit_info import MailpitInfo
from .mailpit_message import MailpitMessage
from .mailpit_send import MailpitSend
from .mailpit_tags import MailpitTags
from .marking import Marking
from .metrics import Metrics
from .native import Native
from .origins import Origins
from .pages import Pages
from .path_page import PathPage
from .releasing import Releases, Releasing
from .responses import error_response
from .run_rule import NOBODY, RunRule
from .scenario_desk import RunsScenarios, ScenarioDesk
from .scenario_page import ScenarioPage
from .scenarios import ScenarioRoutes
from .stream import Stream
from .webhooks import TellsWebhooks, WebhookRoutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """
    What Mailpit's API wants to know: where the store is, how many bytes a sent message may have.

    `delete_without_body` lets a DELETE without a readable body delete everything, as Mailpit does.
    An imported message may have as many bytes as a sent one. `chaos` lets Mailpit's chaos be set.
    """

    database: str = ""
    message_size: int = 64 * 1024 * 1024
    delete_without_body: bool = False
    chaos: bool = False


DEFAULTS: Final = Compatibility()


def create_app(
    store: MessageStore,
    *,
    ready: Callable[[], bool],
    version: str,
    hosts: Collection[str] = (),
    access: Access | None = None,
    relay: Releases | None = None,
    faults: Faults | None = None,
    presets: Mapping[str, Preset] | None = None,
    listeners: Listens | None = None,
    scenarios: RunsScenarios | None = None,
    run_rule: RunRule = NOBODY,
    webhooks: TellsWebhooks | None = None,
    activity: Activity | None = None,
    compatibility: Compatibility = DEFAULTS,
    events: EventStore | None = None,
    event_counts: Mapping[int, int] = MappingProxyType({}),
    origins: Collection[str] = (),
    metrics: bool = True,
    exports: Mapping[str, Export] = MappingProxyType({}),
) -> Starlette:
    """
    Make the web app over a store.

    `ready` answers `/readyz`. `hosts` are the names and addresses, beside those of loopback, that
    requests may be addressed to (see `guard.is_allowed`): the host that the server is bound to.
    `access` knows who may ask; without it everybody may.
    `relay` takes released messages; without one they are refused. `faults` are those of SMTP, and
    `presets` what can be added to them, bindpost's own unless given. `listeners` knows where mail
    is taken. `scenarios` knows those of the lab, and `run_rule` who may run them. `webhooks` knows
    what is told to URLs, `activity` what SMTP did. `compatibility` is for Mailpit's API. `events`
    keeps the events, and `exports` are the forms in which they are handed out; `event_counts` has
    those of this run by number, for `/metrics`, which `metrics` switches. `origins` are those of
    web pages elsewhere that may use the APIs.
    `app.state.stopping` is an event that ends waiting requests when the server goes down.
    """
    display = Display(store)
    frames = Frames(store, display)
    look = Look(version=version)
    scenario_desk = ScenarioDesk(scenarios, run_rule)
    path_page = PathPage(look, listeners, scenario_desk)
    stopping = asyncio.Event()
    activity = activity or Activity()
    info = MailpitInfo(
        store,
        activity,
        version=version,
        database=compatibility.database,
        relay=relay,
        chaos=compatibility.chaos,
    )
    faults = faults or Faults()
    presets = load_presets() if presets is None else presets
    figures = Metrics(info.figures, activity, listeners, event_counts)
    app = Starlette(
        routes=[
            *health.routes(ready),
            *(figures.routes() if metrics else ()),
            *Mailpit(
                store, display, delete_without_body=compatibility.delete_without_body
            ).routes(),
            *MailpitMessage(store, display).routes(),
            *MailpitTags(store).routes(),
            *MailpitSend(store, activity, limit=compatibility.message_size).routes(),
            *info.routes(),
            *MailpitChaos(faults, enabled=compatibility.chaos).routes(),
            *MailHogJim(faults).routes(),
            *FaultRoutes(faults, presets).routes(),
            *FaultsPage(look, faults, presets).routes(),
            *MailpitEvents(store, display, activity, version=version, stopping=stopping).routes(),
            *MailHog(store, display, relay=relay, stopping=stopping).routes(),
            *Native(store, display, stopping=stopping).routes(),
            *Releasing(store, relay).routes(),
            *Importing(store, size_limit=compatibility.message_size).routes(),
            *Listening(listeners).routes(),
            *ScenarioRoutes(scenario_desk, stopping=stopping).routes(),
            *WebhookRoutes(webhooks).routes(),
            *openapi.routes(version),
            *EventLog(events, exports, stopping=stopping).routes(),
            *Marking(store).routes(),
            *Stream(store, stopping=stopping).routes(),
            *frames.routes(),
            *EventsPage(events, look, exports=exports).routes(),
            *path_page.routes(),
            *ScenarioPage(look, scenario_desk).routes(),
            *Pages(store, display, look, frames, listeners=path_page.listeners).routes(),
        ],
        middleware=[
            Middleware(Guard, hosts=hosts, origins=Origins(origins)),
            Middleware(Compression),
            Middleware(Authentication, access=access or Access()),
        ],
        exception_handlers={HTTPException: error_response},
    )
    app.router.redirect_slashes = False  # Mailpit has no paths that end in one
    app.state.stopping = stopping
    return app
