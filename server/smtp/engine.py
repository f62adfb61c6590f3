"""
The fast engine: aiosmtpd's SMTP with its streams, tasks and timers taken out from under it.

The idea. A mail server in Python spends most of its time around SMTP, not in it: on a task that is
woken for each line, on a stream that copies each byte, on a timer that is made for each command,
and on one system call for each reply. None of that is SMTP. So aiosmtpd's class stays, with its
command loop, its checks, AUTH, STARTTLS and hooks, and only what is below them is exchanged:

* Bytes come by `recv_into` into one buffer that all sessions of a listener share
  (`asyncio.BufferedProtocol`), as each read is used up before the next. uvloop, which has such a
  buffer itself, and transports that know nothing of this call `data_received`.
* The command loop is aiosmtpd's own coroutine, and stays the same one from greeting to goodbye.
  It is run by `send(None)` right where the bytes have come (`driver`). It is handed to a task only
  while it waits for something that is not input.
* Its reader is asyncio's, with another wait (`inbox`). Its writer gathers replies, so that those to
  one read can go out at once (`outbox`): a client that pipelines (RFC 2920) costs one write.
* A deadline is a number. One timer for all sessions looks at them (`sweeper`).

What follows from it, and is held by tests:

* No command is taken while its predecessor waits, nor while the client does not take its replies.
  What comes meanwhile stays in the inbox, and above 64 KiB in the network.
* The receiving buffer is never resized while a transport may write into it, and never kept.
* What aiosmtpd itself says goes out at once, as it may close the transport next. So STARTTLS's 220
  is gone before TLS begins; and aiosmtpd empties the inbox then, so nothing injected is heard.

`FastSmtp` alone is aiosmtpd to a hair, and passes aiosmtpd's own tests. `fast` puts bindpost's
behaviour over it, and there messages are gathered in whole chunks (`body`) and plain commands are
answered before they get to aiosmtpd's loop.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiosmtpd.smtp import MISSING, SMTP, syntax

from .driver import Driver, Need, inside_a_task
from .inbox import DrivenReader
from .outbox import GatheringWriter
from .sweeper import Sweeper

BUFFER_SIZE: Final = 256 * 1024
"""Bytes of one read at most: as many as asyncio asks a socket for."""
MAX_WAITING: Final = 64 * 1024
"""Pipelined bytes that wait in a session before its client is held up."""


class ReceivingBuffer:
    """Where a read goes. It is used up before another one, so one serves all sessions of a loop."""

    __slots__ = ("view",)

    def __init__(self, size: int = BUFFER_SIZE) -> None:
        self.view = memoryview(bytearray(size))


class NoTimer:
    """In the place of the timer that aiosmtpd cancels at the end: there is none."""

    def cancel(self) -> None:
        """Do nothing."""


class FastSmtp(SMTP, asyncio.BufferedProtocol):
    """
    aiosmtpd's SMTP on a driver.

    Made like aiosmtpd's, or from a listener's prepared class (`prepared`), with nothing.
    `receiving` and `sweeper` are those of the listener.
    """

    receiving: ReceivingBuffer
    sweeper: Sweeper
    deadline = float("inf")
    _driver: Driver | None = None
    _has_news = False
    _at_end = False
    _paused = False
    _is_held = False
    _timeout_handle: Any = NoTimer()

    # Life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or go on inside TLS, for which aiosmtpd empties the inbox."""
        if self._original_transport is not None:
            super().connection_made(transport)
            return
        self._set_up(transport)
        self._set_rset_state()  # type: ignore[no-untyped-call]
        self.session = self._create_session()
        self.session.peer = transport.get_extra_info("peername")
        reader: Any = DrivenReader(limit=self.line_length_limit, loop=self.loop)
        reader.use(self._inbox)
        self._cb_client_connected(reader, self._writer)
        driver = Driver(self._handle_client(), self.loop, self._go_on)
        self._driver = reader.driver = driver
        self._handler_coroutine: Any = driver
        with self._writer:
            driver.step()

    def _set_up(self, transport: asyncio.BaseTransport) -> None:
        """Have what the engine itself needs."""
        if not hasattr(self, "sweeper"):  # it was made alone, and has both for itself
            shortest = min(self._timeout_duration, self._proxy_timeout or self._timeout_duration)
            self.sweeper = Sweeper(self.loop, shortest)
            self.receiving = ReceivingBuffer()
            self._timeout_handle = NoTimer()
        self.transport = transport
        self._inbox = bytearray()
        self._writer: Any = GatheringWriter(transport)
        self._reset_timeout()
        self.sweeper.watch(self)

    def connection_lost(self, error: Exception | None) -> None:
        """End the session."""
        self.sweeper.forget(self)
        super().connection_lost(error)

    # Bytes come in

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the buffer for the next read."""
        return self.receiving.view

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has been read into the buffer."""
        self.data_received(self.receiving.view[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Take bytes, and go on with the session."""
        self._inbox += data
        self._has_news = True
        self._reader.woken()  # type: ignore[attr-defined]  # it is a Driven one
        self._go_on()

    def eof_received(self) -> bool | None:
        """Take note that nothing more will come."""
        self._at_end = True
        self._reader.feed_eof()
        return super().eof_received()

    def pause_writing(self) -> None:
        """Take no further command until the client takes its replies."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on, as the client takes its replies again."""
        self._paused = False
        self._go_on()

    # The session goes on

    def _go_on(self) -> None:
        """Go on as far as what has come allows; the replies go out in one write."""
        writer = self._writer
        if writer.is_gathering:  # it goes on already
            return
        writer.is_gathering = True  # as `with` does, with two calls less for each read
        try:
            self._take_all()
        finally:
            writer.is_gathering = False
            writer.flush()
        if self._is_held or len(self._inbox) > MAX_WAITING:
            self._hold_or_let_go()

    def _take_all(self) -> None:
        driver = self._driver
        while driver is not None and not self._paused and self._is_met(driver.need):
            self._has_news = False
            driver.step()

    def _is_met(self, need: Need | None) -> bool:
        """Tell whether there is what a parked coroutine needs."""
        if need is None:
            return False
        if self._at_end:
            return True
        if need is Need.COMMAND:
            return b"\n" in self._inbox or len(self._inbox) > self.line_length_limit
        return self._has_news

    def _hold_or_let_go(self) -> None:
        """Hold the client up while much of what it has sent waits, and let it go on afterwards."""
        must_hold = self._must_hold()
        if must_hold is not self._is_held and self.transport is not None:
            self._is_held = must_hold
            transport: Any = self.transport
            (transport.pause_reading if must_hold else transport.resume_reading)()

    def _must_hold(self) -> bool:
        return len(self._inbox) > MAX_WAITING

    # Time

    def _reset_timeout(self, duration: float | None = None) -> None:
        self.deadline = self.loop.time() + (duration or self._timeout_duration)

    def expire(self) -> None:
        """End a session that has been silent for too long."""
        self.deadline = float("inf")
        self._timeout_cb()  # type: ignore[no-untyped-call]

    # Foreign code

    async def _call_handler_hook(self, command: str, *args: Any) -> Any:
        """Run a handler's hook inside a task, where all of asyncio works."""
        if command not in self._handle_hooks:
            return MISSING
        await self._enter_task()
        return await super()._call_handler_hook(command, *args)

    @syntax("STARTTLS", when="tls_context")  # for aiosmtpd's HELP
    async def smtp_STARTTLS(self, arg: Any) -> None:
        """Shake hands inside a task, so that whoever stops a server by cancelling all ends it."""
        await self._enter_task()
        await super().smtp_STARTTLS(arg)

    async def _enter_task(self) -> None:
        if self._driver is not None and self._driver.is_stepping and not self._driver.is_in_task:
            await inside_a_task()
