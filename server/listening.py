"""Listening: binds one configured listener, says 4007 when it can't, tries again if it shall."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from weakref import WeakSet

from bindpost import events
from bindpost.config import services
from bindpost.config.endpoint import Endpoint
from bindpost.config.fault import summary_of
from bindpost.config.model import Listener as ListenerSettings
from bindpost.errors import BindError
from bindpost.log import get_logger
from bindpost.proxy.pause import Pause, pause_of
from bindpost.proxy.provider import BindProvider, Listener, ListenerState

from .faults import Facts, Faults
from .faults.bounces import Bounces
from .message.model import utc_now
from .smtp.protocol import SmtpProtocol
from .smtp.protocol_log import ProtocolLog
from .smtp.service import Resources, session_factory
from .smtp.sessions import Sessions
from .store.store import MessageStore

_LOG: Final = get_logger("bindpost.listener")
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to bind: doubling from the first to the longest, with jitter."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """A failed bind, or a bind path that was lost, and when that was."""

    when: datetime
    error: BindError


class ListeningPost:
    """
    One `[[listener]]`: its provider, its sessions, and the bound listener when there is one.

    `state` is where it is in its life, `since` since when. `error` is why it isn't bound now,
    `mishap` what went wrong last, however long ago. `capacity` is known once it was bound.
    `changed` is called after each change of the state.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        provider: BindProvider,
        *,
        resources: Resources,
        store: MessageStore,
        sessions: Sessions,
        faults: Faults | None = None,
        bounces: Bounces | None = None,
        protocol_log: ProtocolLog | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.provider = provider
        self.bound: Listener | None = None
        self.state = ListenerState.STARTING
        self.since = utc_now()
        self.error: BindError | None = None
        self.mishap: Mishap | None = None
        self.capacity: int | None = None
        self.personality = resources.personality_of(settings).name
        self.given_up = asyncio.Event()
        """Set when a bound path was lost and its provider does not bind it again by itself."""
        self._lost_at = 0.0
        self._attempts = 0
        self._pause = Pause()
        self._binding = asyncio.Lock()
        self._told_capacity = False
        self._sessions = sessions
        self._faults = faults or Faults()
        self._tell_change = changed
        self._made: WeakSet[SmtpProtocol] = WeakSet()
        self._make_session: Callable[[], SmtpProtocol] = session_factory(
            resources,
            settings,
            via=provider.url,
            store=store,
            sessions=sessions,
            faults=self._faults,
            bounces=bounces,
            protocol_log=protocol_log,
        )

    def binds_like(self, other: ListeningPost) -> bool:
        """Tell whether the other would bind the same, so that no bind has to change."""
        return self.settings.endpoint == other.settings.endpoint and self.provider == other.provider

    def adopt(self, other: ListeningPost) -> None:
        """Let new sessions go by the other's rules."""
        self.settings = other.settings
        self.personality = other.personality
        self._make_session = other._make_session

    @property
    def is_bound(self) -> bool:
        """Whether its port is its own now."""
        return self.state in (ListenerState.LISTENING, ListenerState.BUSY)

    @property
    def sessions(self) -> int:
        """How many sessions that came to it are open."""
        return self._sessions.count(tuple(self._made))

    @property
    def attempts(self) -> int:
        """How many attempts to bind were made since it was bound last; 0 while it is."""
        if self.state not in (ListenerState.RETRYING, ListenerState.FAILED):
            return 0
        by_itself = None if self.bound is None else pause_of(self.bound)
        return self._attempts if by_itself is None else by_itself.attempts

    @property
    def retry_in(self) -> float | None:
        """Seconds until it is tried again; None if it isn't, or nobody knows when."""
        pause = self._current_pause
        return None if pause is None else pause.left

    @property
    def _current_pause(self) -> Pause | None:
        return self._pause if self.bound is None else pause_of(self.bound)

    @property
    def addresses(self) -> list[Endpoint]:
        """Where peers connect; empty while it isn't bound."""
        return [] if self.bound is None else list(self.bound.addresses)

    async def bind(self) -> None:
        """
        Bind once, if it isn't bound or closed.

        Raises `BindError`, after event 4007 has been logged: once per distinct cause. A service
        that the endpoint names in vain gives event 4003 in its place (KB Q268643).
        """
        async with self._binding:
            if self.bound is None and self.state is not ListenerState.CLOSED:
                await self._bind()

    async def _bind(self) -> None:
        try:
            self._fail_on_purpose()
            bound = await self.provider.create_server(
                self._begin_session,
                await services.find(self.settings.endpoint),
                report=self._changed,
            )
        except BindError as error:
            self._attempts += 1
            self._report_failure(error)
            if self.state is ListenerState.STARTING:
                self._enter(ListenerState.FAILED)
            raise
        if self.state is ListenerState.CLOSED:  # meanwhile, so nobody would ever close this one
            bound.close()
            await bound.wait_closed()
            return
        self.bound, self.error, self.capacity = bound, None, bound.capacity
        self._attempts = 0
        self._enter(bound.state)
        _LOG.info(
            events.LISTENER_BOUND,
            addresses=[str(address) for address in bound.addresses],
            **self._names,
            capacity=bound.capacity,
        )
        if bound.capacity == 1 and not self._told_capacity:
            self._told_capacity = True
            _LOG.warning(events.SINGLE_SESSION, **self._names)

    def _fail_on_purpose(self) -> None:
        """Raise `BindError` if a fault lets this bind fail."""
        if not self._faults.is_on:
            return
        for fault in self._faults.decide("bind", Facts(listener=self.settings.endpoint)):
            told = summary_of(fault)
            _LOG.info(
                events.FAULT_FIRED, fault=fault.name, action=told, listener=self.settings.endpoint
            )
            raise BindError(
                fault.wsa_error,
                endpoint=self.settings.endpoint,
                path=self.provider.url,
                hop="fault",
                detail=f"it fails on purpose, by the fault {fault.name}",
                hint=f"remove the fault: bindpost faults remove {fault.name}",
            )

    async def bind_until_bound(self) -> None:
        """Bind again and again with growing pauses, until it works."""
        self._enter(ListenerState.RETRYING)
        pause = FIRST_PAUSE
        attempt = 0
        while self.bound is None:
            delay = pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, not a secret
            attempt += 1
            _LOG.info(events.REBIND_ATTEMPT, attempt=attempt, delay=round(delay, 2), **self._names)
            await self._pause(delay)
            pause = min(pause * 2, LONGEST_PAUSE)
            with contextlib.suppress(BindError):
                await self.bind()
        self._pause.over()

    def rest(self) -> None:
        """Take note that nobody tries to bind it again for now."""
        if self.bound is None and self.state is ListenerState.RETRYING:
            self._enter(ListenerState.FAILED)
            self._pause.over()

    def refuse_rebind(self) -> None:
        """Raise `ValueError` with a sentence if there is nothing to bind again now."""
        name = f"The listener {self.settings.endpoint}"
        if self.is_bound:
            addresses = ", ".join(map(str, self.addresses))
            raise ValueError(f"{name} is bound, at {addresses}: there is nothing to bind again.")
        if self.state is ListenerState.STARTING:
            raise ValueError(f"{name} is being bound for the first time; wait for the outcome.")
        if self.state is ListenerState.CLOSED:
            raise ValueError(f"{name} is closed: the server is going down, or was reloaded.")
        if self._current_pause is None:
            raise ValueError(f"{name} is bound again by {self.provider.url}, when that sees fit.")

    async def rebind(self) -> None:
        """Try to bind at once what failed or waits for its next attempt; return after that."""
        self.refuse_rebind()
        if self.state is ListenerState.FAILED:
            with contextlib.suppress(BindError):
                await self.bind()
        elif self._current_pause is not None:
            await self._current_pause.cut_short()

    @property
    def _names(self) -> dict[str, str]:
        return {"listener": self.settings.endpoint, "via": self.provider.url}

    def _begin_session(self) -> SmtpProtocol:
        session = self._make_session()
        self._made.add(session)
        return session

    def _enter(self, state: ListenerState) -> None:
        if state is not self.state:
            self.state, self.since = state, utc_now()
            self._tell_change()

    def _changed(self, state: ListenerState, error: BindError | None) -> None:
        """Tell of a bound path that was lost, that is back, or that is given up."""
        if self.state is ListenerState.CLOSED:
            return
        if error is not None and state in (ListenerState.RETRYING, ListenerState.FAILED):
            self._lost(error)
        elif state is ListenerState.LISTENING and self.error is not None:
            self._recovered()
        self._enter(state)
        if state is ListenerState.FAILED:
            self.bound = None
            self.given_up.set()

    def _lost(self, error: BindError) -> None:
        if self.error is None:
            self._lost_at = time.monotonic()
            self._attempts = 0
            _LOG.error(events.PATH_LOST, wsa_error=error.code, **self._names)
        else:
            self._attempts += 1
        self._report_failure(error)

    def _recovered(self) -> None:
        by_itself = self._current_pause
        attempts = self._attempts + 1 if by_itself is None else by_itself.attempts
        self.error, self._attempts = None, 0
        _LOG.info(
            events.PATH_RECOVERED,
            attempt=attempts,
            seconds=round(time.monotonic() - self._lost_at, 3),
            addresses=[str(address) for address in self.addresses],
            **self._names,
        )

    def _report_failure(self, error: BindError) -> None:
        """Log 4007, unless it has just been logged for the same cause."""
        known = self.error is not None and _cause(self.error) == _cause(error)
        self.error = error
        self.mishap = Mishap(utc_now(), error)
        if known:
            return
        event = events.bind_failure(error.hop)
        _LOG.error(event, listener=self.settings.endpoint, **error.fields())

    async def close(self) -> None:
        """Stop accepting; live sessions go on."""
        self._enter(ListenerState.CLOSED)
        self._pause.over()
        if self.bound is not None:
            self.bound.close()
            await self.bound.wait_closed()


def _cause(error: BindError) -> tuple[int, str, str]:
    """Give what is wrong. Not detail and hint: they may name another port, or who holds it."""
    return error.code, error.hop, error.cause
