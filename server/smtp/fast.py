"""
bindpost's session on the fast engine: the plain session's behaviour over `FastSmtp`.

`SmtpProtocol` is the plain engine and the reference. Here is only what differs: the lane in which
plain commands are answered before they get to aiosmtpd's loop, messages in whole chunks, and what
an idle session can do without. aiosmtpd's loop begins when a client first says something that the
lane leaves to it; most sessions never do.

The lane takes whole lines of printable ASCII with one of a few verbs, and nothing while a command
is under way. Of the loop's checks it leaves out only those that bindpost never switches on: limits
of calls, STARTTLS that is required, a handler's veto on TLS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from .body import Body, Chunks
from .conversation import Conversation
from .driver import Driver, Need, inside_a_task, parked
from .engine import FastSmtp, ReceivingBuffer
from .inbox import DrivenCommandReader
from .lmtp import LmtpProtocol
from .prepared import prepare
from .protocol import SmtpProtocol
from .reply import Reply
from .surroundings import Surroundings
from .sweeper import Sweeper
from .wire import AUTH_LIMITS

Verb = Callable[[Conversation, str], Reply]


class EveryCommand(dict[str, int]):
    """The limit of a command line, AUTH's a larger one; unlike a defaultdict it never grows."""

    def __init__(self, limit: int) -> None:
        super().__init__(AUTH_LIMITS)
        self._limit = limit

    def __missing__(self, _command: str) -> int:
        return self._limit


class FastProtocol(FastSmtp, SmtpProtocol):
    """One SMTP session of bindpost on the fast engine."""

    command_size_limits: Any
    _command: Driver | None = None
    _body: Body | Chunks | None = None
    _is_starting = False

    # Life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or go on inside TLS; what aiosmtpd needs is made when it is used."""
        if self._original_transport is not None:
            super().connection_made(transport)
            return
        self._set_up(transport)
        self._begin(transport)
        with self._writer:
            if self._around.tls_first:
                self._start_loop()  # it is where aiosmtpd goes on inside TLS
                self._begin_first()
                self._run(self._welcome_inside())
            else:
                self._welcome()

    async def _welcome_inside(self) -> None:
        await inside_a_task()
        if await self._begin_inside():
            self._welcome()

    def _welcome(self) -> None:
        if refusal := self._refusal():
            self._write(refusal)
            self._close()
        elif self._looks_up or self._around.faults.is_on:
            self._run(self._greet_late())
        else:
            self._greet()

    def _greet(self) -> None:
        greeting = self.conversation.greeting()
        self._write(greeting)
        self._replied(greeting)

    async def _greet_late(self) -> None:
        await inside_a_task()
        await self._at_accept()
        if self._looks_up:
            await self._look_up()
        await self._say_greeting()

    def connection_lost(self, error: Exception | None) -> None:
        """End the session; what was said since its last message is kept with it."""
        self.sweeper.forget(self)
        for driver in (self._command, self._driver):
            if driver is not None:
                driver.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        self._timeout_handle.cancel()
        self.transport = None
        self._drop_body()
        self._ended()

    def eof_received(self) -> bool | None:
        """Let a client that has closed its sending side still get its replies, but not by TLS."""
        self._has_ended_sending = self._at_end = True
        if self.conversation.tls:
            for driver in (self._command, self._driver):
                if driver is not None:
                    driver.cancel()
            return False
        if self._driver is not None:
            self._reader.feed_eof()
        self._go_on()
        return True

    def _turn_deaf(self, transport: Any) -> None:
        """Hear nothing more, and forget what was heard."""
        self._inbox.clear()
        super()._turn_deaf(transport)

    # aiosmtpd's loop, when it is needed

    def _start_loop(self) -> Driver:
        """Begin aiosmtpd's loop, which comes to its first command."""
        self.session = self._create_session()
        self.session.peer = self.transport.get_extra_info("peername") if self.transport else None
        reader = DrivenCommandReader(self._heard, limit=self.line_length_limit, loop=self.loop)
        reader.use(self._inbox)
        reader.hungry = self._hold_or_let_go
        self._reader: Any = reader
        driver = Driver(SMTP._handle_client(self), self.loop, self._go_on)
        self._driver = self._handler_coroutine = reader.driver = driver
        if self._at_end:
            reader.feed_eof()
        self._is_starting = True
        driver.step()
        self._is_starting = False
        return driver

    async def push(self, status: str | bytes | None) -> None:
        """Say what aiosmtpd itself has to say; its greeting comes too late."""
        if not self._is_starting:
            await super().push(status)
            self._writer.flush()

    async def _send(self, reply: Reply) -> None:
        self._write(reply)
        self._replied(reply)

    # The session goes on

    def data_received(self, data: bytes | memoryview) -> None:
        """Take bytes, a message's at once, and go on with the session."""
        if self._body is not None and not self._body.is_whole:
            self._feed(bytes(data))
        else:
            self._inbox += data
        self._has_news = True
        if self._driver is not None:
            self._reader.woken()
        self._go_on()

    def _take_all(self) -> None:
        try:
            while not self._paused and not self._writer.is_closing() and self._take_one():
                pass
        except Exception as error:
            self._run(self.handle_exception(error))

    def _take_one(self) -> bool:
        """
        Go on by one step; False when there is nothing to go on with.

        First comes what is under way, a message or a command, then the lane, then aiosmtpd's loop.
        """
        driver = self._command
        if driver is not None and driver.has_ended:
            driver = self._command = None
        if driver is None:
            driver = self._driver
        if driver is None or driver.need is Need.COMMAND:
            if self._body is not None:
                return self._take_body(self._body)
            if not (self._inbox or self._at_end):
                return False
            if self._take_plain():
                return True
            if not self._is_met(Need.COMMAND):
                return False
            if self._at_end and b"\n" not in self._inbox:
                self._close()
                return False
            driver = self._driver or self._start_loop()
        elif not self._is_met(driver.need):
            return False
        self._has_news = False
        driver.step()
        return True

    def _is_met(self, need: Need | None) -> bool:
        if need is Need.BODY:
            return self._at_end or (self._body is not None and self._body.is_whole)
        return super()._is_met(need)

    def _take_plain(self) -> bool:
        """Answer the next command in the lane, if it is a plain one and no fault may strike it."""
        if self._around.faults.is_on:
            return False
        inbox = self._inbox
        end = inbox.find(b"\n")
        if not 0 <= end < self.line_length_limit:
            return False
        line = bytes(inbox[:end]).rstrip(b"\r")
        text = line.decode("latin-1")
        name, _, argument = text.partition(" ")
        verb = LANE.get(name.upper())
        if verb is None or not (text.isascii() and text.isprintable()):
            return False
        del inbox[: end + 1]
        self._note(line, text)
        self._reset_timeout()
        reply = verb(self.conversation, argument.strip(" "))
        self._write(reply)
        self._replied(reply)
        if reply.code < 400 and (goes_on := THEN.get(verb)) is not None:
            goes_on(self)
        return True

    def _run(self, coroutine: Any) -> None:
        """Run a coroutine that the session goes on after."""
        self._command = Driver(self._guarded(coroutine), self.loop, self._go_on)
        self._command.step()

    async def _guarded(self, coroutine: Any) -> None:
        """Do with errors what aiosmtpd's loop does."""
        try:
            await coroutine
        except Exception as error:
            await self.handle_exception(error)

    # Messages

    def _begin_body(self) -> None:
        """Take a message from now on, within the budget of bytes in flight."""
        self._in_data = True
        self._made_progress()
        self._open_body(self._around.rules.size_limit)

    def _take_body(self, body: Body | Chunks) -> bool:
        """Keep a message that is whole; one that never will be ends the session."""
        if body.is_whole:
            self._body = None
            self._run(self._end_body(body))
            return True
        if self._at_end:
            self._drop_body()
            self._close()
        return False

    def _drop_body(self) -> None:
        self._body = None
        self._release()

    async def _end_body(self, body: Body | Chunks) -> None:
        try:
            await self._end_data(body.message)
        finally:
            self._release()

    async def _read_body(self, limit: int) -> bytes | None:
        body = self._open_body(limit)
        await self._until_whole(body)
        return body.message

    async def _until_whole(self, body: Body | Chunks) -> None:
        await parked(Need.BODY)
        self._body = None
        if not body.is_whole:
            raise asyncio.IncompleteReadError(b"", None)

    async def _read_chunk(self, octets: int, chunks: Chunks) -> None:
        chunks.begin(octets)
        self._body = chunks
        self._around.sessions.in_flight.take(self, chunks.held)
        behind = bytes(self._inbox[:octets])
        del self._inbox[:octets]
        self._feed(behind)
        await self._until_whole(chunks)

    def _open_body(self, limit: int) -> Body:
        body = self._body = Body(limit)
        self._around.sessions.in_flight.take(self, 0)
        if self._inbox:
            behind = bytes(self._inbox)
            self._inbox.clear()
            self._feed(behind)
        return body

    def _feed(self, data: bytes) -> None:
        """Give bytes to the message that is coming; what is behind it goes into the inbox."""
        body = self._body
        assert body is not None
        self._inbox += body.feed(data)
        self._around.sessions.in_flight.take(self, body.held)
        if body.made_progress():
            self._made_progress()

    def hold(self) -> None:
        """Receive nothing while too much is on its way into the store."""
        super().hold()
        self._hold_or_let_go()

    def let_go(self) -> None:
        """Receive again."""
        super().let_go()
        self._hold_or_let_go()

    def _must_hold(self) -> bool:
        return self._is_over_budget or super()._must_hold()


class FastLmtpProtocol(FastProtocol, LmtpProtocol):
    """One LMTP session of bindpost on the fast engine."""


def fast_sessions(
    surroundings: Surroundings, loop: asyncio.AbstractEventLoop
) -> Callable[[], FastProtocol]:
    """Give the factory of a listener's sessions."""
    limits, lmtp = surroundings.rules.limits, surroundings.rules.lmtp
    return prepare(
        FastLmtpProtocol if lmtp else FastProtocol,
        (LmtpProtocol if lmtp else SmtpProtocol)(surroundings, loop=loop),
        command_size_limits=EveryCommand(limits.command_line),
        receiving=ReceivingBuffer(),
        sweeper=Sweeper(loop, min(limits.command_timeout, limits.data_timeout)),
    )


LANE: Final[Mapping[str, Verb]] = {
    "HELO": Conversation.helo,
    "EHLO": Conversation.ehlo,
    "MAIL": Conversation.mail,
    "RCPT": Conversation.rcpt,
    "RSET": Conversation.rset,
    "NOOP": Conversation.noop,
    "DATA": Conversation.data,
    "QUIT": Conversation.quit,
}
"""What answers the commands that nearly all sessions are made of."""
THEN: Final[Mapping[Verb, Callable[[FastProtocol], None]]] = {
    Conversation.data: FastProtocol._begin_body,
    Conversation.quit: FastProtocol._close,
}
"""How it goes on behind a positive reply."""
