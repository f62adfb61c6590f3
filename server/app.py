"""The app: builds store, web and listeners from the settings, and takes them down again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from bindpost import __version__, events
from bindpost.config.data import data_location
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Retention as RetentionSettings
from bindpost.config.model import Settings
from bindpost.config.names import hostname_of, node_of
from bindpost.config.redact import redact
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.ready import write_ready_file

from .descriptors import room_for_sessions
from .eventlog import FORMATS, keeping, scope
from .faults import Faults
from .faults.bounces import Bounces
from .faults.presets import load_presets
from .indexer.indexing import indexing
from .linkcheck.rules import Rules
from .listeners import Listeners, Plan
from .mailboxes import Mailboxes
from .message.model import new_id
from .nodes.here import Here
from .optional import OptionalParts
from .smtp.protocol_log import ProtocolLog
from .smtp.service import Resources
from .smtp.sessions import Sessions
from .smtp.tls import make_context
from .store import open_events, open_store
from .store.codec import encode
from .store.events import EventStore
from .store.index_state import TellsIndex
from .store.lock import take_folder
from .store.store import Retention, SharedStore
from .web.access import Access
from .web.origins import Origins
from .web.server import WebServer

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from bindpost.config.scenario_file import ScenarioFile

    from .lab.archive import Archive
    from .nodes.neighbours import Neighbours
    from .pop3.server import Pop3Server
    from .relay import Relay
    from .webhook import Webhooks

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
        self.sessions = Sessions.within(settings.limits, room=room_for_sessions())
        self.faults = Faults(settings.fault)
        self.store: SharedStore
        self.events: EventStore | None = None
        self._event_counts: Counter[int] = Counter()
        self.listeners: Listeners
        self.web: WebServer | None = None
        self.relay: Relay | None = None
        self.webhooks: Webhooks | None = None
        self.index: TellsIndex
        self.here: Here
        self.neighbours: Neighbours | None = None
        self._folder = folder
        self._scope = f"app-{new_id()}"
        self._node = node_of(settings) if settings.store else None
        """Whose the messages are that come here; nobody's where no other node has the inbox."""
        self.mailboxes = Mailboxes.load(settings.mailbox, folder=folder)
        self._plan = self._make_plan(settings, folder)
        self._optional = OptionalParts(
            settings, folder=folder, resources=self._plan.resources, keys=self.mailboxes.keys
        )
        self._access = Access()
        self._origins = Origins()
        self._link_rules = Rules.load(settings.link_check, folder=folder)
        presets = settings.fault_presets
        self.presets = load_presets(folder / presets if presets else None)
        self._scenarios = _own_scenarios(settings, folder)
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
            self.store = await self._open_store(stack)
            self.sessions.activity.begin((await self.store.count()).total)
            await self._keep_events(last)
            bounces = Bounces(self.store, hostname=self._plan.resources.hostname)
            stack.push_async_callback(bounces.close)
            self.listeners = Listeners(
                self._plan,
                store=self.store,
                sessions=self.sessions,
                faults=self.faults,
                bounces=bounces,
                protocol_log=self._start_protocol_log(stack),
                changed=self._tell_nodes,
            )
            self.relay = await self._optional.start_relay(
                stack, self.store, data=self._data(), listeners=lambda: self.smtp
            )
            if (relay := self.relay) is not None:
                bounces.send = lambda row: relay.release(row, None)
            self.webhooks = await self._optional.start_webhooks(
                stack, self.store, data=self._data()
            )
            self.index = await stack.enter_async_context(indexing(self.store))
            web_parts = await stack.enter_async_context(contextlib.AsyncExitStack())
            await self._bind_web(stack)
            await self._optional.start_pop3(stack, self.store)
            stack.push_async_callback(self._stop_listening)
            async with _meanwhile(self._show(web_parts)):
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

        Listeners, paths, rules, faults, TLS and users are read anew; `data`, `store`, `durability`,
        `node`, `node_heartbeat`, `web`, `web_access`, `web_limits`, `log`, `retention`,
        `event_log`, `relay`, `pop3`, `mailbox`, `webhook`, `link_check`, `lab`, `fault_presets`,
        the protocol log and what bounds all sessions together stay as they are until a restart.
        Raises `ConfigError`, and then changes nothing.
        """
        with scope(self._scope):
            plan = self._make_plan(settings, folder)
            self.faults.configure(settings.fault)
            await self.listeners.reload(plan)
            _LOG.info(events.RELOADED, smtp=[str(address) for address in self.smtp])

    def _make_plan(self, settings: Settings, folder: Path) -> Plan:
        resources = Resources.load(
            settings,
            hostname=hostname_of(settings),
            folder=folder,
            keys=self.mailboxes.keys,
            node=self._node,
        )
        plan = Plan(settings, resources, folder)
        plan.check()
        return plan

    @property
    def smtp(self) -> list[Endpoint]:
        """The addresses on which mail is taken."""
        return self.listeners.addresses

    def _data(self) -> str | Path:
        return data_location(self.settings, self._folder)

    async def _open_store(self, stack: contextlib.AsyncExitStack) -> SharedStore:
        """Open the store; the stack closes it. With one elsewhere the data folder is locked too."""
        elsewhere, data = self.settings.store, self._data()
        if elsewhere and isinstance(data, Path):
            stack.callback((await asyncio.to_thread(take_folder, data)).release)
        store = await open_store(
            elsewhere or data,
            _retention(self.settings.retention),
            sort=self.mailboxes.of,
            node=self._node,
            durability=self.settings.durability,
        )
        stack.push_async_callback(store.close)
        return store

    async def _keep_events(self, last: contextlib.AsyncExitStack) -> None:
        """Keep the events from now on, and share them with the other nodes, to the very last."""
        node, keep = node_of(self.settings), self.settings.event_log.keep
        if keep:
            self.events = await open_events(self._data(), keep=keep)
            last.push_async_callback(self.events.close)
        self.here = Here(
            name=node,
            version=__version__,
            heartbeat=self.settings.node_heartbeat,
            log=new_id() if self.events is None else self.events.id,
        )
        self.neighbours = await self._optional.join_nodes(last, self.here, self.events)
        if self.events is not None:
            await last.enter_async_context(
                keeping(self.events, node=node, scope=self._scope, counts=self._event_counts)
            )

    def _describing(self) -> Callable[[], str]:
        """Give what describes the listeners to other nodes; imports for long, so in a thread."""
        from .overview import describe

        return lambda: encode(describe(self.listeners.posts))

    def _tell_nodes(self) -> None:
        if self.neighbours is not None:
            self.neighbours.changed()

    def _start_protocol_log(self, stack: contextlib.AsyncExitStack) -> ProtocolLog | None:
        settings = self.settings.protocol_log
        if not settings.directory:
            return None
        log = ProtocolLog(self._folder / settings.directory, settings.level)
        stack.push_async_callback(asyncio.to_thread, log.close)
        _LOG.info(events.PROTOCOL_LOG_ON, level=settings.level, directory=settings.directory)
        return log

    async def _bind_web(self, stack: contextlib.AsyncExitStack) -> None:
        """Claim the web side's port; what is wrong with it stops a start before mail is taken."""
        if self.settings.web == "off":
            return
        settings = self.settings.web_access
        self._access = Access.load(settings, folder=self._folder, keys=self.mailboxes.keys)
        self._origins = Origins(settings.cors_origins)
        tls = make_context(
            settings,
            hostname=self._plan.resources.hostname,
            folder=self._folder,
            table="web_access",
        )
        self.web = WebServer(
            Endpoint.parse(self.settings.web),
            tls=tls,
            limits=self.settings.web_limits,
            handshake_timeout=self.settings.limits.handshake_timeout,
        )
        try:
            await self.web.bind()
        except BindError as error:
            _LOG.error(events.WEB_FAILED, **error.fields())
            raise
        stack.push_async_callback(self.web.stop)
        _LOG.info(events.WEB_BOUND, url=self.web.url)
        if self.web.is_exposed:
            if self._access.is_open:
                _LOG.warning(events.WEB_OPEN, url=self.web.url)
            elif tls is None:
                _LOG.warning(events.WEB_UNENCRYPTED, url=self.web.url)

    async def _show(self, parts: contextlib.AsyncExitStack) -> None:
        """Serve the web side, and let other nodes see the listeners."""
        await self._serve_web(parts)
        if self.neighbours is not None:
            self.neighbours.describe_by(await asyncio.to_thread(self._describing))

    async def _serve_web(self, parts: contextlib.AsyncExitStack) -> None:
        """Serve the web side; `parts` ends what it stands on."""
        if self.web is not None:
            await self.web.serve(await asyncio.to_thread(self._make_web_app, parts))

    def _make_web_app(self, parts: contextlib.AsyncExitStack) -> Starlette:
        """Import the web side, which takes as long as all the rest, and make its app."""
        from .laboratory import Laboratory
        from .linkcheck.checker import LinkChecker
        from .nodes.desk import NodesDesk
        from .overview import Overview
        from .web.app import Compatibility, create_app
        from .web.run_rule import RunRule

        settings = self.settings
        overview = Overview(self.listeners)
        parts.push_async_callback(overview.close)
        laboratory = Laboratory(self._scenarios, self._archive())
        parts.push_async_callback(laboratory.close)
        return create_app(
            self.store,
            ready=self.ready.is_set,
            version=__version__,
            hosts=[Endpoint.parse(settings.web).host, *settings.web_access.hosts],
            access=self._access,
            mailboxes=self.mailboxes,
            relay=self.relay,
            faults=self.faults,
            presets=self.presets,
            listeners=overview,
            node=self._node,
            nodes=NodesDesk(self.here, overview.listeners, self.neighbours),
            scenarios=laboratory,
            run_rule=RunRule(
                settings.lab.from_web,
                is_exposed=lambda: self.web is None or self.web.is_exposed,
                needs_login=not self._access.is_open,
            ),
            webhooks=self.webhooks,
            links=LinkChecker(self._link_rules) if self._link_rules else None,
            index=self.index,
            activity=self.sessions.activity,
            compatibility=Compatibility(
                database=redact(settings.store) or str(self._data()),
                message_size=settings.limits.message_size,
                delete_without_body=settings.mailpit.delete_without_body,
                chaos=settings.mailpit.chaos,
            ),
            events=self.events,
            event_counts=self._event_counts,
            exports=FORMATS,
            origins=self._origins,
            metrics=settings.web_access.metrics,
            body_limit=settings.web_limits.body_size,
        )

    @property
    def pop3(self) -> Pop3Server | None:
        """The POP3 server, None when it is off."""
        return self._optional.pop3

    def _archive(self) -> Archive:
        """Give the place for what scenarios show: beside the mail, or nowhere for long."""
        from .lab.archive import Archive

        data = self._data()
        root = data / "lab" if isinstance(data, Path) else None
        return Archive(root, keep=self.settings.lab.keep)

    async def _become_ready(self) -> None:
        """Say that the service is ready once every listener that will be is bound."""
        await self.listeners.wait_bound()
        build = self.settings.ims.build or self._plan.resources.personality.build
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


def _own_scenarios(settings: Settings, folder: Path) -> Mapping[str, ScenarioFile]:
    """Read the scenarios of the user's own, if the settings name any. Raises `ConfigError`."""
    if not settings.lab.scenarios:
        return {}
    from bindpost.config.scenario_file import load_folder

    return load_folder(folder / settings.lab.scenarios)


def _retention(settings: RetentionSettings) -> Retention:
    """Give the store's rules: 0 in the settings is no limit."""
    return Retention(
        max_messages=settings.messages or None,
        max_age=settings.age or None,
        max_bytes=settings.size or None,
    )


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do something beside the block, which ends when both are done; if one fails, both end."""
    task = asyncio.create_task(work)
    try:
        yield
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
