"""The app: builds store, web and listeners from the settings, and takes them down again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from bindpost import __version__, events
from bindpost.config.data import data_location
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Retention as RetentionSettings
from bindpost.config.model import Settings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.ready import write_ready_file

from .eventlog import FORMATS, keeping, scope
from .indexer.indexing import indexing
from .listeners import Listeners, Plan
from .message.model import new_id
from .overview import Overview
from .pop3.server import Pop3Server
from .relay import Relay, Route, relaying
from .smtp import personality
from .smtp.protocol_log import ProtocolLog
from .smtp.service import Resources
from .smtp.sessions import Sessions
from .smtp.tls import make_context
from .store import open_store
from .store.events import EventStore
from .store.index_state import TellsIndex
from .store.store import MessageStore, Retention
from .webhook import Hook, Webhooks, webhooking

if TYPE_CHECKING:
    from .web.server import WebServer

_LOG: Final = get_logger("bindpost")
SWEEP_INTERVAL: Final = 60.0
"""Seconds between two applications of the retention rules."""


class Bindpost:
    """
    A running bindpost: `async with Bindpost(settings, folder=...) as app`.

    Entering returns when every listener has been tried: bound, or failed under `on_bind_failure`
    retry or continue; with stop a failure raises `BindError` after the events 4007 and 4020.
    Leaving drains the sessions. `folder` is what relative file names are relative to. Two of them
    may live in one process; each keeps its own events, from the first to the last.
    """

    def __init__(self, settings: Settings, *, folder: Path) -> None:
        self.settings = settings
        self.ready = asyncio.Event()
        self.sessions = Sessions(settings.limits.sessions)
        self.store: MessageStore
        self.events: EventStore | None = None
        self.listeners: Listeners
        self.web: WebServer | None = None
        self.relay: Relay | None = None
        self.webhooks: Webhooks | None = None
        self.index: TellsIndex
        self._folder = folder
        self._scope = f"app-{new_id()}"
        self._plan = self._make_plan(settings, folder)
        self._route = Route.load(settings.relay, folder=folder)
        self.pop3 = Pop3Server.load(
            settings,
            folder=folder,
            tls_context=self._plan.resources.tls_context,
            hostname=self._plan.resources.hostname,
        )
        self._hooks = Hook.load_all(settings.webhook, folder=folder)
        self._last = contextlib.AsyncExitStack()
        """Holds what ends after everything else, so that the end itself is kept as an event."""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        with scope(self._scope):
            await self._start()
            if self.settings.on_bind_failure != "retry":
                await self.ready.wait()
        return self

    async def _start(self) -> None:
        async with contextlib.AsyncExitStack() as last, contextlib.AsyncExitStack() as stack:
            self.store = await open_store(self._data(), _retention(self.settings.retention))
            stack.push_async_callback(self.store.close)
            self.sessions.activity.begin((await self.store.count()).total)
            self.events = await last.enter_async_context(self._keeping_events())
            self.listeners = Listeners(
                self._plan,
                store=self.store,
                sessions=self.sessions,
                protocol_log=self._start_protocol_log(stack),
            )
            self.relay = await stack.enter_async_context(self._relaying())
            self.webhooks = await stack.enter_async_context(
                webhooking(self._hooks, self.store, data=self._data())
            )
            self.index = await stack.enter_async_context(indexing(self.store))
            await self._start_web(stack)
            if self.pop3 is not None:
                await self.pop3.start(self.store)
                stack.push_async_callback(self.pop3.stop, self.settings.limits.drain)
            stack.push_async_callback(self._stop_listening)
            await self.listeners.start()
            # Entered last, so that a failed start is raised as it is and not as a group.
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            self.listeners.tend(tasks)
            for chore in (self._sweep(), self._become_ready()):
                stack.callback(tasks.create_task(chore).cancel)
            stack.push_async_callback(self.listeners.close)
            self._stack, self._last = stack.pop_all(), last.pop_all()

    async def __aexit__(self, *_: object) -> None:
        async with self._last:
            with scope(self._scope):
                self.ready.clear()
                _LOG.info(events.DRAINING, sessions=len(self.sessions))
                await self._stack.aclose()
                _LOG.info(events.SERVICE_STOPPED)

    async def reload(self, settings: Settings, *, folder: Path) -> None:
        """
        Change to new settings: what is bound and hasn't changed stays, live sessions go on.

        Listeners, paths, rules, TLS and users are read anew; `data`, `web`, `web_access`, `log`,
        `retention`, `event_log`, `relay`, `pop3`, `webhook` and the protocol log stay as they are
        until a restart. Raises `ConfigError`, changing nothing.
        """
        with scope(self._scope):
            await self.listeners.reload(self._make_plan(settings, folder))
            _LOG.info(events.RELOADED, smtp=[str(address) for address in self.smtp])

    def _make_plan(self, settings: Settings, folder: Path) -> Plan:
        hostname = settings.hostname or socket.gethostname()
        resources = Resources.load(settings, hostname=hostname, folder=folder)
        plan = Plan(settings, resources, folder)
        plan.check()
        return plan

    @property
    def smtp(self) -> list[Endpoint]:
        """The addresses on which mail is taken."""
        return self.listeners.addresses

    def _data(self) -> str | Path:
        return data_location(self.settings, self._folder)

    def _keeping_events(self) -> contextlib.AbstractAsyncContextManager[EventStore | None]:
        return keeping(self._data(), keep=self.settings.event_log.keep, scope=self._scope)

    def _start_protocol_log(self, stack: contextlib.AsyncExitStack) -> ProtocolLog | None:
        settings = self.settings.protocol_log
        if not settings.directory:
            return None
        log = ProtocolLog(self._folder / settings.directory, settings.level)
        stack.push_async_callback(asyncio.to_thread, log.close)
        _LOG.info(events.PROTOCOL_LOG_ON, level=settings.level, directory=settings.directory)
        return log

    def _relaying(self) -> contextlib.AbstractAsyncContextManager[Relay | None]:
        return relaying(
            self._route,
            self.settings.relay,
            self.store,
            data=self._data(),
            hostname=self._plan.resources.hostname,
            listeners=lambda: self.smtp,
        )

    async def _start_web(self, stack: contextlib.AsyncExitStack) -> None:
        if self.settings.web == "off":
            return
        # Imported only here: who wants no web waits for none of it at start.
        from .web.access import Access
        from .web.app import Compatibility, create_app
        from .web.server import WebServer

        settings = self.settings.web_access
        access = Access.load(settings, folder=self._folder)
        endpoint = Endpoint.parse(self.settings.web)
        overview = Overview(self.listeners)
        stack.push_async_callback(overview.close)
        app = create_app(
            self.store,
            ready=self.ready.is_set,
            version=__version__,
            hosts=[endpoint.host, *settings.hosts],
            access=access,
            relay=self.relay,
            listeners=overview,
            webhooks=self.webhooks,
            index=self.index,
            activity=self.sessions.activity,
            compatibility=Compatibility(
                database=str(self._data()),
                message_size=self.settings.limits.message_size,
                delete_without_body=self.settings.mailpit.delete_without_body,
            ),
            events=self.events,
            exports=FORMATS,
        )
        tls = make_context(
            settings,
            hostname=self._plan.resources.hostname,
            folder=self._folder,
            table="web_access",
        )
        self.web = WebServer(app, endpoint, tls=tls)
        try:
            await self.web.start()
        except BindError as error:
            _LOG.error(events.WEB_FAILED, **error.fields())
            raise
        stack.push_async_callback(self.web.stop)
        _LOG.info(events.WEB_BOUND, url=self.web.url)
        if self.web.is_exposed:
            if access.is_open:
                _LOG.warning(events.WEB_OPEN, url=self.web.url)
            elif tls is None:
                _LOG.warning(events.WEB_UNENCRYPTED, url=self.web.url)

    async def _become_ready(self) -> None:
        """Say that the service is ready once every listener that will be is bound."""
        await self.listeners.wait_bound()
        build = self.settings.ims.build or personality.load(self.settings.personality).build
        _LOG.info(events.SERVICE_STARTED, build=build)
        web = self.web.url if self.web is not None else None
        smtp = [str(address) for address in self.smtp]
        if self.settings.ready_file:
            pop3 = [str(address) for address in self.pop3.addresses] if self.pop3 else []
            path = self._folder / self.settings.ready_file
            write_ready_file(path, smtp=smtp, web=web, pop3=pop3)
        self.ready.set()
        _LOG.info(events.READY, smtp=smtp, web=web)

    async def _stop_listening(self) -> None:
        await self.listeners.close()
        await self.sessions.drain(self.settings.limits.drain)

    async def _sweep(self) -> None:
        """Apply the retention rules from time to time: age comes without any new message."""
        while self.settings.retention != RetentionSettings():
            await asyncio.sleep(SWEEP_INTERVAL)
            if deleted := await self.store.sweep():
                _LOG.info(events.RETENTION_SWEPT, deleted=deleted)


def _retention(settings: RetentionSettings) -> Retention:
    """Give the store's rules: 0 in the settings is no limit."""
    return Retention(
        max_messages=settings.messages or None,
        max_age=settings.age or None,
        max_bytes=settings.size or None,
    )
