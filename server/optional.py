"""
The parts that a service has only when its settings ask for them: other nodes, relay and so on.

Each is imported when it is asked for: most services have none of them, and start sooner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, final

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Settings

from .durable.file import RELAY_FILE, WEBHOOK_FILE
from .mailboxes import Keys
from .nodes.here import Here
from .smtp.service import Resources
from .store.events import EventStore
from .store.store import MessageStore, SharedStore

if TYPE_CHECKING:
    from .nodes.neighbours import Neighbours
    from .pop3.server import Pop3Server
    from .relay import Relay, Route
    from .webhook import Hook, Webhooks


@final
class OptionalParts:
    """
    What is read of the settings at first, and started with the service.

    A queue that an earlier service left in the data folder is asked for too: what waits there must
    not be sent when the part is on again.
    """

    def __init__(
        self, settings: Settings, *, folder: Path, resources: Resources, keys: Keys
    ) -> None:
        """Read the settings of the parts; touches no network. Raises `ConfigError`."""
        self._settings = settings
        self._hostname = resources.hostname
        self._node = resources.node
        self._route = _route(settings, folder)
        self._hooks = _hooks(settings, folder)
        self.pop3 = _pop3(settings, folder, resources, keys)

    async def join_nodes(
        self, stack: contextlib.AsyncExitStack, here: Here, log: EventStore | None
    ) -> Neighbours | None:
        """Take part in the nodes of the inbox; the stack ends that. Raises `ConfigError`."""
        if not self._settings.store:
            return None
        from .nodes.neighbours import neighbouring

        return await stack.enter_async_context(neighbouring(self._settings.store, here, log))

    async def start_relay(
        self,
        stack: contextlib.AsyncExitStack,
        store: MessageStore,
        *,
        data: str | Path,
        listeners: Callable[[], Collection[Endpoint]],
    ) -> Relay | None:
        """Start the relay; the stack ends it. Raises `StoreError`."""
        if self._route is None and not _left(data, RELAY_FILE):
            return None
        from .relay import relaying

        return await stack.enter_async_context(
            relaying(
                self._route,
                self._settings.relay,
                store,
                data=data,
                hostname=self._hostname,
                node=self._node,
                listeners=listeners,
            )
        )

    async def start_webhooks(
        self, stack: contextlib.AsyncExitStack, store: MessageStore, *, data: str | Path
    ) -> Webhooks | None:
        """Start the webhooks; the stack ends them. Raises `StoreError`."""
        if not self._hooks and not _left(data, WEBHOOK_FILE):
            return None
        from .webhook import webhooking

        return await stack.enter_async_context(
            webhooking(self._hooks, store, data=data, node=self._node)
        )

    async def start_pop3(self, stack: contextlib.AsyncExitStack, store: SharedStore) -> None:
        """Bind POP3; the stack ends it. Raises `BindError`, after it is logged."""
        if self.pop3 is not None:
            await self.pop3.start(store)
            stack.push_async_callback(self.pop3.stop, self._settings.limits.drain)


def _route(settings: Settings, folder: Path) -> Route | None:
    if not settings.relay.server:
        return None
    from .relay import Route

    return Route.load(settings.relay, folder=folder)


def _hooks(settings: Settings, folder: Path) -> tuple[Hook, ...]:
    if not settings.webhook:
        return ()
    from .webhook import Hook

    return Hook.load_all(settings.webhook, folder=folder)


def _pop3(settings: Settings, folder: Path, resources: Resources, keys: Keys) -> Pop3Server | None:
    if settings.pop3.endpoint == "off":
        return None
    from .pop3.server import Pop3Server

    return Pop3Server.load(
        settings,
        folder=folder,
        tls_context=resources.tls_context,
        hostname=resources.hostname,
        keys=keys,
    )


def _left(data: str | Path, name: str) -> bool:
    """Say whether an earlier service has left this file in the data folder."""
    return str(data) != ":memory:" and (Path(data) / name).exists()
