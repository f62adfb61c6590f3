"""Listening: binds one configured listener, says 4007 when it can't, and tries again if it shall."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.proxy.provider import BindProvider, Listener, ListenerState

from .smtp.protocol import SmtpProtocol
from .smtp.service import Resources, session_factory
from .smtp.sessions import Sessions
from .store.store import MessageStore

_LOG: Final = get_logger("bindpost.listener")
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to bind: doubling from the first to the longest, with jitter."""


class ListeningPost:
    """One `[[listener]]`: its provider, its sessions' factory, and the bound listener when it is there."""

    def __init__(
        self,
        settings: ListenerSettings,
        provider: BindProvider,
        *,
        resources: Resources,
        store: MessageStore,
        sessions: Sessions,
    ) -> None:
        self.settings = settings
        self.provider = provider
        self.bound: Listener | None = None
        self.error: BindError | None = None
        self._tls = resources.implicit_context(settings)
        self._make_session: Callable[[], SmtpProtocol] = session_factory(
            resources, settings, via=provider.url, store=store, sessions=sessions
        )

    @property
    def state(self) -> ListenerState:
        """Where the listener is in its life."""
        if self.bound is not None:
            return self.bound.state
        return ListenerState.STARTING if self.error is None else ListenerState.FAILED

    @property
    def addresses(self) -> list[Endpoint]:
        """Where peers connect; empty while it isn't bound."""
        return [] if self.bound is None else list(self.bound.addresses)

    async def bind(self) -> None:
        """
        Bind once.

        Raises `BindError`, after event 4007 has been logged: once per distinct cause.
        """
        try:
            self.bound = await self.provider.create_server(
                self._make_session, Endpoint.parse(self.settings.endpoint), ssl=self._tls
            )
        except BindError as error:
            known = self.error is not None and str(self.error) == str(error)
            self.error = error
            if not known:
                self._report_failure(error)
            raise
        self.error = None
        _LOG.info(
            events.LISTENER_BOUND,
            listener=self.settings.endpoint,
            addresses=[str(address) for address in self.bound.addresses],
            via=self.provider.url,
            capacity=self.bound.capacity,
        )

    async def bind_until_bound(self) -> None:
        """Bind again and again with growing pauses, until it works."""
        pause = FIRST_PAUSE
        while self.bound is None:
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)
            try:
                await self.bind()
            except BindError:
                continue

    def _report_failure(self, error: BindError) -> None:
        _LOG.error(
            events.BIND_FAILED,
            wsa_error=error.code,
            listener=self.settings.endpoint,
            endpoint=error.endpoint,
            via=error.path,
            hop=error.hop,
            reason=error.detail,
            hint=error.hint,
        )

    async def close(self) -> None:
        """Stop accepting; live sessions go on."""
        if self.bound is not None:
            self.bound.close()
            await self.bound.wait_closed()
