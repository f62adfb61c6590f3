"""The route families, put together: those about mail over a store, and those about the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from ..activity import Activity
from ..faults import Faults
from ..faults.presets import Preset
from ..mailboxes import Mailboxes
from ..store.events import EventStore
from ..store.index_state import TellsIndex
from ..store.mailbox import MailboxView
from ..store.store import Counts, MessageStore, SharedStore
from . import health, openapi
from .checking import Checking, Checks
from .display import Display
from .event_log import EventLog, Export
from .events_page import EventsPage
from .faults import FaultRoutes
from .faults_page import FaultsPage
from .frame import Frames, Signature
from .importing import Importing
from .listening import Listening, Listens
from .look import Look
from .mailboxes import MailboxRoutes
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
from .moving import Moving
from .native import Native
from .nodes import NodeRoutes, TellsNodes
from .pages import Pages, Place
from .path_page import PathPage
from .releasing import Releases, Releasing
from .requests import refuse
from .scenario_desk import ScenarioDesk
from .scenario_page import ScenarioPage
from .scenarios import ScenarioRoutes
from .search_index import SearchIndexRoute
from .stream import Stream
from .strict import strict
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """What the routes stand upon, see `app.create_app`; all mailboxes share it, seen or unseen."""

    store: SharedStore
    mailboxes: Mailboxes
    display: Display
    checks: Checks
    signature: Signature
    look: Look
    version: str
    ready: Callable[[], bool]
    stopping: asyncio.Event
    activity: Activity
    compatibility: Compatibility
    relay: Releases | None
    listeners: Listens | None
    node: str | None
    nodes: TellsNodes | None
    scenarios: ScenarioDesk
    webhooks: TellsWebhooks | None
    faults: Faults
    presets: Mapping[str, Preset]
    index: TellsIndex | None
    events: EventStore | None
    event_counts: Mapping[int, int]
    metrics: bool
    exports: Mapping[str, Export]

    def whole(self) -> list[BaseRoute]:
        """Give all routes, over the whole inbox."""
        return strict([*self._mail(self.store, Place(), self.activity), *self._server(self.store)])

    def within(self, mailbox: str) -> list[BaseRoute]:
        """Give all routes over one mailbox, for who may see everything."""
        view = MailboxView(self.store, mailbox)
        place = Place(mailbox=mailbox)
        return strict([*self._mail(view, place, self.activity.apart()), *self._server(view)])

    def only(self, mailbox: str) -> list[BaseRoute]:
        """Give the routes over one mailbox for its own users; what is about the server says 403."""
        view = MailboxView(self.store, mailbox)
        place = Place(mailbox=mailbox, is_own=True)
        return [
            *(_refused(route) for route in self._server(view)),
            *strict(self._mail(view, place, self.activity.apart())),
        ]

    async def is_known(self, mailbox: str) -> bool:
        """Say whether there is a mailbox, or will be."""
        return self.mailboxes.may_make(mailbox) or mailbox in await self.store.mailboxes()

    async def counts(self, place: Place) -> Mapping[str, Counts]:
        """Give the mailboxes that somebody may see: the one that is theirs, or all."""
        if place.is_own and place.mailbox is not None:
            return {place.mailbox: await MailboxView(self.store, place.mailbox).count()}
        empty = dict.fromkeys(self.mailboxes.names, Counts(total=0, unread=0, size=0))
        found = empty | dict(await self.store.mailboxes())
        return dict(sorted(found.items()))

    def _mail(self, store: MessageStore, place: Place, activity: Activity) -> list[BaseRoute]:
        """Give the routes about messages; they know nothing but the store that they are given."""
        told = self.compatibility
        directory = _Directory(self, place)
        relay = None if place.is_own else self.relay
        return [
            *health.routes(self.ready),
            *openapi.routes(self.version),
            *Mailpit(store, self.display, delete_without_body=told.delete_without_body).routes(),
            *MailpitMessage(store, self.display).routes(),
            *Checking(store, self.display, self.checks).routes(),
            *MailpitTags(store).routes(),
            *MailpitSend(store, self.activity, limit=told.message_size, node=self.node).routes(),
            *self._info(store, activity, relay, "" if place.is_own else told.database).routes(),
            *MailpitEvents(
                store, self.display, activity, version=self.version, stopping=self.stopping
            ).routes(),
            *self._mailhog(store).routes(),
            *Native(store, self.display, stopping=self.stopping).routes(),
            *MailboxRoutes(directory).routes(),
            *Marking(store).routes(),
            *Stream(store, stopping=self.stopping).routes(),
            *Frames(store, self.display, self.signature).routes(),
            *Pages(
                store,
                self.display,
                self.look,
                self.signature,
                self.checks,
                listeners=self._path_page().listeners,
                index=None if place.is_own else self.index,
                place=place,
                directory=directory,
            ).routes(),
        ]

    def _server(self, store: MessageStore) -> list[BaseRoute]:
        """Give the routes about the server, and those that let mail out or in by hand."""
        whole = self.store if store is self.store else None
        return [
            *(self._figures(store).routes() if self.metrics else ()),
            *Releasing(store, self.relay).routes(),
            *self._mailhog(store).release_routes(),
            *Importing(store, size_limit=self.compatibility.message_size, node=self.node).routes(),
            *Moving(whole, size_limit=self.compatibility.message_size).routes(),
            *Listening(self.listeners).routes(),
            *NodeRoutes(self.nodes).routes(),
            *ScenarioRoutes(self.scenarios, stopping=self.stopping).routes(),
            *MailpitChaos(self.faults, enabled=self.compatibility.chaos).routes(),
            *MailHogJim(self.faults).routes(),
            *FaultRoutes(self.faults, self.presets).routes(),
            *FaultsPage(self.look, self.faults, self.presets).routes(),
            *WebhookRoutes(self.webhooks).routes(),
            *SearchIndexRoute(self.index).routes(),
            *EventLog(self.events, self.exports, stopping=self.stopping).routes(),
            *EventsPage(self.events, self.look, self.nodes, exports=self.exports).routes(),
            *self._path_page().routes(),
            *ScenarioPage(self.look, self.scenarios).routes(),
        ]

    def _info(
        self, store: MessageStore, activity: Activity, relay: Releases | None, database: str
    ) -> MailpitInfo:
        return MailpitInfo(
            store,
            activity,
            version=self.version,
            database=database,
            relay=relay,
            chaos=self.compatibility.chaos,
        )

    def _figures(self, store: MessageStore) -> Metrics:
        info = self._info(store, self.activity, self.relay, self.compatibility.database)
        return Metrics(info.figures, self.activity, self.listeners, self.nodes, self.event_counts)

    def _mailhog(self, store: MessageStore) -> MailHog:
        return MailHog(store, self.display, relay=self.relay, stopping=self.stopping)

    def _path_page(self) -> PathPage:
        return PathPage(self.look, self.listeners, self.nodes, self.scenarios)


@dataclass(frozen=True, slots=True)
class _Directory:
    """The mailboxes as they may be told in a place."""

    families: Families
    place: Place

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give them."""
        return await self.families.counts(self.place)


def _refused(route: BaseRoute) -> BaseRoute:
    """Give a route that says why what stands there is not for the users of a mailbox."""
    assert isinstance(route, Route)  # a WebSocket about the server would need a refusal of its own

    async def no(request: Request) -> NoReturn:
        refuse(
            f"{request.url.path} is about the whole server: your login is for one mailbox only.",
            403,
        )

    return Route(route.path, no, methods=sorted(route.methods or ()))
