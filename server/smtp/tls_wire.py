"""TLS on the wire: sessions that begin inside it, or come there by STARTTLS."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Final, cast

from aiosmtpd.smtp import TLSSetupException

from bindpost import events

from ..handshake import ClosedHereError, begin_handshake, explain
from .certificate import certificate_of
from .wire import SmtpWire

_NO_FACTS: Final[Any] = SimpleNamespace(_extra={})
"""Where aiosmtpd looks for facts of TLS, all of which the transport tells."""


class TlsWire(SmtpWire):
    """The part of a session that shakes hands."""

    _handshake: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, in clear or with a handshake, or go on inside TLS."""
        if self._original_transport is None:
            super().connection_made(transport)
            if self._around.tls_first:
                self._begin_first()
        else:
            self._tls_protocol = _NO_FACTS
            super().connection_made(transport)
            self.conversation.tls_started(certificate_of(transport))

    async def _handle_client(self) -> None:
        """Run the session, after the handshake if it begins with one."""
        if not self._around.tls_first or await self._begin_inside():
            await super()._handle_client()

    async def handle_exception(self, error: Exception) -> str:
        """End the session after an error, a handshake's too."""
        if not isinstance(error, TLSSetupException):
            return await super().handle_exception(error)
        self._report_handshake(error.__cause__)
        self._close()
        raise asyncio.CancelledError

    def _begin_first(self) -> None:
        """Begin with the handshake, if there is room for the client."""
        if not self._no_room:
            self._begin_handshake()

    async def _begin_inside(self) -> bool:
        """
        Wait for a client whose TLS begins with the first byte; False when that is its end.

        One that there is no room for is not told so: a handshake would keep it here for its time.
        """
        if self._no_room:
            self._refusal()
            self._close()
            return False
        try:
            await self._end_handshake()
        except TLSSetupException as error:
            self._report_handshake(error.__cause__)
            self._close()
            self.connection_lost(error)  # which asyncio tells only what came to be inside TLS
            return False
        return True

    def _begin_handshake(self, came: bytes = b"") -> None:
        """Hear nothing in clear from now on; what `came` already belongs to the handshake."""
        transport = self._original_transport = cast("asyncio.Transport", self.transport)
        assert self.tls_context is not None
        seconds = self._around.rules.limits.handshake_timeout
        self._handshake = begin_handshake(
            transport, self, self.tls_context, seconds=seconds, came=came
        )
        self._reset_timeout(float("inf"))  # it has a time of its own

    async def _end_handshake(self) -> None:
        """Return when the session goes on inside TLS. Raises `TLSSetupException`."""
        try:
            await self._handshake
        except OSError as error:
            raise TLSSetupException from error
        if not self.conversation.tls:
            raise TLSSetupException from ClosedHereError("closed during the handshake")

    def _report_handshake(self, error: BaseException | None) -> None:
        self._report(events.TLS_FAILED, **explain(error)._asdict(), error=repr(error))
