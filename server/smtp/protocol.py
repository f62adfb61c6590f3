"""
The commands: each asks the conversation and sends what it says.

Together with `wire` this is the plain engine, the reference for a faster one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial

from bindpost import events
from bindpost.config.fault import Stage
from bindpost.errors import StoreAwayError, StoreError, StoreFullError

from ..message.model import Envelope, Message, SessionFacts, new_id, utc_now
from .body import Chunks
from .content_limits import excess_of
from .extensions import Chunk, parse_chunk
from .logging_in import LoggingIn
from .reader import has_longer_line, read_away
from .reply import Reply
from .surroundings import Surroundings
from .wire import UNCLEAN

__all__ = ["SmtpProtocol", "Surroundings", "verb"]


def verb(name: str, stage: Stage | None = None) -> Callable[..., Coroutine[None, None, None]]:
    """Make aiosmtpd's method for a verb that only the conversation has to answer."""

    async def smtp_verb(self: SmtpProtocol, arg: str | None) -> None:
        await self._answer(getattr(self.conversation, name), arg, stage)

    return smtp_verb


class SmtpProtocol(LoggingIn):
    """One SMTP session on a transport of any kind."""

    _known: tuple[object, SessionFacts] | None = None

    smtp_HELO = verb("helo", "HELO")
    smtp_EHLO = verb("ehlo", "EHLO")
    smtp_MAIL = verb("mail", "MAIL")
    smtp_RCPT = verb("rcpt", "RCPT")
    smtp_RSET = verb("rset", "RSET")
    smtp_NOOP = verb("noop")
    smtp_HELP = verb("help")
    smtp_VRFY = verb("vrfy")
    smtp_EXPN = verb("expn")
    smtp_SOML = verb("not_implemented")
    smtp_SAML = verb("not_implemented")
    smtp_TURN = verb("turn")
    smtp_ETRN = verb("etrn")
    smtp_XFORWARD = verb("xforwarded")

    async def smtp_QUIT(self, arg: str | None) -> None:
        """Say goodbye and close."""
        reply = await self._answer(self.conversation.quit, arg, "QUIT")
        if reply.is_positive:
            self._close()

    async def smtp_DATA(self, arg: str | None) -> None:
        """Take a message and keep it; the reply comes after it is durable."""
        reply = await self._answer(self.conversation.data, arg, "DATA")
        if not reply.is_positive:
            return
        self._in_data = True
        self._made_progress()
        limit, tap = self._around.rules.size_limit, self._make_tap()
        try:
            body = await (self._read_lines(limit, tap) if tap else self._read_body(limit))
            await self._end_data(body)
        finally:
            self._release()

    async def _end_data(self, body: bytes | None) -> None:
        """Keep a message that has come, None if it is too large, and say so."""
        self._leave_data()
        struck = self._strike("end-of-data", raw=body) if self._around.faults.is_on else ()
        envelope = self.conversation.end_transaction()
        kept = await self._say_under(struck, partial(self._keep, envelope, body))
        if not kept.is_positive:
            self._around.sessions.activity.reject()

    def _leave_data(self) -> None:
        self._in_data = False
        self._reset_timeout()

    async def _read_body(self, limit: int) -> bytes | None:
        """Give the message that follows, None if it is larger than the limit."""
        return await self._read_lines(limit)

    async def smtp_BDAT(self, arg: str | None) -> None:
        """
        Take a chunk of a message, and after the last one keep it (RFC 3030, 2).

        Whatever is wrong, the octets that it announces are read away. If it announces none, what
        follows could be a message, which is not to be taken for commands.
        """
        try:
            await self._answer_bdat(parse_chunk(arg or ""))
        finally:
            if self._chunks is None:  # those before this one count as in flight, too
                self._release()

    async def _answer_bdat(self, chunk: Chunk | None) -> None:
        if chunk is None:
            await self._send(self.conversation.say("bdat_syntax"))
            self._close()
        elif refusal := self.conversation.bdat():
            await self._refuse_chunk(chunk, refusal)
        else:
            await self._take_chunk(chunk)

    async def _take_chunk(self, chunk: Chunk) -> None:
        limit = self._around.rules.size_limit
        chunks = self._chunks or self._begin_chunks(limit)
        if chunks.size + chunk.octets > limit:
            self.conversation.fail_transaction()
            self._around.sessions.activity.reject()
            await self._refuse_chunk(chunk, self.conversation.say("message_too_big"))
            return
        await self._read_octets(chunk.octets, chunks)
        if chunk.is_last:
            self._chunks = self._tap = None
            await self._end_data(chunks.message)
        else:
            await self._send(self.conversation.say("bdat_ok", octets=chunk.octets))

    async def _refuse_chunk(self, chunk: Chunk, refusal: Reply) -> None:
        """Read a chunk away, then say why; the last one ends its transaction all the same."""
        self._forget_chunks()
        self._unwanted = Chunks(0)
        await self._read_octets(chunk.octets, self._unwanted)
        self._unwanted = None
        if chunk.is_last and self.conversation.transaction is not None:
            self.conversation.end_transaction()
        await self._send(refusal)

    async def _read_octets(self, octets: int, chunks: Chunks) -> None:
        self._in_data = True
        self._made_progress()
        await (self._read_chunk_under if self._tap else self._read_chunk)(octets, chunks)
        self._in_data = False
        self._reset_timeout()

    async def _read_chunk(self, octets: int, chunks: Chunks) -> None:
        """Read the chunk that follows."""
        await self._read_chunk_under(octets, chunks)

    async def _keep(self, envelope: Envelope, body: bytes | None) -> Reply:
        """Keep a message and give the reply: 250 only when it is durable."""
        if body is None:
            return self.conversation.say("message_too_big")
        if self._text_line and has_longer_line(body, self._text_line):
            return self.conversation.say("line_too_long")
        limits = self._around.rules.limits
        if self._bounds_content and (excess := await excess_of(body, limits)):
            return self._refused_content(excess)
        if self._log is not None:
            self._log.data(body)
        self._recorder.add("-", f"{len(body)} octets of data")
        message = Message(new_id(), utc_now(), envelope, self._facts(), body)
        try:
            is_delivered = await self._add(message)
        except StoreFullError as error:
            needed = len(body) // 1024 + 1
            self._report(events.DISK_LOW, kilobytes=needed, error=str(error))
            return self.conversation.say("message_full")
        except StoreError as error:
            if not isinstance(error, StoreAwayError) or self._around.sessions.outage.refuse():
                self._report(events.STORE_FAILED, error=str(error))
            return self.conversation.say("message_failed")
        self._around.sessions.outage.end()
        self._kept_messages = True
        if is_delivered and self._around.rules.personality.honours_dsn:
            await self._around.bounces.confirm(message)
        self._around.sessions.activity.accept(len(body), message.session.listener)
        if self._around.sessions.receipts.tells_of(len(body)):
            self._report(
                events.MESSAGE_RECEIVED,
                sender=envelope.reverse_path,
                file=message.id,
                host=self.conversation.peer_host or "localhost",
                recipients=len(envelope.recipients),
            )
        return self.conversation.say("message_ok", id=message.id)

    def _refused_content(self, excess: str) -> Reply:
        """Give the reply to a message that is above a limit of ours, which no personality knows."""
        enhanced = "5.6.0 " if self._around.rules.extends("ENHANCEDSTATUSCODES") else ""
        return Reply(554, (f"{enhanced}Message refused: {excess}",))

    def _facts(self) -> SessionFacts:
        """Give what is known of the session; the same object as long as that is the same."""
        talk = self.conversation
        told = (talk.helo_name, talk.esmtp, talk.login, talk.tls, talk.xclient, talk.xforward)
        if self._known is None or self._known[0] != told:
            self._known = (told, self._find_facts())
        return self._known[1]

    def _find_facts(self) -> SessionFacts:
        talk = self.conversation
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        cipher = tls.cipher() if tls is not None else None
        return SessionFacts(
            session_id=self.session_id(),
            started=self._started,
            listener=self._around.listener,
            via=self._around.via,
            personality=self._around.rules.personality.name,
            peer=self._peer,
            helo=talk.helo_name,
            esmtp=talk.esmtp,
            lmtp=self._around.rules.lmtp,
            tls_version=tls.version() if tls is not None else None,
            tls_cipher=cipher[0] if cipher else None,
            login=talk.login,
            client_certificate=talk.certificate,
            proxy_tlvs=self.proxy_tlvs,
            xclient=talk.xclient,
            xforward=talk.xforward,
            node=self._around.node,
        )

    async def smtp_XCLIENT(self, arg: str | None) -> None:
        """Go on with another client, as if it had just connected."""
        text = arg or ""
        unclean = self.conversation.say("not_ascii") if UNCLEAN.search(text) else None
        if refusal := unclean or self.conversation.xclient_taken(text):
            await self._send(refusal)
            return
        if self.session is not None:
            self.session.authenticated = self.conversation.login is not None
        if refusal := self._refusal():
            await self._send(refusal)
            self._close()
            return
        await self._at_accept()
        await self._say_greeting()

    async def smtp_XEXCH50(self, arg: str | None) -> None:
        """Read Exchange's binary properties away (MS03-046: the length is checked)."""
        text = arg or ""
        if UNCLEAN.search(text):
            await self._send(self.conversation.say("not_ascii"))
            return
        reply, octets = self.conversation.xexch50(text)
        await self._send(reply)
        if octets:
            await read_away(self._reader, octets)
            await self._send(self.conversation.say("xexch50_done"))

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """Start TLS; inside TLS, and where no key is installed, there is none to start."""
        if self.conversation.tls or not self.conversation.offers_tls:
            await self._send(self.conversation.say("starttls_unavailable"))
        elif not (self._around.faults.is_on and await self._refuse_tls()):
            if arg:
                await self._send(self.conversation.say("starttls_syntax"))
                return
            self._write(self.conversation.say("starttls_ready"))
            await self._writer.drain()  # before TLS takes the connection
            self._begin_handshake()
            await self._end_handshake()
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
        if self.conversation.transaction is not None:  # RFC 4954, 4
            await self._send(self.conversation.say("mail_nested"))
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
