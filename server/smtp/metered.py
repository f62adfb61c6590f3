"""Metering: what of a message is on its way counts in the budget of all, and may have to wait."""

from __future__ import annotations

import asyncio

from .tls_wire import TlsWire


class MeteredWire(TlsWire):
    """The part of a session by which the budget of bytes in flight knows it (`budget.Receiver`)."""

    _is_over_budget = False
    _may_go_on: asyncio.Future[None] | None = None

    def hold(self) -> None:
        """Receive nothing while too much is on its way into the store."""
        self._is_over_budget = True

    def let_go(self) -> None:
        """Receive again."""
        if not self._is_over_budget:
            return
        self._is_over_budget = False
        # It was not the client that was silent.
        self._reset_timeout(self._around.rules.limits.data_timeout if self._in_data else None)
        if self._may_go_on is not None and not self._may_go_on.done():
            self._may_go_on.set_result(None)

    async def _gauge(self, held: int) -> None:
        """Tell the budget what is held of a message, and wait if the session is to receive none."""
        self._around.sessions.in_flight.take(self, held)
        while self._is_over_budget:
            self._may_go_on = self.loop.create_future()
            await self._may_go_on

    def _release(self) -> None:
        """Tell the budget that there is no message on its way; can be called twice."""
        self._around.sessions.in_flight.release(self)

    def _forget_chunks(self) -> None:
        super()._forget_chunks()
        self._release()

    def _timeout_cb(self) -> None:
        """End a session that has been silent for too long, unless it was told to be."""
        if self._is_over_budget:
            self._reset_timeout(self._around.rules.limits.data_timeout)
        else:
            super()._timeout_cb()
