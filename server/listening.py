"""Listening: binds one configured listener, says 4007 when it can't, tries again if it shall."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final

from bindpost import events
from bindpost.config import services
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.errors import BindError, ServiceUnknownError
from bindpost.log import get_logger
from bindpost.proxy.provider import BindProvider, Listener, ListenerState

from .smtp.protocol import SmtpProtocol
from .smtp.protocol_log import ProtocolLog
from .smtp.service import Resources, session_factory
from .smtp.sessions import Sessions
from .store.store import MessageStore

_LOG: Final = get_logger("bindpost.listener")
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to bind: doubling from the first to the longest, with jitter."""


class ListeningPost:
    """One `[[listener]]`: its provider, its sessions, and the bound listener when there is one."""

    def __init__(
        self,
        settings: ListenerSettings,
        provider: BindProvider,
        *,
        resources: Resources,
        store: MessageStore,
        sessions: Sessions,
        protocol_log: ProtocolLog | None = None,
    ) -> None:
        self.settings = settings
        self.provider = provider
        self.bound: Listener | None = None
        self.error: BindError | None = None
        self.given_up = asyncio.Event()
        """Set when a bound path was lost and its provider does not bind it again by itself."""
        self._lost_at = 0.0
        self._attempts = 0
        self._tls = resources.implicit_context(settings)
        self._make_session: Callable[[], SmtpProtocol] = session_factory(
            resources,
            settings,
            via=provider.url,
            store=store,
            sessions=sessions,
            protocol_log=protocol_log,
        )

    def binds_like(self, other: ListeningPost) -> bool:
        """Tell whether the other would bind the same, so that no bind has to change."""
        return (
            self.settings.endpoint == other.settings.endpoint
            and self.provider == other.provider
            and (self._tls is None) == (other._tls is None)
            and self._tls is None
        )

    def adopt(self, other: ListeningPost) -> None:
        """Let new sessions go by the other's rules."""
        self.settings = other.settings
        self._make_session = other._make_session

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

        Raises `BindError`, after event 4007 has been logged: once per distinct cause. A service
        that the endpoint names in vain gives event 4003 in its place (KB Q268643).
        """
        try:
            self.bound = await self.provider.create_server(
                lambda: self._make_session(),
                await asyncio.to_thread(services.look_up, self.settings.endpoint),
                ssl=self._tls,
                report=self._changed,
            )
        except BindError as error:
            self._report_failure(error)
            raise
        self.error = None
        _LOG.info(
            events.LISTENER_BOUND,
            addresses=[str(address) for address in self.bound.addresses],
            **self._names,
            capacity=self.bound.capacity,
        )

    async def bind_until_bound(self) -> None:
        """Bind again and again with growing pauses, until it works."""
        pause = FIRST_PAUSE
        attempt = 0
        while self.bound is None:
            delay = pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret
            attempt += 1
            _LOG.info(events.REBIND_ATTEMPT, attempt=attempt, delay=round(delay, 2), **self._names)
            await asyncio.sleep(delay)
            pause = min(pause * 2, LONGEST_PAUSE)
            with contextlib.suppress(BindError):
                await self.bind()

    @property
    def _names(self) -> dict[str, str]:
        return {"listener": self.settings.endpoint, "via": self.provider.url}

    def _changed(self, state: ListenerState, error: BindError | None) -> None:
        """Tell of a bound path that was lost, that is back, or that is given up."""
        if error is not None and state in (ListenerState.RETRYING, ListenerState.FAILED):
            self._lost(error)
        elif state is ListenerState.LISTENING and self.error is not None:
            self._recovered()
        if state is ListenerState.FAILED:
            self.bound = None
            self.given_up.set()

    def _lost(self, error: BindError) -> None:
        if self.error is None:
            self._lost_at = time.monotonic()
            self._attempts = 0
            _LOG.error(events.PATH_LOST, wsa_error=error.code, **self._names)
        self._attempts += 1
        self._report_failure(error)

    def _recovered(self) -> None:
        self.error = None
        _LOG.info(
            events.PATH_RECOVERED,
            attempt=self._attempts,
            seconds=round(time.monotonic() - self._lost_at, 3),
            addresses=[str(address) for address in self.addresses],
            **self._names,
        )

    def _report_failure(self, error: BindError) -> None:
        """Log 4007, unless it has just been logged for the same cause."""
        # Not the detail: it may name another port at each attempt.
        known = self.error is not None and _cause(self.error) == _cause(error)
        self.error = error
        if known:
            return
        unknown = isinstance(error, ServiceUnknownError)
        event = events.PROTOCOL_INFORMATION_FAILED if unknown else events.BIND_FAILED
        _LOG.error(event, listener=self.settings.endpoint, **bind_fields(error))

    async def close(self) -> None:
        """Stop accepting; live sessions go on."""
        if self.bound is not None:
            self.bound.close()
            await self.bound.wait_closed()


def _cause(error: BindError) -> tuple[int, str, str]:
    return error.code, error.hop, error.hint


def bind_fields(error: BindError) -> dict[str, object]:
    """Give a failed bind as the fields of an event."""
    return {
        "wsa_error": error.code,
        "endpoint": error.endpoint,
        "via": error.path,
        "hop": error.hop,
        "reason": error.detail,
        "hint": error.hint,
    }
