"""
The wire: the life of a connection and its talking, on aiosmtpd's SMTP.

aiosmtpd reads commands, bounds them, times them out, and runs AUTH; what it says itself is put into
the personality's words (`wording`). Each reply goes out in one write.
"""

from __future__ import annotations

import asyncio
import collections
import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Session as StockSession

from bindpost import events
from bindpost.config.fault import Stage
from bindpost.errors import StoreError
from bindpost.log import get_logger, is_heard
from bindpost.proxy.haproxy.signature import looks_like_header

from ..activity import Refusal
from ..message.model import Message, new_id, utc_now
from .body import Chunks
from .content_limits import bounds_content
from .conversation import Conversation
from .protocol_log import SessionLog
from .reader import AUTH_LIMIT, OVERLONG, SECRET, CommandReader
from .reply import Reply
from .sasl import MECHANISMS
from .surroundings import Surroundings
from .transcript import Recorder
from .wording import occasion_of

_NAME: Final = "bindpost.smtp"
_LOG: Final = get_logger(_NAME)
_LOGGER: Final = logging.getLogger(_NAME)


Verb = Callable[[str], Reply]
BAD_COMMAND: Final = frozenset({500, 501, 502, 503, 504, 535})
"""What is said to a command that is unknown, malformed or out of sequence, and to a wrong login."""
_NO_TLVS: Final[Mapping[str, str | int]] = {}
AUTH_LIMITS: Final = {"AUTH": AUTH_LIMIT, "XAUTH": AUTH_LIMIT}
"""The commands whose lines may be longer than others'."""
_BEGINS_LOGIN: Final = re.compile(rb"\s*X?AUTH\b", re.IGNORECASE)
_WORD: Final = re.compile(rb"\S+")
UNCLEAN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Control characters and what is not UTF-8: never part of a good argument."""


def _host_of(name: object) -> str | None:
    """Give the address in a socket's name, shared by its sessions; None for a Unix socket."""
    return sys.intern(str(name[0])) if isinstance(name, tuple) else None


def _format_peer(name: object) -> str | None:
    """Give a socket's name as `host:port`, None for a Unix socket."""
    host = _host_of(name)
    if host is None or not isinstance(name, tuple):
        return None
    return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"


class QuietSession(StockSession):
    """aiosmtpd's session, whose `login_data` is set by aiosmtpd itself at each AUTH."""

    login_data: Any = None


class OnceClosedWriter(asyncio.StreamWriter):
    """A writer that closes once: asyncio's TLS transport forgets its connection at the second."""

    def close(self) -> None:
        """Close, unless that has begun."""
        if not self.is_closing():
            super().close()


class SmtpWire(SMTP):
    """The life and the talking of one session; `SmtpProtocol` adds its commands."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    conversation: Conversation
    _session_id: str | None = None
    _log: SessionLog | None = None
    _kept_messages = False
    _at_start = True
    _in_command = True
    _in_data = False
    _draining = False
    _has_erred_too_often = False
    _bad_commands = 0
    _chunks: Chunks | None = None
    """What has come of a message by BDAT."""
    _unwanted: Chunks | None = None
    """A chunk that is being read away."""
    _expects_responses = False
    """Whether AUTH was said, or may have been, and nobody has logged in by it."""

    def __init__(self, surroundings: Surroundings, *, loop: asyncio.AbstractEventLoop) -> None:
        rules = surroundings.rules
        super().__init__(
            None,
            hostname=rules.hostname,
            enable_SMTPUTF8=rules.personality.smtputf8 or rules.policy.ims.accept_malformed821_adrs,
            tls_context=surroundings.tls_context,
            timeout=rules.limits.command_timeout,
            auth_require_tls=False,
            auth_exclude_mechanism=MECHANISMS - set(rules.mechanisms),
            loop=loop,
        )
        line = rules.limits.command_line
        self.command_size_limit = self.line_length_limit = line
        self._text_line = rules.limits.text_line
        self._bounds_content = bounds_content(rules.limits)
        if not rules.extends("CHUNKING"):
            del self._smtp_methods["BDAT"]  # an unknown command, and counted as one
        # aiosmtpd's own is one dictionary for the whole process, emptied by each __init__.
        self.command_size_limits = collections.defaultdict(lambda: line, AUTH_LIMITS)
        # Once more, with a reader that shows what it reads.
        asyncio.StreamReaderProtocol.__init__(
            self,
            CommandReader(self._heard, limit=line, loop=loop),
            client_connected_cb=self._cb_client_connected,
            loop=loop,
        )
        self._around = surroundings

    # Life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or go on inside TLS."""
        if self._original_transport is None:
            self._begin(transport)
        super().connection_made(transport)

    def _begin(self, transport: asyncio.BaseTransport) -> None:
        self._recorder = Recorder()
        self._started = utc_now()
        peername = transport.get_extra_info("peername")
        peer = self._peer_host = _host_of(peername)
        self._peer = _format_peer(peername)
        self.proxy_tlvs = transport.get_extra_info("proxy_tlvs") or _NO_TLVS
        rules = self._around.rules
        self.conversation = Conversation(
            rules,
            peer_host=peer,
            local_host=_host_of(transport.get_extra_info("sockname")),
            report=self._report,
            trusted=rules.trusted is not None and rules.trusted.trust(peername),
        )
        if self._around.protocol_log is not None:
            self._log = self._around.protocol_log.open(peer or "localhost")
        self._no_room = self._around.sessions.enter(self, peer)
        if not self._no_room and self._over_ims_limit():
            self._no_room = "too many sessions"

    def session_id(self) -> str:
        """
        Give the session's id, made when somebody asks: of most idle ones nobody does.

        No property: aiosmtpd looks into those of each session that it makes, and of the one that
        the fast engine makes its class of (`prepared`), too.
        """
        if self._session_id is None:
            self._session_id = new_id()
        return self._session_id

    def _cb_client_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # From Python 3.13 on, a writer that nobody holds any more closes its transport.
        self._first_writer = writer
        writer = OnceClosedWriter(writer.transport, self, reader, self.loop)
        super()._cb_client_connected(reader, writer)

    def connection_lost(self, error: Exception | None) -> None:
        """End the session; what was said since its last message is kept with it."""
        super().connection_lost(error)
        # asyncio keeps the error for wait_closed(), which nobody awaits, and would print it.
        self._closed.exception()  # type: ignore[attr-defined]  # StreamReaderProtocol's
        self._ended()

    def _ended(self) -> None:
        """Take leave; can be called twice."""
        self._forget_chunks()
        self._around.sessions.leave(self)
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._kept_messages:
            self._kept_messages = False
            self._around.sessions.afterwards(self._keep_rest())

    async def _keep_rest(self) -> None:
        try:
            await self._around.store.end_session(self.session_id(), self._recorder.lines)
        except StoreError as error:
            _LOG.warning("the end of a transcript was not kept", error=str(error))

    def eof_received(self) -> bool | None:
        """
        Let a client that has closed its sending side still get the replies to what it sent.

        TLS knows no half-open connection; there aiosmtpd ends the session.
        """
        if self.conversation.tls:
            return super().eof_received()
        return asyncio.StreamReaderProtocol.eof_received(self)

    def drain(self) -> None:
        """End with 421 as soon as no transaction is open (RFC 5321, 3.8)."""
        self._draining = True
        self._close_if_idle()

    def cut(self) -> None:
        """End now."""
        transport = self._original_transport or self.transport  # under TLS, the one below it
        if transport is not None:
            # Every transport that carries a session has it; uvloop's are no WriteTransport, though.
            cast("asyncio.WriteTransport", transport).abort()

    def _close_if_idle(self) -> None:
        idle = not self._in_command and self.conversation.transaction is None
        if idle and not self._writer.is_closing():
            self._write(self._farewell())
            self._close()

    def _farewell(self) -> Reply:
        """Give the reply that ends a session before its client does."""
        return self.conversation.say(
            "too_many_bad" if self._has_erred_too_often else "shutting_down"
        )

    @property
    def open_transaction(self) -> object | None:
        """The transaction that is open, or a chunk of none; its end is its message's."""
        return self.conversation.transaction or self._unwanted

    def end_transaction_now(self) -> None:
        """End in the middle of a transaction that has taken longer than limits.transaction_time."""
        if not self._writer.is_closing():
            self._report(events.CLIENT_DROPPED, reason="a transaction longer than the time limit")
            self._take_leave()

    def _take_leave(self) -> None:
        """Say goodbye and close, whatever is under way."""
        self._write(self._farewell())
        self._close_in_time()

    def end_session_soon(self) -> None:
        """End a session that has taken longer than limits.session_time, between transactions."""
        self._report(events.CLIENT_DROPPED, reason="a session longer than the time limit")
        self.drain()

    def _timeout_cb(self) -> None:
        """Report a client that fell silent, and close the connection."""
        if self._in_data:
            self._report(events.BODY_TIMEOUT, host=self.conversation.peer_host)
        else:
            self._report(events.CLIENT_DROPPED, reason="no command within the time limit")
        self._close_in_time()

    def _close_in_time(self) -> None:
        """Close; a client that does not take its last replies is cut after a command's time."""
        self._close()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_later(self._timeout_duration, self.cut)

    def _create_session(self) -> StockSession:
        session = QuietSession(self.loop)
        session.extended_smtp = True  # AUTH after HELO is for the conversation to judge
        return session

    async def _handle_client(self) -> None:
        """Admit the client or refuse it, then run aiosmtpd's command loop."""
        if refusal := self._refusal():
            await self._send(refusal)
            self._close()
            return
        await self._at_accept()
        if self._looks_up:
            await self._look_up()
        await super()._handle_client()

    async def _at_accept(self) -> None:
        """Let what strikes a connection strike."""

    async def _say_greeting(self) -> None:
        await self._send(self.conversation.greeting())

    def _refusal(self) -> Reply | None:
        """Give the reply that turns a client away, None when it is admitted."""
        refusal = self.conversation.admission()
        reason = "reject list"
        if refusal is None and self._no_room:
            refusal, reason = self.conversation.say("too_many_connections"), self._no_room
        if refusal is not None:
            self._report(events.SESSION_REFUSED, reason=reason)
        return refusal

    @property
    def _looks_up(self) -> bool:
        """Whether the client's name has to be known before the banner."""
        return not self._around.rules.policy.ims.disable_reverse_resolve

    async def _look_up(self) -> None:
        self.conversation.client_name = await self._around.lookup(
            self.conversation.peer_host, self._around.rules.limits.reverse_lookup
        )

    def _over_ims_limit(self) -> bool:
        return 0 < self._around.max_sessions < len(self._around.sessions)

    def _close(self) -> None:
        self._writer.close()

    async def handle_exception(self, error: Exception) -> str:
        """
        End the session after an error that only it can have; the service goes on.

        A client that went away in the middle of a line is no error.
        """
        if not isinstance(error, asyncio.IncompleteReadError | ConnectionError):
            _LOG.exception(events.INTERNAL_ERROR, **self._fields(), error=repr(error))
            self._write(self.conversation.say("internal_error"))
        self._close()
        raise asyncio.CancelledError

    async def _add(self, message: Message) -> bool:
        """Keep a message; it is durable afterwards. Tells whether it counts as delivered."""
        await self._around.store.add(message, self._recorder.lines)
        return True

    # Talking

    def _heard(self, line: bytes) -> bool:
        """
        Take note of a command line, secrets already replaced; after the end none is heard.

        Tells whether all of it may be one; aiosmtpd logs commands that it doesn't know.
        """
        if self._writer.is_closing():
            raise asyncio.CancelledError
        may_be_secret = self._expects_responses and self._may_be_response(line)
        if may_be_secret:
            line = SECRET
        elif _BEGINS_LOGIN.match(line) or line is OVERLONG:
            self._expects_responses = True
        self._note(line, line.decode("utf-8", "replace"))
        return may_be_secret

    def _may_be_response(self, line: bytes) -> bool:
        """
        Tell whether a line in a command's place may be a response of AUTH: a word, and no command.

        A client that doesn't wait sends it even when AUTH was refused.
        """
        word = _WORD.fullmatch(line)
        return word is not None and word[0].decode("latin-1").upper() not in self._smtp_methods

    def _note(self, line: bytes, text: str) -> None:
        if self._at_start:
            self._look_for_header(line)
        self._in_command = True
        self._recorder.add("C", text)
        if self._log is not None:
            self._log.received(line)

    def _look_for_header(self, line: bytes) -> None:
        """Tell of a load balancer's header that isn't expected here: it confuses clients."""
        self._at_start = not line or line == b"\0"  # version 2 begins with such lines
        if version := looks_like_header(line):
            self._at_start = False
            self._report(events.PROXY_HEADER_UNEXPECTED, version=version)

    def _write(self, reply: Reply) -> None:
        self._writer.write(self._noted(reply))

    def _noted(self, reply: Reply) -> bytes:
        """Take note of a reply, and give its bytes."""
        self._recorder.add_reply(reply)
        data = reply.encode()
        if self._log is not None:
            self._log.sent(data)
        if reply.code >= 400:
            self._note_refusal(reply)
        return data

    def _note_refusal(self, reply: Reply) -> None:
        """Tell of a refusal; after too many bad commands the session ends with the next reply."""
        peer = self.conversation.peer_host
        self._around.sessions.activity.refuse(Refusal(reply.code, peer, reply.text_lines[0]))
        if reply.code in BAD_COMMAND:
            self._bad_commands += 1
            if self._bad_commands == self._around.rules.limits.bad_commands:
                self._report(events.CLIENT_DROPPED, reason="too many bad commands")
                self._draining = self._has_erred_too_often = True
                self.conversation.transaction = None

    async def _send(self, reply: Reply) -> None:
        """Write a reply in one piece; the command is then over, unless it goes on (3yz)."""
        self._write(reply)
        await self._writer.drain()
        self._replied(reply)

    def _replied(self, reply: Reply) -> None:
        if reply.code // 100 != 3:
            self._end_command()

    def _end_command(self) -> None:
        self._in_command = False
        if self._chunks is not None and self.conversation.transaction is None:
            self._forget_chunks()
        if self._draining:
            self._close_if_idle()

    def _forget_chunks(self) -> None:
        """Let go of what has come of a message by BDAT, as nothing will come of it."""
        self._chunks = None

    async def push(self, status: str | bytes | None) -> None:
        """Say what aiosmtpd itself has to say, in the personality's words."""
        if status is None:  # nothing to say: handle_exception has ended the session
            return
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
        occasion = occasion_of(text)
        if occasion == "greeting":
            await self._say_greeting()
        elif occasion is not None:
            await self._send(self.conversation.say(occasion))
        else:
            await self._send(Reply.parse(text))

    async def _answer(self, verb: Verb, argument: str | None, stage: Stage | None = None) -> Reply:
        """Ask the conversation and send what it says; `stage` is where faults may strike."""
        reply = self._asked(verb, argument or "")
        await self._send(reply)
        return reply

    def _asked(self, verb: Verb, text: str) -> Reply:
        """Ask the conversation; control characters never get there."""
        return self.conversation.say("not_ascii") if UNCLEAN.search(text) else verb(text)

    def _report(self, event: events.EventType, **fields: object) -> None:
        if is_heard(_LOGGER, event):
            _LOG.info(event, **{**self._fields(), **fields})

    def _fields(self) -> dict[str, object]:
        return {
            "session": self.session_id(),
            "listener": self._around.listener,
            "peer": self._peer_host,
        }
