"""
The message as it is kept: bytes as received, envelope, session facts, transcript.

None of it can be part of a cycle. `gc=False` spares the collector, which would otherwise go through
thousands of messages again and again, with the event loop waiting.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(upper + lower for upper in _BASE62 for lower in _BASE62)
"""Two digits at a time: half as many divisions of a large number."""
ID_LENGTH: Final = 22
"""Length of a message id, the same as Mailpit's: 22 characters of `0-9A-Za-z`."""
_RANDOM_OCTETS: Final = 10
_ASKED_FOR: Final = 256
_RANDOM: Final[list[int]] = []
"""Random numbers that are still to be used."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RANDOM.clear)  # each is for one process


def new_id() -> str:
    """
    Make an id of 22 characters `0-9A-Za-z` that sorts by the time of its making.

    The upper 48 of its 128 bits are milliseconds since 1970 (as in UUIDv7), the rest is random.
    """
    number = (time.time_ns() // 1_000_000) << 80 | _random_number()
    pairs = []
    for _ in range(ID_LENGTH // 2):
        number, pair = divmod(number, 62 * 62)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))


def _random_number() -> int:
    """
    Give 80 random bits.

    The system is asked for many at once: asking gives the interpreter's lock away, and a busy
    thread may take a while to hand it back.
    """
    while True:
        try:
            return _RANDOM.pop()
        except IndexError:
            octets = os.urandom(_RANDOM_OCTETS * _ASKED_FOR)
            _RANDOM.extend(
                int.from_bytes(octets[start : start + _RANDOM_OCTETS], "big")
                for start in range(0, len(octets), _RANDOM_OCTETS)
            )


def utc_now() -> datetime:
    """Give the time now, aware, in UTC."""
    return datetime.now(UTC)


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """
    One accepted RCPT: the forward-path as received, without its angle brackets.

    `parameters` keeps the ESMTP parameters in order, keyword in capitals, None for no value.
    """

    address: str
    parameters: Mapping[str, str | None] = {}


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """
    The SMTP envelope (RFC 5321, 2.3.1), never derived from headers, but for an imported message of
    which nobody told it; its session facts say so.

    `reverse_path` is as received, without angle brackets; empty for the null reverse-path.
    """

    reverse_path: str
    recipients: tuple[Recipient, ...]
    parameters: Mapping[str, str | None] = {}


class ClientCertificate(msgspec.Struct, frozen=True, gc=False):
    """
    A client's certificate that TLS has verified.

    `subject` and `issuer` are written as in RFC 4514, in the certificate's own order; `sha256` is
    the certificate's fingerprint; `name` is whom it names: the first e-mail address of its
    subjectAltName, else its common name, empty without both.
    """

    subject: str
    issuer: str
    sha256: str
    name: str


EnvelopePart = Literal["reverse_path", "recipients"]


class SessionFacts(msgspec.Struct, frozen=True, gc=False):
    """
    What was known of the connection when the message was accepted.

    `peer` is the real peer as `host:port`, None if unknown, never a proxy. `listener` is the
    endpoint that took the connection, `via` the bind path (credentials redacted). `proxy_tlvs` are
    the further facts of a PROXY protocol header by their names, `UNIQUE_ID` for instance. `xclient`
    and `xforward` are what a trusted client told by these commands, `ADDR` for instance; `peer`
    stays the real one, while `helo` and `login` are those in force. `lmtp` says that it came by
    LMTP, whose LHLO counts as EHLO. A message that came by no session, but was imported, has `via`
    = `import`; `derived` then names the parts of its envelope that were taken from its header.
    `faults` are the faults on purpose that struck the session since the message before: `NAME: what
    was done`. A bounce that a fault made came by no session either, and has `via` = `bounce`; a
    notification that a message was delivered (RFC 3461) has `via` = `dsn`. `moved` is when a
    message that was in another inbox was brought into this one; it is no new mail then. `node` is
    the node that took the message, None where an inbox has no nodes.
    """

    session_id: str
    started: datetime
    listener: str
    via: str
    personality: str
    peer: str | None = None
    helo: str | None = None
    esmtp: bool = False
    tls_version: str | None = None
    tls_cipher: str | None = None
    client_certificate: ClientCertificate | None = None
    login: str | None = None
    proxy_tlvs: Mapping[str, str | int] = {}
    derived: tuple[EnvelopePart, ...] = ()
    faults: tuple[str, ...] = ()
    lmtp: bool = False
    xclient: Mapping[str, str] = {}
    xforward: Mapping[str, str] = {}
    moved: datetime | None = None
    node: str | None = None


class TranscriptLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    One line of a session: milliseconds since its start, who spoke, and what.

    `speaker` is `C` (client), `S` (server) or `-` (a note, such as the size of a body). Secrets of
    AUTH are replaced before a line gets here.
    """

    milliseconds: int
    speaker: Literal["C", "S", "-"]
    text: str


Transcript = Sequence[TranscriptLine]
"""The lines of a session in order. It never changes; a tuple will do, and a slice of it is one."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """An accepted message; `raw` is what came up to the final dot, or by BDAT, unaltered."""

    id: str
    received: datetime
    envelope: Envelope
    session: SessionFacts
    raw: bytes
