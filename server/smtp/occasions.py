"""
Occasions: when a server speaks, what it may tell then, and which codes would not be a lie.

A personality has words for each of them. A test holds the table against the code that speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

ALWAYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hostname": "the server's name",
        "build": "the build, of the personality or of `ims.Build`",
        "client": "the client's name if it was looked up, else its address",
        "limit": "the largest message that is taken, in bytes",
    }
)
"""The fields that every reply may have."""
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "address": "the address that was understood",
        "argument": "what the client sent, or the part of it that is wrong",
        "helo": "the name that the client gave",
        "id": "the message's id",
        "mechanism": "the mechanism of AUTH",
        "octets": "the size of the chunk",
        "size": "what the client said of the message's size",
        "user": "the name that was asked for",
    }
)
"""The fields that some replies may have beside those."""

DONE: Final = "2"
GO_ON: Final = "3"
REFUSED: Final = "45"
ANY: Final = "245"


class Occasion(NamedTuple):
    """
    When it is, the first digits that a code may have (RFC 5321, 4.2.1), and its own fields.

    `extensions` are the keywords without any of which it never comes, and needs no words.
    """

    when: str
    codes: str
    fields: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


_CHUNKING: Final = ("CHUNKING",)
_ORIGIN: Final = ("XCLIENT", "XFORWARD")

OCCASIONS: Final[Mapping[str, Occasion]] = MappingProxyType(
    {
        # Connection
        "greeting": Occasion("a client has connected", DONE),
        "greeting_plain": Occasion("the same, with `ims.AdvertiseSMTPExtensions` off", DONE),
        "access_denied": Occasion("the client is on the reject list", REFUSED),
        "too_many_connections": Occasion("there are too many sessions", REFUSED),
        "shutting_down": Occasion("the service ends", REFUSED),
        "internal_error": Occasion("something failed that must not; the session ends", REFUSED),
        # HELO, EHLO
        "helo": Occasion("HELO", DONE, ("helo",)),
        "helo_missing": Occasion(
            "HELO, or EHLO, without an argument; with 2yz it is as good as with one", ANY
        ),
        "ehlo": Occasion("EHLO: the line before the keywords", DONE, ("helo",)),
        "ehlo_refused": Occasion("EHLO, of a personality without extensions", REFUSED),
        "send_helo": Occasion("MAIL before HELO, where `helo_required` is set", REFUSED),
        # MAIL
        "mail_ok": Occasion("MAIL", DONE, ("address",)),
        "mail_ok_size": Occasion("MAIL with SIZE", DONE, ("address", "size")),
        "mail_syntax": Occasion("MAIL without FROM:", REFUSED),
        "mail_nested": Occasion("MAIL, or AUTH, within a transaction", REFUSED),
        "mail_too_big": Occasion("MAIL with a SIZE over the limit", REFUSED),
        "malformed_address": Occasion("MAIL or RCPT with what is no path", REFUSED, ("argument",)),
        "parameter_unknown": Occasion(
            "MAIL or RCPT with a parameter that the personality has not", REFUSED, ("argument",)
        ),
        "parameter_bad": Occasion(
            "MAIL or RCPT with a parameter that is wrong", REFUSED, ("argument",)
        ),
        # RCPT
        "rcpt_ok": Occasion("RCPT", DONE, ("address",)),
        "rcpt_syntax": Occasion("RCPT without TO:", REFUSED),
        "rcpt_too_many": Occasion("RCPT beyond `limits.recipients`", REFUSED),
        "need_mail": Occasion("RCPT or DATA before MAIL", REFUSED),
        "relay_denied": Occasion(
            "RCPT that `ims.RelayFlags` and its lists forbid", REFUSED, ("address",)
        ),
        # DATA
        "data_start": Occasion("DATA", GO_ON),
        "data_syntax": Occasion("DATA with an argument", REFUSED),
        "need_rcpt": Occasion("DATA before RCPT", REFUSED),
        "bdat_ok": Occasion("a chunk of BDAT but the last", DONE, ("octets",), _CHUNKING),
        "bdat_syntax": Occasion(
            "BDAT without a size; the session ends", REFUSED, extensions=_CHUNKING
        ),
        "bdat_begun": Occasion("RCPT or DATA after BDAT", REFUSED, extensions=_CHUNKING),
        "bdat_required": Occasion("DATA after `BODY=BINARYMIME`", REFUSED, extensions=_CHUNKING),
        "bdat_failed": Occasion("BDAT in a transaction that failed", REFUSED, extensions=_CHUNKING),
        "message_ok": Occasion("the message is kept", DONE, ("id",)),
        "message_too_big": Occasion("the message is over the limit", REFUSED),
        "message_full": Occasion("the disk is full", REFUSED),
        "message_failed": Occasion("the message could not be kept", REFUSED),
        # The other commands
        "rset": Occasion("RSET", DONE),
        "noop": Occasion("NOOP", DONE),
        "help": Occasion("HELP", ANY),
        "quit": Occasion("QUIT", DONE),
        "vrfy": Occasion("VRFY, with `ims.EnableVRFY` off", ANY, ("argument",)),
        "vrfy_ok": Occasion("VRFY of a name that is known", DONE, ("user", "address")),
        "vrfy_unknown": Occasion("VRFY of a name that is not", ANY),
        "vrfy_syntax": Occasion("VRFY without an argument", REFUSED),
        "expn": Occasion("EXPN", ANY),
        "not_implemented": Occasion("SOML and SAML", REFUSED),
        "turn": Occasion("TURN", REFUSED),
        "etrn": Occasion("ETRN, of a personality that lists it", ANY, ("argument",)),
        "etrn_syntax": Occasion("ETRN without an argument", REFUSED),
        "xexch50_start": Occasion("XEXCH50, of a personality that lists it", GO_ON),
        "xexch50_done": Occasion("its octets have come", DONE),
        "xexch50_syntax": Occasion("XEXCH50 with a length that is none", REFUSED),
        "unknown_command": Occasion("a command that is none, or is switched off", REFUSED),
        "bad_syntax": Occasion("an empty line, or a verb that is not ASCII", REFUSED),
        "line_too_long": Occasion("a line over the limit", REFUSED),
        "not_ascii": Occasion("an argument with bytes that it may not have", REFUSED),
        "too_many_bad": Occasion("the fifth unknown command; the session ends", REFUSED),
        "too_many_times": Occasion("one command too often; no setting asks for it", REFUSED),
        # AUTH
        "auth_ok": Occasion("the login is good", DONE, ("mechanism",)),
        "auth_failed": Occasion("the login is not good", REFUSED),
        "auth_already": Occasion("AUTH after a good login", REFUSED),
        "auth_syntax": Occasion("AUTH without a mechanism, or with too much", REFUSED),
        "auth_unknown": Occasion("AUTH with a mechanism that the personality has not", REFUSED),
        "auth_aborted": Occasion("the client gave up with `*`", REFUSED),
        "auth_not_base64": Occasion("an answer that can't be decoded", REFUSED),
        "auth_required": Occasion("a command that needs a login first", REFUSED),
        "auth_needs_tls": Occasion("AUTH without TLS; no setting asks for it", REFUSED),
        # STARTTLS
        "starttls_ready": Occasion("STARTTLS; the handshake comes next", DONE),
        "starttls_syntax": Occasion("STARTTLS with an argument", REFUSED),
        "starttls_unavailable": Occasion("STARTTLS without a certificate, or within TLS", REFUSED),
        "starttls_required": Occasion(
            "a command that needs TLS first; no setting asks for it", REFUSED
        ),
        "insecure": Occasion("a command after TLS that is not good enough; never so far", REFUSED),
        # XCLIENT, XFORWARD
        "origin_nested": Occasion("XCLIENT or XFORWARD after MAIL", REFUSED, extensions=_ORIGIN),
        "origin_denied": Occasion("the same from who is not trusted", REFUSED, extensions=_ORIGIN),
        "origin_syntax": Occasion(
            "the same without an argument", REFUSED, ("argument",), extensions=_ORIGIN
        ),
        "origin_attribute": Occasion(
            "the same with an attribute that there is none of", REFUSED, ("argument",), _ORIGIN
        ),
        "origin_value": Occasion(
            "the same with a value that can't be", REFUSED, ("argument",), _ORIGIN
        ),
        "xforward_ok": Occasion("XFORWARD", DONE, extensions=("XFORWARD",)),
    }
)
"""Every occasion on which a server speaks."""
