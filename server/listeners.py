"""All listeners of an app: bound by one policy, tended while they live, changed on a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Settings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.proxy.provider import BindProvider, ListenerState, warnings_of
from bindpost.proxy.registry import provider_of

from .faults import Faults
from .faults.bounces import Bounces
from .listening import ListeningPost
from .smtp.policy import LISTENING_MODES
from .smtp.protocol_log import ProtocolLog
from .smtp.service import Resources
from .smtp.sessions import Sessions
from .store.store import MessageStore

_LOG: Final = get_logger("bindpost.listener")


@dataclass(frozen=True, slots=True)
class Plan:
    """What the listeners are made from: the settings, what was read for them, their folder."""

    settings: Settings
    resources: Resources
    folder: Path

    def check(self) -> None:
        """Raise `ConfigError` for what no listener can be made from."""
        self.providers()

    def providers(self) -> list[BindProvider]:
        """Give each listener's bind provider, in order. Raises `ConfigError`."""
        return [
            provider_of(listener, self.settings, self.folder) for listener in self.settings.listener
        ]


class Listeners:
    """
    The `[[listener]]`s of an app.

    `lost` is set when, under `on_bind_failure = stop`, a path was lost for good. `changed` is
    called whenever one comes into another state.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        store: MessageStore,
        sessions: Sessions,
        protocol_log: ProtocolLog | None,
        faults: Faults | None = None,
        bounces: Bounces | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.lost = asyncio.Event()
        self.posts: list[ListeningPost] = []
        self._plan = plan
        self._store = store
        self._sessions = sessions
        self._faults = faults
        self._bounces = bounces
        self._protocol_log = protocol_log
        self._changed = changed
        self._tasks: asyncio.TaskGroup | None = None
        self._tending: dict[ListeningPost, asyncio.Task[None]] = {}
        self._all_bound = asyncio.Event()

    @property
    def addresses(self) -> list[Endpoint]:
        """Where mail is taken."""
        return [address for post in self.posts for address in post.addresses]

    async def start(self) -> None:
        """
        Bind every listener once, by the policy of `on_bind_failure`.

        stop (what 5.0 and 5.5 did, KB Q193928) raises `BindError` after 4007, 4020 and Error 2140;
        retry and continue (what 4.0 did, KB Q146157) return.
        """
        self.posts = self._make_posts(self._plan)
        for post in self.posts:
            try:
                await post.bind()
            except BindError as error:
                if self._plan.settings.on_bind_failure == "stop":
                    _LOG.error(events.WINSOCK_FAILED, **error.fields())
                    _LOG.error(events.SERVICE_START_FAILED, host=self._plan.resources.hostname)
                    raise

    def tend(self, tasks: asyncio.TaskGroup) -> None:
        """Look after the listeners in tasks of this group, until `close`."""
        self._tasks = tasks
        for post in self.posts:
            self._tend(post)
        self._note_bound()

    async def wait_bound(self) -> None:
        """Return when every listener that will be is bound."""
        await self._all_bound.wait()

    async def reload(self, plan: Plan) -> None:
        """
        Change to a new plan: unchanged binds stay, with the new rules; others are closed or bound.

        Live sessions go on by the rules that they began with. A bind that fails is reported, and
        tried again under `retry`; a reload never stops the service.
        """
        fresh = self._make_posts(plan)
        self._plan = plan
        old, self.posts = self.posts, []
        for post in fresh:
            same = next((known for known in old if known.binds_like(post)), None)
            if same is not None:
                old.remove(same)
                same.adopt(post)
                if not same.is_bound:  # another policy may have begun
                    self._leave_alone(same)
                    same.rest()
            self.posts.append(same or post)
        for post in old:
            await self._dismiss(post)
        for post in self.posts:
            if post not in self._tending:
                if post.state is ListenerState.STARTING:
                    await self._bind_or_report(post)
                self._tend(post)
        self._note_bound()

    async def close(self) -> None:
        """Stop accepting everywhere; live sessions go on."""
        for post in self.posts:
            await self._dismiss(post)

    def _make_posts(self, plan: Plan) -> list[ListeningPost]:
        if plan.settings.ims.transfer_mode not in LISTENING_MODES:
            return []
        providers = plan.providers()
        for listener, provider in zip(plan.settings.listener, providers, strict=True):
            for warning in warnings_of(provider):
                _LOG.warning(
                    events.CLIENT_FILE_ODD,
                    listener=listener.endpoint,
                    via=provider.url,
                    reason=warning,
                )
        return [
            ListeningPost(
                listener,
                provider,
                resources=plan.resources,
                store=self._store,
                sessions=self._sessions,
                faults=self._faults,
                bounces=self._bounces,
                protocol_log=self._protocol_log,
                changed=self._changed,
            )
            for listener, provider in zip(plan.settings.listener, providers, strict=True)
        ]

    def _tend(self, post: ListeningPost) -> None:
        assert self._tasks is not None
        self._tending[post] = self._tasks.create_task(self._look_after(post))

    async def _look_after(self, post: ListeningPost) -> None:
        """Bind again what failed or was lost for good, as the policy says."""
        while True:
            if post.bound is None and self._plan.settings.on_bind_failure == "retry":
                await post.bind_until_bound()
                self._note_bound()
            await post.given_up.wait()
            post.given_up.clear()
            if self._plan.settings.on_bind_failure == "stop":
                self.lost.set()

    async def _bind_or_report(self, post: ListeningPost) -> None:
        try:
            await post.bind()
        except BindError as error:
            _LOG.debug("a listener of the new settings is not bound", error=str(error))

    async def _dismiss(self, post: ListeningPost) -> None:
        self._leave_alone(post)
        await post.close()

    def _leave_alone(self, post: ListeningPost) -> None:
        task = self._tending.pop(post, None)
        if task is not None:
            task.cancel()

    def _note_bound(self) -> None:
        retrying = self._plan.settings.on_bind_failure == "retry"
        if not retrying or all(post.bound is not None for post in self.posts):
            self._all_bound.set()
