"""
The wire: aiosmtpd's SMTP, subclassed, speaking a conversation.

aiosmtpd reads commands, bounds them, times them out, and runs AUTH and STARTTLS; what it says
itself is put into the personality's words (`wording`). The verbs that carry mail ask the
`Conversation` and write its reply in one piece. This is the plain engine, the reference for a
faster one.
"""

from __future__ import annotations

import asyncio
import collections
import re
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, TLSSetupException
from aiosmtpd.smtp import Session as StockSession

from bindpost import events
from bindpost.errors import StoreError, StoreFullError
from bindpost.log import get_logger
from bindpost.proxy.haproxy.codec import looks_like_header

from ..message.model import Envelope, Message, SessionFacts, new_id, utc_now
from ..store.store import MessageStore
from .auth import Users, accepts
from .conversation import Conversation, Rules
from .protocol_log import ProtocolLog, SessionLog
from .reader import LINE_LIMIT, CommandReader, read_body
from .reply import Reply
from .reverse import Lookup, reverse_name
from .sessions import Sessions
from .transcript import Recorder
from .wording import occasion_of

_LOG: Final = get_logger("bindpost.smtp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the sessions of one listener have around them."""

    listener: str
    via: str
    rules: Rules
    store: MessageStore
    sessions: Sessions
    tls_context: ssl.SSLContext | None = None
    users: Users | None = None
    protocol_log: ProtocolLog | None = None
    lookup: Lookup = reverse_name
    """Gives a client's name from its address, within some seconds."""
    max_sessions: int = 0
    """IMS's limit of inbound connections; 0 = not limited (KB Q166584)."""


Verb = Callable[[str], Reply]
_UNCLEAN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Control characters and what is not UTF-8: never part of a good argument."""


def _verb(name: str) -> Callable[..., Coroutine[None, None, None]]:
    """Make aiosmtpd's method for a verb that only the conversation has to answer."""

    async def smtp_verb(self: SmtpProtocol, arg: str | None) -> None:
        await self._answer(getattr(self.conversation, name), arg)

    return smtp_verb


def _host_of(name: object) -> str | None:
    """Give the address in a socket's name, None for a Unix socket."""
    return str(name[0]) if isinstance(name, tuple) else None


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


class SmtpProtocol(SMTP):
    """One SMTP session on a transport of any kind."""

    command_size_limit = LINE_LIMIT
    line_length_limit = LINE_LIMIT
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, surroundings: Surroundings, *, loop: asyncio.AbstractEventLoop) -> None:
        rules = surroundings.rules
        super().__init__(
            None,
            hostname=rules.hostname,
            enable_SMTPUTF8=rules.personality.smtputf8 or rules.policy.ims.accept_malformed821_adrs,
            tls_context=surroundings.tls_context,
            timeout=rules.limits.command_timeout,
            auth_require_tls=False,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(rules.personality.auth_mechanisms),
            authenticator=self._authenticate_login,
            loop=loop,
        )
        # aiosmtpd's own is one dictionary for the whole process, emptied by each __init__.
        self.command_size_limits = collections.defaultdict(lambda: LINE_LIMIT)
        # Once more, with a reader that shows what it reads.
        asyncio.StreamReaderProtocol.__init__(
            self,
            CommandReader(self._heard, loop=loop),
            client_connected_cb=self._cb_client_connected,
            loop=loop,
        )
        self._around = surroundings
        self._recorder = Recorder()
        self._session_id = new_id()
        self._started = utc_now()
        self._log: SessionLog | None = None
        self._kept_messages = False
        self._at_start = True
        self._in_command = True
        self._in_data = False
        self._draining = False
        self.conversation: Conversation

    # Life of the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or go on inside TLS."""
        if self._original_transport is None:
            self._begin(transport)
            super().connection_made(transport)
        else:
            super().connection_made(transport)
            self.conversation.tls_started()

    def _begin(self, transport: asyncio.BaseTransport) -> None:
        peername = transport.get_extra_info("peername")
        peer = _host_of(peername)
        self._peer = _format_peer(peername)
        self.proxy_tlvs = transport.get_extra_info("proxy_tlvs") or {}
        self.conversation = Conversation(
            self._around.rules,
            peer_host=peer,
            local_host=_host_of(transport.get_extra_info("sockname")),
            report=self._report,
        )
        self.conversation.tls = transport.get_extra_info("sslcontext") is not None
        if self._around.protocol_log is not None:
            self._log = self._around.protocol_log.open(peer or "localhost")
        self._has_room = self._around.sessions.enter(self) and not self._over_ims_limit()

    def _cb_client_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer = OnceClosedWriter(writer.transport, self, reader, self.loop)
        super()._cb_client_connected(reader, writer)

    def connection_lost(self, error: Exception | None) -> None:
        """End the session; what was said since its last message is kept with it."""
        super().connection_lost(error)
        # asyncio keeps the error for wait_closed(), which nobody awaits, and would print it.
        self._closed.exception()  # type: ignore[attr-defined]  # StreamReaderProtocol's
        self._around.sessions.leave(self)
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._kept_messages:
            self._kept_messages = False
            self._around.sessions.afterwards(self._keep_rest())

    async def _keep_rest(self) -> None:
        try:
            await self._around.store.end_session(self._session_id, self._recorder.lines)
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
        self._close_if_drained()

    def cut(self) -> None:
        """End now."""
        transport = self._original_transport or self.transport  # under TLS, the one below it
        if transport is not None:
            # Every transport that carries a session has it; uvloop's are no WriteTransport, though.
            cast("asyncio.WriteTransport", transport).abort()

    def _close_if_drained(self) -> None:
        idle = not self._in_command and self.conversation.transaction is None
        if self._draining and idle and not self._writer.is_closing():
            self._write(self.conversation.say("shutting_down"))
            self._close()

    def _timeout_cb(self) -> None:
        """
        Report a client that fell silent, and close the connection.

        A client that does not take its last replies either is cut after the same time again.
        """
        if self._in_data:
            self._report(events.BODY_TIMEOUT, host=self.conversation.peer_host)
        else:
            self._report(events.CLIENT_DROPPED, reason="no command within the time limit")
        self._close()
        self._timeout_handle = self.loop.call_later(self._timeout_duration, self.cut)

    def _create_session(self) -> StockSession:
        session = QuietSession(self.loop)
        session.extended_smtp = True  # AUTH after HELO is for the conversation to judge
        return session

    async def _handle_client(self) -> None:
        """Admit the client or refuse it, then run aiosmtpd's command loop."""
        refusal = self.conversation.admission()
        reason = "reject list"
        if refusal is None and not self._has_room:
            refusal, reason = self.conversation.say("too_many_connections"), "too many sessions"
        if refusal is not None:
            self._report(events.SESSION_REFUSED, reason=reason)
            await self._send(refusal)
            self._close()
            return
        if not self._around.rules.policy.ims.disable_reverse_resolve:
            self.conversation.client_name = await self._around.lookup(
                self.conversation.peer_host, self._around.rules.limits.reverse_lookup
            )
        await super()._handle_client()

    def _over_ims_limit(self) -> bool:
        return 0 < self._around.max_sessions < len(self._around.sessions)

    def _close(self) -> None:
        self._writer.close()

    async def handle_exception(self, error: Exception) -> str:
        """
        End the session after an error that only it can have; the service goes on.

        A client that went away in the middle of a line is no error.
        """
        if isinstance(error, TLSSetupException):
            self._report(events.TLS_FAILED, error=repr(error.__cause__))
        elif not isinstance(error, asyncio.IncompleteReadError | ConnectionError):
            _LOG.exception(events.INTERNAL_ERROR, **self._fields(), error=repr(error))
            self._write(self.conversation.say("internal_error"))
        self._close()
        raise asyncio.CancelledError

    # Talking

    def _heard(self, line: bytes) -> None:
        """Take note of a command line, secrets already replaced; after the end none is heard."""
        if self._writer.is_closing():
            raise asyncio.CancelledError
        if self._at_start:
            self._look_for_header(line)
        self._in_command = True
        self._recorder.add("C", line.decode("utf-8", "replace"))
        if self._log is not None:
            self._log.received(line)

    def _look_for_header(self, line: bytes) -> None:
        """Tell of a load balancer's header that isn't expected here: it confuses clients."""
        self._at_start = not line or line == b"\0"  # version 2 begins with such lines
        if version := looks_like_header(line):
            self._at_start = False
            self._report(events.PROXY_HEADER_UNEXPECTED, version=version)

    def _write(self, reply: Reply) -> None:
        for line in reply.text_lines:
            self._recorder.add("S", line)
        data = reply.encode()
        if self._log is not None:
            self._log.sent(data)
        self._writer.write(data)

    async def _send(self, reply: Reply) -> None:
        """Write a reply in one piece; the command is then over, unless it goes on (3yz)."""
        self._write(reply)
        await self._writer.drain()
        if reply.code // 100 != 3:
            self._end_command()

    def _end_command(self) -> None:
        self._in_command = False
        self._close_if_drained()

    async def push(self, status: str | bytes | None) -> None:
        """Say what aiosmtpd itself has to say, in the personality's words."""
        if status is None:  # nothing to say: handle_exception has ended the session
            return
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
        occasion = occasion_of(text)
        if occasion == "greeting":
            await self._send(self.conversation.greeting())
        elif occasion == "starttls_ready":  # the command goes on with the handshake
            self._write(self.conversation.say(occasion))
        elif occasion is not None:
            await self._send(self.conversation.say(occasion))
        else:
            await self._send(Reply.parse(text))

    async def _answer(self, verb: Verb, argument: str | None) -> Reply:
        """Ask the conversation and send what it says; control characters never get there."""
        text = argument or ""
        reply = self.conversation.say("not_ascii") if _UNCLEAN.search(text) else verb(text)
        await self._send(reply)
        return reply

    def _report(self, event: events.EventType, **fields: object) -> None:
        _LOG.info(event, **{**self._fields(), **fields})

    def _fields(self) -> dict[str, object]:
        return {
            "session": self._session_id,
            "listener": self._around.listener,
            "peer": self.conversation.peer_host,
        }

    # Verbs

    smtp_HELO = _verb("helo")
    smtp_EHLO = _verb("ehlo")
    smtp_MAIL = _verb("mail")
    smtp_RCPT = _verb("rcpt")
    smtp_RSET = _verb("rset")
    smtp_NOOP = _verb("noop")
    smtp_HELP = _verb("help")
    smtp_VRFY = _verb("vrfy")
    smtp_EXPN = _verb("expn")
    smtp_SOML = _verb("not_implemented")
    smtp_SAML = _verb("not_implemented")
    smtp_TURN = _verb("turn")
    smtp_ETRN = _verb("etrn")

    async def smtp_QUIT(self, arg: str | None) -> None:
        """Say goodbye and close."""
        reply = await self._answer(self.conversation.quit, arg)
        if reply.is_positive:
            self._close()

    async def smtp_DATA(self, arg: str | None) -> None:
        """Take a message and keep it; the reply comes after it is durable."""
        reply = await self._answer(self.conversation.data, arg)
        if reply.code != 354:
            return
        limits = self._around.rules.limits
        self._in_data = True
        self._reset_timeout(limits.data_timeout)
        body = await read_body(
            self._reader,
            limit=self._around.rules.size_limit,
            progress=lambda: self._reset_timeout(limits.data_timeout),
        )
        self._in_data = False
        self._reset_timeout()
        await self._send(await self._keep(self.conversation.end_transaction(), body))

    async def _keep(self, envelope: Envelope, body: bytes | None) -> Reply:
        """Keep a message and give the reply: 250 only when it is durable."""
        if body is None:
            return self.conversation.say("message_too_big")
        if self._log is not None:
            self._log.data(body)
        self._recorder.add("-", f"{len(body)} octets of data")
        message = Message(new_id(), utc_now(), envelope, self._facts(), body)
        try:
            await self._around.store.add(message, self._recorder.lines)
        except StoreFullError as error:
            needed = len(body) // 1024 + 1
            self._report(events.DISK_LOW, kilobytes=needed, error=str(error))
            return self.conversation.say("message_full")
        except StoreError as error:
            self._report(events.STORE_FAILED, error=str(error))
            return self.conversation.say("message_failed")
        self._kept_messages = True
        self._report(
            events.MESSAGE_RECEIVED,
            sender=envelope.reverse_path,
            file=message.id,
            host=self.conversation.peer_host or "localhost",
            recipients=len(envelope.recipients),
        )
        return self.conversation.say("message_ok", id=message.id)

    def _facts(self) -> SessionFacts:
        talk = self.conversation
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        cipher = tls.cipher() if tls is not None else None
        return SessionFacts(
            session_id=self._session_id,
            started=self._started,
            listener=self._around.listener,
            via=self._around.via,
            personality=self._around.rules.personality.name,
            peer=self._peer,
            helo=talk.helo_name,
            esmtp=talk.esmtp,
            tls_version=tls.version() if tls is not None else None,
            tls_cipher=cipher[0] if cipher else None,
            login=talk.login,
            proxy_tlvs=self.proxy_tlvs,
        )

    async def smtp_XEXCH50(self, arg: str | None) -> None:
        """Read Exchange's binary properties away (MS03-046: the length is checked)."""
        text = arg or ""
        if _UNCLEAN.search(text):
            await self._send(self.conversation.say("not_ascii"))
            return
        reply, octets = self.conversation.xexch50(text)
        await self._send(reply)
        if octets:
            await self._reader.readexactly(octets)
            await self._send(self.conversation.say("xexch50_done"))

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """Start TLS; inside TLS, and where no key is installed, there is none to start."""
        if self.conversation.tls or not self.conversation.offers_tls:
            await self._send(self.conversation.say("starttls_unavailable"))
        else:
            await super().smtp_STARTTLS(arg or "")
            if self._original_transport is not None and not self.conversation.tls:
                # asyncio does not tell of a connection that was closed here during the handshake.
                raise TLSSetupException from ConnectionAbortedError("closed during the handshake")
            if self.conversation.tls:
                self._end_command()

    async def smtp_TLS(self, arg: str | None) -> None:
        """Start TLS by the older name that IMS lists beside STARTTLS."""
        if self._around.rules.extends("TLS"):
            await self.smtp_STARTTLS(arg)
        else:
            await self._send(self.conversation.say("unknown_command"))

    async def smtp_AUTH(self, arg: str | None) -> None:
        """Log in, by aiosmtpd's mechanisms; their names have no case (RFC 4422, 3.1)."""
        if not self._around.rules.auth_offered:
            await self._send(self.conversation.say("unknown_command"))
            return
        mechanism, _, response = (arg or "").partition(" ")
        await super().smtp_AUTH(f"{mechanism.upper()} {response}".strip())

    async def smtp_XAUTH(self, arg: str | None) -> None:
        """Log in by the name that Exchange 5.0 had for AUTH (KB Q195201)."""
        if self._around.rules.extends("XAUTH"):
            await self.smtp_AUTH(arg)
        else:
            await self._send(self.conversation.say("unknown_command"))

    async def check_helo_needed(self, helo: str = "HELO") -> bool:
        """Tell whether AUTH has to wait for EHLO, and say so; IMS never asks for it."""
        needed = (
            self._around.rules.personality.helo_required and self.conversation.helo_name is None
        )
        if needed:
            await self._send(self.conversation.say("send_helo"))
        return needed

    def _authenticate_login(
        self, _server: SMTP, _session: object, _envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        name = data.login.decode("utf-8", "replace")
        if accepts(self._around.users, data.login, data.password):
            self.conversation.login = name
            said = self.conversation.say("auth_ok", mechanism=mechanism)
            return AuthResult(success=True, message=said.text_lines[0], auth_data=data)
        self._report(
            events.AUTH_FAILED,
            mechanism=mechanism,
            host=self.conversation.peer_host or "localhost",
            user=name,
            error="Logon failure: unknown user name or bad password.",
        )
        said = self.conversation.say("auth_failed")
        return AuthResult(success=False, handled=False, message=said.text_lines[0])
