"""A listener made of single binds: after each client the proxy is asked for the same port again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from typing import final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..background import Background
from ..pause import Pause
from ..provider import ListenerState, Report
from . import wire
from .dial import Dialer
from .matrix import row_for
from .pending import Pending
from .sessions import Sessions
from .symptom import Failure, Symptom


@final
class SocksListener:
    """
    A port on a SOCKS proxy.

    A bind brings one connection. Then the port is bound again: at once if the proxy allows that,
    else, which is learned, when the session has ended; meanwhile the state is BUSY, and the
    proxy's system refuses clients. A bind that is lost is tried again for ever, with pauses.

    Implements `bindpost.proxy.provider.Listener`.
    """

    def __init__(
        self,
        pending: Pending,
        sessions: Sessions,
        *,
        wanted: Endpoint,
        dialer: Dialer,
        report: Report | None,
        explain: Callable[[Symptom], BindError],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = pending.address
        self._wanted = wanted.with_port(pending.address.port)
        self._sessions = sessions
        self._dialer = dialer
        self._timing = dialer.timing
        self._report = report
        self._explain = explain
        self._state = ListenerState.LISTENING
        self._trouble = ""
        self._exclusive = False
        self._pause = Pause()
        self._pauses = self._fresh_pauses()
        self._background = Background()
        self._background.spawn(self._run(pending), pending.sock)

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where clients connect: an address of the proxy."""
        return (self._address,)

    @property
    def capacity(self) -> int | None:
        """One: no SOCKS server promises more."""
        return 1

    @property
    def state(self) -> ListenerState:
        """LISTENING, BUSY while there is a session, RETRYING or CLOSED."""
        return self._state

    @property
    def pause(self) -> Pause:
        """The pauses before it binds again."""
        return self._pause

    def close(self) -> None:
        """Stop accepting, here and on the proxy; live sessions go on."""
        if self._state is ListenerState.CLOSED:
            return
        self._state = ListenerState.CLOSED
        self._background.cancel()
        self._pause.over()
        self._sessions.no_more_lingering()

    async def wait_closed(self) -> None:
        """Return when `close()` was called and no task, thread or bind of the listener is left."""
        await self._background.join()
        await self._sessions.wait_begun()

    async def _run(self, pending: Pending) -> None:
        while True:
            begun = self._loop.time()
            failure: Failure | None = None
            try:
                peer = await pending.accept()
            except Failure as caught:
                failure = caught
            else:
                self._begin_session(pending, peer)
            finally:
                await pending.give_up()
            if failure is None or self._loop.time() - begun >= self._timing.slow:
                self._pauses = self._fresh_pauses()  # that bind was good for something
            pending = await self._bind_again(failure)
            self._change(ListenerState.LISTENING)
            self._pause.over()

    def _begin_session(self, pending: Pending, peer: Endpoint) -> None:
        self._change(ListenerState.BUSY)
        facts = {
            "peername": wire.peername_of(peer),
            "sockname": (self._address.host, self._address.port),
            "via": self._dialer.proxy.url,
        }
        self._sessions.begin(pending.take(), facts)

    async def _bind_again(self, failure: Failure | None) -> Pending:
        """Bind the port until it works; `failure` ended the bind before, None if a client did."""
        ours_until = self._loop.time() if failure is None else None
        while True:
            if failure is not None:
                await self._pause(self._judge(failure, ours_until))
            if self._exclusive and self._sessions:
                self._change(ListenerState.BUSY)
                await self._sessions.wait_none()
                ours_until, self._pauses = self._loop.time(), self._fresh_pauses()
            try:
                return await self._dialer.bind(self._wanted)
            except Failure as caught:
                failure = caught
            if self._sessions and row_for(failure.symptom).taken:
                self._exclusive, failure = True, None

    def _judge(self, failure: Failure, ours_until: float | None) -> float:
        """
        Report a failed attempt if it is worth it, and give the pause before the next one.

        `ours_until` is when a session of ours held the port last, None if none did: the proxy may
        need a moment to let go of it.
        """
        row = row_for(failure.symptom)
        pause = next(self._pauses)
        if ours_until is None or not row.taken:
            self._change(ListenerState.RETRYING, failure)
            return max(pause, self._timing.slow) if row.slow else pause
        if self._loop.time() - ours_until >= self._timing.patience:
            self._change(ListenerState.RETRYING, failure)
        return pause

    def _fresh_pauses(self) -> Iterator[float]:
        return chain(self._timing.pauses, repeat(self._timing.pauses[-1]))

    def _change(self, state: ListenerState, failure: Failure | None = None) -> None:
        """Note and report a new state, or the same trouble's new cause."""
        trouble = row_for(failure.symptom).key if failure else ""
        if (state, trouble) == (self._state, self._trouble):
            return
        self._state, self._trouble = state, trouble
        if self._report is not None:
            error = self._explain(failure.symptom) if failure else None
            # Not called from here: an error in it must not end this listener.
            self._loop.call_soon(self._report, state, error)
