"""How a fault ends a session: at once or after a while, with FIN, with RST, or without a word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Any, Final, cast

from bindpost.config.fault import Fault, seconds_of
from bindpost.proxy.sockets import reset_on_close

from .metered import MeteredWire

A_DAY: Final = 86400.0
"""Seconds that a stalled session lasts at most."""
LINGER: Final = 2.0
"""Seconds in which who was dropped may go by itself."""


class Stalled(asyncio.Protocol):
    """
    Throws away what comes, and closes when the client ends its side.

    A session reads only what it can use. One that does nothing more would never come to the end of
    what its client has sent, and so never hear that it is gone.
    """

    def __init__(self, before: Any) -> None:
        """Take the place of another protocol, which is still told what becomes of the transport."""
        self._before = before

    def pause_writing(self) -> None:
        """Tell the other."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """Tell the other."""
        self._before.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the other, so that its session ends."""
        self._before.connection_lost(error)


class EndingWire(MeteredWire):
    """The part of a session that faults end it by."""

    _has_ended_sending = _is_stalled = False

    async def _end_by(self, fault: Fault) -> None:
        """End the session as a fault has it. Raises `CancelledError`."""
        await self._writer.drain()
        if fault.action == "reset":
            self._reset_connection()
        elif fault.action == "stall":
            await self._wait_for_client(self.transport, seconds_of(fault) or A_DAY)
        elif fault.action == "half-close":
            await self._half_close(seconds_of(fault) or A_DAY)
        elif fault.action == "drop" and self._original_transport is None:  # TLS takes its leave
            await self._half_close(min(LINGER, self._around.rules.limits.command_timeout))
        self._close()
        raise asyncio.CancelledError

    async def _half_close(self, seconds: float) -> None:
        """Send FIN and take what comes; what is closed while something waits sends RST."""
        below: Any = self._original_transport or self.transport
        if not below.can_write_eof():
            return
        await asyncio.sleep(0)  # what TLS has still to send goes first
        with contextlib.suppress(OSError):  # the client has gone meanwhile
            below.write_eof()
        await self._wait_for_client(below, seconds)
        if below is not self.transport:
            cast("asyncio.Transport", self.transport).abort()  # TLS could not take its leave

    async def _wait_for_client(self, transport: Any, seconds: float) -> None:
        """Wait for some time; when the client ends its side the session ends."""
        if self._has_ended_sending:
            return
        self._is_stalled = True
        self._reset_timeout(seconds + self._around.rules.limits.command_timeout)
        self._turn_deaf(transport)
        await asyncio.sleep(seconds)

    def _turn_deaf(self, transport: Any) -> None:
        """Hear nothing more but that the client is gone."""
        if not transport.is_closing():
            transport.set_protocol(Stalled(transport.get_protocol()))
            transport.resume_reading()

    def _take_leave(self) -> None:
        """Close; there is no goodbye to be said where nothing more is, or can be."""
        if self._is_stalled:
            self.cut()
        else:
            super()._take_leave()

    def eof_received(self) -> bool | None:
        """Take note that the client has ended its side."""
        self._has_ended_sending = True
        return super().eof_received()

    def _reset_connection(self) -> None:
        """Close with RST: without lingering, what is not sent yet is thrown away."""
        connection = self.transport.get_extra_info("socket") if self.transport else None
        if connection is not None:
            # A descriptor of our own: uvloop's sockets have no options.
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(connection.fileno())) as own,
            ):
                reset_on_close(own)
        self.cut()
