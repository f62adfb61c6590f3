"""Faults of TLS: what strikes it where it begins, with the first byte or by STARTTLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from bindpost.config.fault import Fault, seconds_of

from ..faults.certificates import WRONG
from .damage import reply_of
from .faulty import FaultyWire

_NO_TLS: Final = b"This is no TLS.\r\n"


class FaultyTls(FaultyWire):
    """The part of a session that strikes TLS with faults, before it begins."""

    async def _refuse_tls(self) -> bool:
        """Strike STARTTLS; says whether it was answered, so that no handshake follows."""
        for fault in self._strikes_of_starttls():
            if fault.action == "reply":
                reply = reply_of(fault)
                await self._send(reply)
                self._end_behind(reply)
                return True
            await self._strike_tls(fault)
        return False

    def _strikes_of_starttls(self) -> Iterator[Fault]:
        """Ask at the command; if nothing has ended it there, at the TLS that it asks for."""
        yield from self._strike("STARTTLS")
        yield from self._strike("TLS")

    def _begin_first(self) -> None:
        """Begin with the handshake at once, unless it is to be asked first what strikes it."""
        if not self._around.faults.is_on:
            super()._begin_first()

    async def _begin_inside(self) -> bool:
        """Wait for a client whose TLS begins with the first byte, after what strikes that."""
        if self._original_transport is None and not self._no_room:
            for fault in self._strike("TLS"):
                await self._strike_tls(fault)
            if self._has_ended_sending:
                self._close()
                raise asyncio.CancelledError
            reader: Any = self._reader
            self._begin_handshake(reader.take())
        return await super()._begin_inside()

    async def _strike_tls(self, fault: Fault) -> None:
        """Do what was decided. Raises `CancelledError` where the session ends."""
        if fault.action == "delay":
            await self._pause(seconds_of(fault))
        elif fault.action in WRONG:
            hostname = self._around.rules.hostname
            self.tls_context = self._around.faults.certificates.context(fault.action, hostname)
        else:
            if fault.action.startswith("tls-"):
                await self._break_handshake(fault)
            await self._end_by(fault)

    async def _break_handshake(self, fault: Fault) -> None:
        """Let the client begin, and answer with what is no TLS, or not at all."""
        if not self._around.tls_first:
            await self._send(self.conversation.say("starttls_ready"))
        if self._around.tls_first or fault.action == "tls-broken":
            self._reset_timeout(self._around.rules.limits.handshake_timeout)
            await self._reader.read(1)  # of the ClientHello
        if fault.action == "tls-broken":
            self._writer.write(_NO_TLS)
