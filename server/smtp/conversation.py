"""
Conversation: what the server answers to each command, without any I/O.

One object per session. Every verb takes the command's argument and gives the reply; the wire engine
writes it. Wording comes from the personality, decisions from the policy, so the same verbs serve
every engine and every personality.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bindpost import events

from ..message.model import ClientCertificate, Envelope, Recipient
from .extensions import is_dsn_value, needs_chunks
from .grammar import (
    MalformedAddressError,
    MalformedParameterError,
    Parameters,
    is_parameter_value,
    parse_parameters,
    split_path,
    strip_keyword,
)
from .origin import (
    NOTHING,
    XCLIENT,
    XFORWARD,
    Attributes,
    BadAttributeError,
    Told,
    UnknownAttributeError,
    available,
    read_attributes,
)
from .policy import address_of
from .reply import Reply
from .rules import Circumstances, Rules
from .transaction import Transaction

XEXCH50_LIMIT: Final = 1 << 20
"""Octets of an XEXCH50 blob that are read away. Its missing check was MS03-046."""

Report = Callable[..., None]


class Conversation:
    """
    The state of one session and its answers.

    `peer_host` is the client's address (None for a Unix socket), `local_host` the address that it
    dialled, `client_name` its reverse name where one was looked up; XCLIENT changes them, if the
    real client is `trusted`. `xclient` is what that has told, `xforward` what XFORWARD told of the
    last transaction. `report` logs an event of the catalogue with its fields.
    """

    __slots__ = (
        *("_forwarded", "_local", "_peer", "_report", "certificate", "client_name", "esmtp"),
        *("helo_name", "login", "peer_host", "rules", "tls", "transaction", "trusted"),
        *("xclient", "xforward"),
    )

    def __init__(
        self,
        rules: Rules,
        *,
        peer_host: str | None,
        local_host: str | None,
        report: Report,
        client_name: str | None = None,
        trusted: bool = False,
    ) -> None:
        self.rules = rules
        self.peer_host = peer_host
        self.client_name = client_name
        self.helo_name: str | None = None
        self.esmtp = False
        self.tls = False
        self.certificate: ClientCertificate | None = None
        self.login: str | None = None
        self.transaction: Transaction | None = None
        self.trusted = trusted
        self.xclient = self.xforward = self._forwarded = NOTHING
        self._peer = address_of(peer_host)
        self._local = address_of(local_host)
        self._report = report

    def say(self, occasion: str, **fields: object) -> Reply:
        """Give the personality's reply for an occasion."""
        phrases = self.rules.phrases
        if (ready := phrases.ready.get(occasion)) is not None:
            return ready
        fields["client"] = self.client_name or self.peer_host or "localhost"
        return phrases.say(occasion, fields)

    # Connection

    def admission(self) -> Reply | None:
        """Give the reply that refuses the connection, None when the host may connect."""
        return None if self.rules.policy.admits(self._peer) else self.say("access_denied")

    def greeting(self) -> Reply:
        """Give the banner."""
        extended = self.rules.policy.ims.advertise_smtp_extensions
        return self.say("greeting" if extended else "greeting_plain")

    def tls_started(self, certificate: ClientCertificate | None) -> None:
        """Forget what was learned before TLS (RFC 3207, 4.2)."""
        self.tls = True
        self.certificate = certificate
        self.helo_name = self.login = self.transaction = None
        self.esmtp = False
        self._forwarded = NOTHING

    @property
    def offers_tls(self) -> bool:
        """Whether STARTTLS is offered to this client now."""
        hidden = self.rules.policy.ims.hide_tls_from_loopback and (
            self._peer is None or self._peer.is_loopback
        )
        return self.rules.tls_available and not self.tls and not hidden

    # HELO, EHLO, LHLO

    def helo(self, argument: str) -> Reply:
        """Answer HELO; it resets the transaction. LMTP has none (RFC 2033, 4.1)."""
        if self.rules.lmtp:
            return self.say("unknown_command")
        reply = self.say("helo" if argument else "helo_missing", helo=argument)
        if reply.is_positive:
            self._greet(argument, esmtp=False)
        return reply

    def ehlo(self, argument: str) -> Reply:
        """Answer EHLO with the keyword list; 4.0 knew no EHLO (smtpscan), LMTP has none."""
        if self.rules.lmtp:
            return self.say("unknown_command")
        if not self.rules.personality.extensions:
            return self.say("ehlo_refused")
        return self.lhlo(argument)

    def lhlo(self, argument: str) -> Reply:
        """Answer LHLO, with which LMTP greets, as EHLO is answered (RFC 2033, 4.1)."""
        if not argument and not (missing := self.say("helo_missing")).is_positive:
            return missing
        self._greet(argument, esmtp=True)
        hello = self.say("ehlo", helo=argument)
        now = Circumstances(self.offers_tls, self.tls, self.certificate is not None, self.trusted)
        return Reply(hello.code, (*hello.lines, *self.rules.keywords[now]))

    def _greet(self, name: str, *, esmtp: bool) -> None:
        self.helo_name = name
        self.esmtp = esmtp
        self.transaction = None
        self._forwarded = NOTHING

    # The mail transaction

    def mail(self, argument: str) -> Reply:
        """Answer MAIL (RFC 5321, 4.1.1.2); opens a transaction."""
        if refusal := self._not_yet():
            return refusal
        if self.transaction is not None:
            return self.say("mail_nested")
        text = strip_keyword("FROM:", argument)
        if not text:
            return self.say("mail_syntax")
        parsed = self._path_and_parameters(text, self.rules.personality.mail_parameters)
        if isinstance(parsed, Reply):
            return parsed
        address, parameters = parsed
        size = parameters.get("SIZE")
        if size is not None and int(size) > self.rules.size_limit:
            return self.say("mail_too_big")
        self.transaction = Transaction(address, parameters)
        self.xforward, self._forwarded = self._forwarded, NOTHING
        return self.say("mail_ok" if size is None else "mail_ok_size", address=address, size=size)

    def rcpt(self, argument: str) -> Reply:
        """Answer RCPT (RFC 5321, 4.1.1.3); adds a recipient to the transaction."""
        if refusal := self._not_yet():
            return refusal
        if self.transaction is None:
            return self.say("need_mail")
        if self.transaction.is_chunked:
            return self.say("bdat_begun")
        text = strip_keyword("TO:", argument)
        if not text:
            return self.say("rcpt_syntax")
        parsed = self._path_and_parameters(text, self.rules.personality.rcpt_parameters)
        if isinstance(parsed, Reply):
            return parsed
        address, parameters = parsed
        if not address:
            return self.say("malformed_address", argument=text)
        octets = self.transaction.octets + len(argument)
        if self._are_too_many(count := len(self.transaction.recipients), octets):
            self._report(events.RECIPIENTS_EXCEEDED, limit=count)
            return self.say("rcpt_too_many")
        if not self._may_relay(address):
            self._report(events.RELAY_REFUSED, recipient=address)
            return self.say("relay_denied", address=address)
        self.transaction.recipients.append(Recipient(address, parameters))
        self.transaction.octets = octets
        return self.say("rcpt_ok", address=address)

    def _are_too_many(self, recipients: int, octets: int) -> bool:
        """Tell whether so many are there that the next one, by which it is so much, has no room."""
        limits = self.rules.limits
        return recipients >= limits.recipients or octets > limits.envelope_size

    def _may_relay(self, address: str) -> bool:
        return self.rules.policy.may_relay(
            address, peer=self._peer, local=self._local, authenticated=self.login is not None
        )

    def _path_and_parameters(
        self, text: str, known: tuple[str, ...]
    ) -> tuple[str, Parameters] | Reply:
        """Read a path and its parameters, or give the reply that says what is wrong with them."""
        try:
            address, rest = split_path(text, lenient=self.rules.policy.ims.accept_malformed821_adrs)
            parameters = parse_parameters(rest) if rest else {}
        except MalformedAddressError:
            return self.say("malformed_address", argument=text)
        except MalformedParameterError as error:
            return self.say("parameter_bad", argument=error)
        for keyword, value in parameters.items():
            if keyword not in known or (keyword == "REQUIRETLS" and not self.tls):
                return self.say("parameter_unknown", argument=keyword)
            if not self._is_good(keyword, value):
                return self.say("parameter_bad", argument=keyword)
        return address, parameters

    def _is_good(self, keyword: str, value: str | None) -> bool:
        """Tell whether a parameter may have this value; IMS's checks are looser than RFC 3461."""
        if keyword == "BODY" and needs_chunks(value):
            return self.rules.extends("CHUNKING") and self.rules.extends("BINARYMIME")
        return is_parameter_value(keyword, value) and (
            not self.rules.personality.honours_dsn or is_dsn_value(keyword, value)
        )

    def data(self, argument: str) -> Reply:
        """Answer DATA: 354, or why not; never in a transaction that is BDAT's (RFC 3030, 2, 3)."""
        if refusal := self._no_recipients():
            return refusal
        assert self.transaction is not None
        if self.transaction.is_chunked or needs_chunks(self.transaction.parameters.get("BODY")):
            self.transaction.has_failed = True
            return self.say("bdat_begun" if self.transaction.is_chunked else "bdat_required")
        return self.say("data_syntax" if argument else "data_start")

    def bdat(self) -> Reply | None:
        """Give the reply that refuses a chunk of any size, None if it may come (RFC 3030, 2)."""
        if refusal := self._no_recipients():
            return refusal
        assert self.transaction is not None
        if self.transaction.has_failed:
            return self.say("bdat_failed")
        self.transaction.is_chunked = True
        return None

    def _no_recipients(self) -> Reply | None:
        """Give the reply to a message that nobody is to get, None if somebody is."""
        if refusal := self._not_yet():
            return refusal
        if self.transaction is None:
            return self.say("need_mail")
        return None if self.transaction.recipients else self.say("need_rcpt")

    def fail_transaction(self) -> None:
        """Let nothing come of the transaction; RSET clears it."""
        assert self.transaction is not None
        self.transaction.has_failed = True

    def end_transaction(self) -> Envelope:
        """Close the transaction whose message has come and give its envelope."""
        assert self.transaction is not None
        envelope = self.transaction.envelope()
        self.transaction = None
        return envelope

    def is_in_turn(self, verb: str) -> bool:
        """Tell whether MAIL, RCPT or DATA may come now; others may at any time."""
        transaction = self.transaction
        if verb == "MAIL":
            return transaction is None and self._not_yet() is None
        if verb not in ("RCPT", "DATA"):
            return True
        if transaction is None or transaction.is_chunked:
            return False
        return verb == "RCPT" or bool(transaction.recipients)

    def _not_yet(self) -> Reply | None:
        """Give the reply for a command that needs HELO or a login first, None if it may run."""
        if self.rules.personality.helo_required and self.helo_name is None:
            return self.say("send_helo")
        if self.rules.policy.ims.require_authentication and self.login is None:
            return self.say("auth_required")
        return None

    # Another client's facts

    def xclient_taken(self, argument: str) -> Reply | None:
        """
        Take another client for the real one (Postfix's XCLIENT_README).

        Gives the reply that refuses it. None: the session is where a connection begins, with this
        client, which is to be admitted and greeted.
        """
        told = self._told_by("XCLIENT", XCLIENT, argument)
        if isinstance(told, Reply):
            return told
        self.xclient = {**self.xclient, **told}
        if "NAME" in told or "ADDR" in told:
            self.client_name = available(told, "NAME")
        if "ADDR" in told:
            self.peer_host = available(told, "ADDR")
            self._peer = address_of(self.peer_host)
        if "DESTADDR" in told:
            self._local = address_of(available(told, "DESTADDR"))
        self.helo_name, self.login = available(told, "HELO"), available(told, "LOGIN")
        self.esmtp = told.get("PROTO") == "ESMTP"
        self._forwarded = NOTHING
        return None

    def xforwarded(self, argument: str) -> Reply:
        """Answer XFORWARD: notes for the next transaction, and nothing else (XFORWARD_README)."""
        told = self._told_by("XFORWARD", XFORWARD, argument)
        if isinstance(told, Reply):
            return told
        self._forwarded = {**self._forwarded, **told}
        return self.say("xforward_ok")

    def _told_by(self, verb: str, known: Attributes, argument: str) -> Told | Reply:
        """Read what is told, or give the reply that refuses it; checked in Postfix's order."""
        if not self.rules.extends(verb):
            return self.say("unknown_command", argument=verb)
        if self.transaction is not None:
            return self.say("origin_nested")
        if not argument:
            return self.say("origin_syntax", argument=verb)
        if not self.trusted:
            return self.say("origin_denied")
        try:
            return read_attributes(argument, known)
        except UnknownAttributeError as error:
            return self.say("origin_attribute", argument=error)
        except BadAttributeError as error:
            return self.say("origin_value", argument=error)

    # The other commands

    def rset(self, _argument: str) -> Reply:
        """Answer RSET; drops the transaction."""
        self.transaction = None
        self._forwarded = NOTHING
        return self.say("rset")

    def noop(self, _argument: str) -> Reply:
        """Answer NOOP."""
        return self.say("noop")

    def help(self, _argument: str) -> Reply:
        """Answer HELP."""
        return self.say("help")

    def quit(self, _argument: str) -> Reply:
        """Answer QUIT."""
        return self.say("quit")

    def vrfy(self, argument: str) -> Reply:
        """Answer VRFY: 252 by default, for real with EnableVRFY (KB 289521)."""
        if not argument:
            return self.say("vrfy_syntax")
        if not self.rules.policy.ims.enable_vrfy:
            return self.say("vrfy", argument=argument)
        user, _, domain = argument.strip("<>").partition("@")
        if self.rules.users is not None and user.lower() not in self.rules.users:
            return self.say("vrfy_unknown")
        return self.say("vrfy_ok", user=user, address=f"{user}@{domain or self.rules.hostname}")

    def expn(self, _argument: str) -> Reply:
        """Answer EXPN."""
        return self.say("expn")

    def not_implemented(self, _argument: str) -> Reply:
        """Answer SOML and SAML (RFC 821)."""
        return self._not_yet() or self.say("not_implemented")

    def turn(self, _argument: str) -> Reply:
        """Answer TURN, which IMS speaks as a client only (KB Q257979)."""
        return self.say("turn")

    def etrn(self, argument: str) -> Reply:
        """Answer ETRN (RFC 1985); there is no queue to start here."""
        if not self.rules.extends("ETRN") or self.rules.policy.ims.disable_etrn:
            return self.say("unknown_command", argument="ETRN")
        return self.say("etrn" if argument else "etrn_syntax", argument=argument)

    def xexch50(self, argument: str) -> tuple[Reply, int]:
        """Answer XEXCH50 SIZE VERSION; gives the reply and how many octets follow (0: none)."""
        if not self.rules.extends("XEXCH50"):
            return self.say("unknown_command", argument="XEXCH50"), 0
        words = argument.split()
        if not words or not (words[0].isascii() and words[0].isdigit()):
            return self.say("xexch50_syntax"), 0
        if len(words[0]) > 9 or not 0 < int(words[0]) <= XEXCH50_LIMIT:
            return self.say("xexch50_syntax"), 0
        return self.say("xexch50_start"), int(words[0])
