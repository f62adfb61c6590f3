"""Delivery status notifications of a message that had been accepted (RFC 3464)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final, Literal

import msgspec

from bindpost.config.fault import Fault

from ..message import xtext
from ..message.headers import HEADER_LIMIT
from ..message.model import Envelope, Message, Recipient, new_id

DEFAULT_CODE: Final = 550
DEFAULT_STATUS: Final = "5.0.0"
"""Of a permanent failure of which nothing more is known (RFC 3463, 3.1)."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message: its action and status (RFC 3464, 2.3), and in words."""

    action: Literal["failed", "delivered"]
    status: str
    subject: str
    sentence: str
    """What stands before the recipients."""
    diagnosis: str = ""
    """The reply of a server that would not take it; empty = there was none."""


DELIVERED: Final = Fate(
    "delivered", "2.0.0", "Successful mail delivery", "A message was delivered to:"
)


def failure_by(fault: Fault) -> Fate:
    """Give the fate of a message that a rule lets bounce, in the rule's words."""
    words = (str(fault.code or DEFAULT_CODE), fault.enhanced, fault.text.strip())
    return Fate(
        "failed",
        fault.enhanced or DEFAULT_STATUS,
        "Undeliverable mail",
        "A message could not be delivered to:",
        " ".join(filter(None, words)),
    )


def recipients_to_tell_of(envelope: Envelope, fate: Fate) -> tuple[Recipient, ...]:
    """
    Give the recipients whose fate the sender is to be told of.

    None of a message with the null reverse-path (RFC 5321, 4.5.5); of others those whose NOTIFY
    names it, or who have none if it is a failure (RFC 3461, 4.1).
    """
    if not envelope.reverse_path:
        return ()
    return tuple(one for one in envelope.recipients if _is_to_be_told(one, fate))


def _is_to_be_told(recipient: Recipient, fate: Fate) -> bool:
    notify = recipient.parameters.get("NOTIFY")
    if notify is None:
        return fate.action == "failed"
    return ("FAILURE" if fate.action == "failed" else "SUCCESS") in notify.upper().split(",")


def wants_whole(envelope: Envelope, fate: Fate) -> bool:
    """Tell whether all of a message is to come back: by RET=FULL, if it failed (RFC 3461, 4.3)."""
    return fate.action == "failed" and (envelope.parameters.get("RET") or "").upper() == "FULL"


def without_body(message: Message) -> Message:
    """Give a message with no more of it than comes back otherwise."""
    return msgspec.structs.replace(message, raw=_header_of(message.raw) + b"\r\n")


def _header_of(raw: bytes) -> bytes:
    header, _, _ = raw[:HEADER_LIMIT].partition(b"\r\n\r\n")
    return header + b"\r\n"


def notification(
    message: Message, fate: Fate, *, hostname: str, now: datetime, whole: bytes | None = None
) -> bytes:
    """Write the notification of what became of a message; it brings `whole`, or its header."""
    envelope = message.envelope
    hostname = _on_its_line(hostname)
    boundary = f"=_{new_id()}"
    parts = [
        (b"text/plain; charset=utf-8", _sentences(envelope, fate, hostname)),
        (b"message/delivery-status", _status(message, fate, hostname)),
        (b"text/rfc822-headers", _header_of(message.raw))
        if whole is None
        else (b"message/rfc822", whole),
    ]
    header = (
        f"From: Mail Delivery System <postmaster@{hostname}>\r\n"
        f"To: <{_on_its_line(envelope.reverse_path)}>\r\n"
        f"Subject: {fate.subject}\r\n"
        f"Date: {format_datetime(now)}\r\n"
        f"Message-ID: <{new_id()}@{hostname}>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f' boundary="{boundary}"\r\n\r\n'
    )
    line = boundary.encode("ascii")
    body = b"".join(
        b"--%b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (line, kind, content) for kind, content in parts
    )
    return _encoded(header) + body + b"--%b--\r\n" % line


def _sentences(envelope: Envelope, fate: Fate, hostname: str) -> bytes:
    lines = [f"This is the mail system of {hostname}.", "", fate.sentence]
    lines += [f"  <{_on_its_line(one.address)}>" for one in recipients_to_tell_of(envelope, fate)]
    lines += ["", *fate.diagnosis.splitlines(), ""]
    return _encoded("\r\n".join(lines))


def _status(message: Message, fate: Fate, hostname: str) -> bytes:
    envelope = message.envelope
    fields = []
    if envelope_id := envelope.parameters.get("ENVID"):
        fields.append(f"Original-Envelope-Id: {_decoded(envelope_id)}")
    fields.append(f"Reporting-MTA: dns; {hostname}")
    fields.append(f"Arrival-Date: {format_datetime(message.received)}")
    for one in recipients_to_tell_of(envelope, fate):
        fields.append("")
        if original := one.parameters.get("ORCPT"):
            kind, _, address = original.partition(";")
            fields.append(f"Original-Recipient: {_on_its_line(kind)};{_decoded(address)}")
        kind = "rfc822" if one.address.isascii() else "utf-8"
        fields.append(f"Final-Recipient: {kind}; {_on_its_line(one.address)}")
        fields.append(f"Action: {fate.action}")
        fields.append(f"Status: {fate.status}")
        if fate.diagnosis:
            diagnosis = _on_its_line(" ".join(fate.diagnosis.split()))
            fields.append(f"Diagnostic-Code: smtp; {diagnosis}")
    return _encoded("\r\n".join([*fields, ""]))


def _decoded(value: str) -> str:
    """Give what an xtext stands for; what is none stays as it came, which has no line breaks."""
    plain = xtext.decoded(value)
    return _on_its_line(value if plain is None else plain)


def _on_its_line(text: str) -> str:
    """Give a text as it may stand in a field: whatever could end a line somewhere is escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
