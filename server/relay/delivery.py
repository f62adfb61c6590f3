"""Delivery: one attempt to hand a message to the server, start to end; for a worker thread."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, final

from bindpost.proxy.binding import Address

from ..message.job import Outcome
from ..message.model import Envelope
from ..smtp.grammar import is_mailbox
from .addresses import is_sendable
from .dial import dial
from .dialog import Dialog, GarbledReplyError, has_ambiguous_dot
from .line import Line
from .route import Route
from .session_errors import explain
from .trouble import Trouble, readable

BATCH: Final = 100
"""Recipients of one transaction: what every server takes (RFC 5321, 4.5.3.1.8)."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """A message to send: its envelope, with the recipients that are meant, and its bytes."""

    envelope: Envelope
    raw: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one recipient; `code` is the server's, None if it was not asked."""

    state: Outcome
    code: int | None
    text: str

    @classmethod
    def of(cls, code: int, said: bytes) -> Answer:
        """Give what a reply means: 2xx sent, 5xx failed, anything else is for another attempt."""
        state: Outcome = "sent" if code // 100 == 2 else "failed" if code >= 500 else "queued"
        return cls(state, code, readable(said))


@final
class Delivery:
    """
    An attempt to deliver a shipment.

    `answers` has a place for each recipient, None until its fate is known. `line` tells how far it
    is and stops it.
    """

    def __init__(self, shipment: Shipment, route: Route, *, name: str, timeout: float) -> None:
        self.line = Line("server" if route.proxy is None else "proxy")
        self.answers: list[Answer | None] = [None] * len(shipment.envelope.recipients)
        self._shipment = shipment
        self._route = route
        self._name = name
        self._timeout = timeout

    def run(self, target: str, addresses: Sequence[Address]) -> None:
        """
        Deliver; blocks. `target` is the server's host as the first hop is to be told.

        Raises `Trouble`, which is then the answer for the recipients that have none.
        """
        self._refuse_unsendable()
        if not self._waiting():
            return
        connect = partial(self._connect, target, addresses)
        try:
            dialog = Dialog(connect, self._route.server, name=self._name, line=self.line)
            try:
                self._introduce(dialog)
                while batch := self._waiting()[:BATCH]:
                    self._transact(dialog, batch)
                with suppress(OSError):
                    dialog.quit()
            finally:
                dialog.close()
        except (OSError, ValueError) as error:
            raise explain(error, self._route, self.line) from error
        finally:
            self.line.close()

    def _refuse_unsendable(self) -> None:
        """Answer for recipients that no server can be asked for; raise for such a message."""
        envelope = self._shipment.envelope
        path = envelope.reverse_path
        if path and not (is_mailbox(path) and path.isprintable()):
            raise Trouble(
                "message",
                "its sender is no address that SMTP allows",
                hint="send it with a good address in MAIL FROM",
                permanent=True,
            )
        if has_ambiguous_dot(self._shipment.raw):
            raise Trouble(
                "message",
                "it has a bare CR or LF with a dot behind it, where some servers see the end of "
                "the message",
                hint="end its lines with CRLF",
                permanent=True,
            )
        for place, recipient in enumerate(envelope.recipients):
            if not is_sendable(recipient.address):
                text = "this is no address that can be relayed to"
                self.answers[place] = Answer("failed", None, text)

    def _waiting(self) -> list[int]:
        return [place for place, answer in enumerate(self.answers) if answer is None]

    def _connect(self, target: str, addresses: Sequence[Address]) -> socket.socket:
        route = self._route
        connection = dial(route, target, addresses, self.line, timeout=self._timeout)
        if route.tls != "implicit":
            return connection
        assert route.context is not None  # Route.load has seen to it
        self.line.step = "TLS"
        try:
            return route.context.wrap_socket(connection, server_hostname=route.server.host)
        except BaseException:
            connection.close()
            raise

    def _introduce(self, dialog: Dialog) -> None:
        """Say EHLO; turn TLS on and log in, if that is wanted."""
        dialog.ehlo_or_helo_if_needed()
        if self._route.tls == "starttls":
            dialog.starttls(context=self._route.context)
            dialog.ehlo_or_helo_if_needed()
        if self._route.user:
            dialog.login(self._route.user, self._route.password)
        self._require_tls(dialog)
        if dialog.has_extn("smtputf8"):
            dialog.command_encoding = "utf-8"
        else:
            self._refuse_utf8()

    def _require_tls(self, dialog: Dialog) -> None:
        """Raise if the message may go by TLS only, and the server does not (RFC 8689, 4.2.1)."""
        required = "REQUIRETLS" in self._shipment.envelope.parameters
        if required and not (self._route.tls != "off" and dialog.has_extn("requiretls")):
            raise Trouble(
                "message",
                f"it asks for REQUIRETLS, which server {self._route.server} does not offer by TLS",
                hint="relay by TLS to a server that has it, or send it without REQUIRETLS",
                permanent=True,
            )

    def _refuse_utf8(self) -> None:
        """Answer for the recipients that need SMTPUTF8 (RFC 6531); raise if the sender does."""
        envelope = self._shipment.envelope
        if not envelope.reverse_path.isascii():
            raise Trouble(
                "message",
                f"its sender is not ASCII, and server {self._route.server} has no SMTPUTF8",
                hint="relay to a server that has it",
                permanent=True,
            )
        for place in self._waiting():
            if not envelope.recipients[place].address.isascii():
                text = "the address is not ASCII, and the server has no SMTPUTF8"
                self.answers[place] = Answer("failed", None, text)

    def _transact(self, dialog: Dialog, places: Sequence[int]) -> None:
        """Offer the message for some recipients; each of them has an answer afterwards."""
        envelope = self._shipment.envelope
        reply = dialog.say("MAIL", f"FROM:<{envelope.reverse_path}>{self._mail_options(dialog)}")
        if reply[0] // 100 != 2:
            self._answer(self._waiting(), reply)
            return
        accepted = []
        for place in places:
            recipient = envelope.recipients[place]
            options = _dsn(dialog, recipient.parameters, ("NOTIFY", "ORCPT"))
            reply = dialog.say("RCPT", f"TO:<{recipient.address}>{options}")
            if reply[0] // 100 == 2:
                accepted.append(place)
            else:
                self._answer([place], reply)
        if accepted:
            reply = dialog.say("DATA", "")
            if reply[0] == 354:
                self._answer(accepted, dialog.body(self._shipment.raw))
                return
            if reply[0] < 400:
                raise GarbledReplyError(b"%d " % reply[0] + reply[1])
            self._answer(accepted, reply)
        if self._waiting():
            dialog.say("RSET", "")

    def _answer(self, places: Iterable[int], reply: tuple[int, bytes]) -> None:
        answer = Answer.of(*reply)
        for place in places:
            self.answers[place] = answer

    def _mail_options(self, dialog: Dialog) -> str:
        """Give the parameters of MAIL: the message's own, as far as the server knows them."""
        envelope = self._shipment.envelope
        given = envelope.parameters
        options = f" SIZE={len(self._shipment.raw)}" if dialog.has_extn("size") else ""
        if (given.get("BODY") or "").upper() == "8BITMIME" and dialog.has_extn("8bitmime"):
            options += " BODY=8BITMIME"
        addresses = [envelope.reverse_path, *(to.address for to in envelope.recipients)]
        wanted = "SMTPUTF8" in given or not all(address.isascii() for address in addresses)
        if wanted and dialog.has_extn("smtputf8"):
            options += " SMTPUTF8"
        if "REQUIRETLS" in given:
            options += " REQUIRETLS"
        if given.get("MT-PRIORITY") and dialog.has_extn("mt-priority"):
            options += f" MT-PRIORITY={given['MT-PRIORITY']}"
        return options + _dsn(dialog, given, ("RET", "ENVID"))


def _dsn(dialog: Dialog, given: Mapping[str, str | None], names: Sequence[str]) -> str:
    """Give the parameters of RFC 3461 that came with the message, if the server knows them."""
    if not dialog.has_extn("dsn"):
        return ""
    return "".join(f" {name}={given[name]}" for name in names if given.get(name))
