"""The app: builds store, web and listeners from the settings, and takes them down again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import platformdirs

from bindpost import __version__, events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Retention as RetentionSettings
from bindpost.config.model import Settings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.proxy.registry import provider_for

from .listening import ListeningPost
from .smtp import personality
from .smtp.policy import LISTENING_MODES
from .smtp.service import Resources
from .smtp.sessions import Sessions
from .store import open_store
from .store.store import MessageStore, Retention

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
    may live in one process.
    """

    def __init__(self, settings: Settings, *, folder: Path) -> None:
        self.settings = settings
        self.ready = asyncio.Event()
        self.failed = asyncio.Event()
        """Set when, under `on_bind_failure = stop`, a bind path was lost for good."""
        self.sessions = Sessions(settings.limits.sessions)
        self.posts: list[ListeningPost] = []
        self.store: MessageStore
        self.web: WebServer | None = None
        self._folder = folder
        self._hostname = settings.hostname or socket.gethostname()
        self._resources = Resources.load(settings, hostname=self._hostname, folder=folder)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            self.store = await open_store(self._data(), _retention(self.settings.retention))
            stack.push_async_callback(self.store.close)
            self._start_protocol_log(stack)
            await self._start_web(stack)
            stack.push_async_callback(self._stop_listening)
            self._make_posts()
            retrying = await self._bind_all()
            # Entered last, so that a failed start is raised as it is and not as a group.
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            chores = [
                tasks.create_task(self._sweep()),
                tasks.create_task(self._become_ready_after(retrying)),
                *(tasks.create_task(self._watch(post)) for post in self.posts),
            ]
            for chore in chores:
                stack.callback(chore.cancel)
            self._stack = stack.pop_all()
            if not retrying:
                await self.ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ready.clear()
        _LOG.info(events.DRAINING, sessions=len(self.sessions))
        await self._stack.aclose()
        _LOG.info(events.SERVICE_STOPPED)

    @property
    def smtp(self) -> list[Endpoint]:
        """The addresses on which mail is taken."""
        return [address for post in self.posts for address in post.addresses]

    def _data(self) -> str | Path:
        data = self.settings.data
        if data == ":memory:":
            return data
        return self._folder / data if data else platformdirs.user_state_path("bindpost")

    def _start_protocol_log(self, stack: contextlib.AsyncExitStack) -> None:
        log = self._resources.protocol_log
        if log is None:
            return
        stack.push_async_callback(asyncio.to_thread, log.close)
        settings = self.settings.protocol_log
        _LOG.info(events.PROTOCOL_LOG_ON, level=settings.level, directory=settings.directory)

    async def _start_web(self, stack: contextlib.AsyncExitStack) -> None:
        if self.settings.web == "off":
            return
        # Imported only here: who wants no web waits for none of it at start.
        from .web.app import create_app
        from .web.server import WebServer

        endpoint = Endpoint.parse(self.settings.web)
        app = create_app(
            self.store, ready=self.ready.is_set, version=__version__, hosts=[endpoint.host]
        )
        self.web = WebServer(app, endpoint)
        try:
            await self.web.start()
        except BindError as error:
            _LOG.error(events.WEB_FAILED, **_bind_fields(error))
            raise
        stack.push_async_callback(self.web.stop)
        _LOG.info(events.WEB_BOUND, url=self.web.url)

    def _make_posts(self) -> None:
        if self.settings.ims.transfer_mode not in LISTENING_MODES:
            return
        self.posts = [
            ListeningPost(
                listener,
                provider_for(listener.via, self.settings, self._folder),
                resources=self._resources,
                store=self.store,
                sessions=self.sessions,
            )
            for listener in self.settings.listener
        ]

    async def _bind_all(self) -> list[ListeningPost]:
        """
        Bind every listener once, by the policy of `on_bind_failure`; give those to be retried.

        stop is what 5.0 and 5.5 did (KB Q193928), continue what 4.0 did (KB Q146157).
        """
        retrying = []
        for post in self.posts:
            try:
                await post.bind()
            except BindError as error:
                if self.settings.on_bind_failure == "stop":
                    _LOG.error(events.WINSOCK_FAILED, **_bind_fields(error))
                    _LOG.error(events.SERVICE_START_FAILED, host=self._hostname)
                    raise
                if self.settings.on_bind_failure == "retry":
                    retrying.append(post)
        return retrying

    async def _become_ready_after(self, posts: list[ListeningPost]) -> None:
        """Say that the service is ready when these are bound too."""
        async with asyncio.TaskGroup() as attempts:
            for post in posts:
                attempts.create_task(post.bind_until_bound())
        self._become_ready()

    async def _watch(self, post: ListeningPost) -> None:
        """Treat a path that is lost for good by the policy of `on_bind_failure`."""
        while True:
            await post.given_up.wait()
            post.given_up.clear()
            if self.settings.on_bind_failure == "stop":
                self.failed.set()
            elif self.settings.on_bind_failure == "retry":
                await post.bind_until_bound()

    def _become_ready(self) -> None:
        build = self.settings.ims.build or personality.load(self.settings.personality).build
        _LOG.info(events.SERVICE_STARTED, build=build)
        web = self.web.url if self.web is not None else None
        smtp = [str(address) for address in self.smtp]
        if self.settings.ready_file:
            write_ready_file(self._folder / self.settings.ready_file, smtp, web)
        self.ready.set()
        _LOG.info(events.READY, smtp=smtp, web=web)

    async def _stop_listening(self) -> None:
        for post in self.posts:
            await post.close()
        await self.sessions.drain(self.settings.limits.drain)

    async def _sweep(self) -> None:
        """Apply the retention rules from time to time: age comes without any new message."""
        while self.settings.retention != RetentionSettings():
            await asyncio.sleep(SWEEP_INTERVAL)
            if deleted := await self.store.sweep():
                _LOG.info(events.RETENTION_SWEPT, deleted=deleted)


def _bind_fields(error: BindError) -> dict[str, object]:
    return {
        "wsa_error": error.code,
        "endpoint": error.endpoint,
        "via": error.path,
        "hop": error.hop,
        "reason": error.detail,
        "hint": error.hint,
    }


def _retention(settings: RetentionSettings) -> Retention:
    """Give the store's rules: 0 in the settings is no limit."""
    return Retention(
        max_messages=settings.messages or None,
        max_age=settings.age or None,
        max_bytes=settings.size or None,
    )


def write_ready_file(path: Path, smtp: list[str], web: str | None) -> None:
    """Write pid and addresses as JSON, whole or not at all."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps({"pid": os.getpid(), "smtp": smtp, "web": web}), "utf-8")
    scratch.replace(path)
