"""Delivery status notifications: the bounce of a message that had been accepted (RFC 3464)."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime
from typing import Final

from bindpost.config.fault import Fault

from ..message.headers import HEADER_LIMIT
from ..message.model import Envelope, Message, Recipient, new_id

DEFAULT_CODE: Final = 550
DEFAULT_STATUS: Final = "5.0.0"
"""Of a permanent failure of which nothing more is known (RFC 3463, 3.1)."""


def failed_recipients(envelope: Envelope) -> tuple[Recipient, ...]:
    """
    Give the recipients whose failure the sender is to be told of.

    None of a message with the null reverse-path (RFC 5321, 4.5.5); none with NOTIFY that does not
    name FAILURE (RFC 3461, 4.1).
    """
    if not envelope.reverse_path:
        return ()
    return tuple(one for one in envelope.recipients if _wants(one))


def _wants(recipient: Recipient) -> bool:
    notify = recipient.parameters.get("NOTIFY")
    return notify is None or "FAILURE" in notify.upper().split(",")


def notification(message: Message, fault: Fault, *, hostname: str, now: datetime) -> bytes:
    """
    Write the notification that a message could not be delivered, in the words of a rule.

    It brings the message's header, or with RET=FULL all of it (RFC 3461, 4.3).
    """
    envelope = message.envelope
    hostname = _on_its_line(hostname)
    boundary = f"=_{new_id()}"
    returned, media_type = _returned(message)
    parts = [
        (b"text/plain; charset=utf-8", _sentences(envelope, fault, hostname)),
        (b"message/delivery-status", _status(message, fault, hostname)),
        (media_type, returned),
    ]
    header = (
        f"From: Mail Delivery System <postmaster@{hostname}>\r\n"
        f"To: <{_on_its_line(envelope.reverse_path)}>\r\n"
        "Subject: Undeliverable mail\r\n"
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


def _returned(message: Message) -> tuple[bytes, bytes]:
    if (message.envelope.parameters.get("RET") or "").upper() == "FULL":
        return message.raw, b"message/rfc822"
    header, _, _ = message.raw[:HEADER_LIMIT].partition(b"\r\n\r\n")
    return header + b"\r\n", b"text/rfc822-headers"


def _sentences(envelope: Envelope, fault: Fault, hostname: str) -> bytes:
    lines = [f"This is the mail system of {hostname}.", "", "A message could not be delivered to:"]
    lines += [f"  <{_on_its_line(one.address)}>" for one in failed_recipients(envelope)]
    lines += ["", *_words(fault).splitlines(), ""]
    return _encoded("\r\n".join(lines))


def _status(message: Message, fault: Fault, hostname: str) -> bytes:
    envelope = message.envelope
    fields = []
    if envelope_id := envelope.parameters.get("ENVID"):
        fields.append(f"Original-Envelope-Id: {_on_its_line(envelope_id)}")
    fields.append(f"Reporting-MTA: dns; {hostname}")
    fields.append(f"Arrival-Date: {format_datetime(message.received)}")
    for one in failed_recipients(envelope):
        fields.append("")
        if original := one.parameters.get("ORCPT"):
            fields.append(f"Original-Recipient: {_on_its_line(original)}")
        kind = "rfc822" if one.address.isascii() else "utf-8"
        fields.append(f"Final-Recipient: {kind}; {_on_its_line(one.address)}")
        fields.append("Action: failed")
        fields.append(f"Status: {fault.enhanced or DEFAULT_STATUS}")
        fields.append(f"Diagnostic-Code: smtp; {_on_its_line(' '.join(_words(fault).split()))}")
    return _encoded("\r\n".join([*fields, ""]))


def _words(fault: Fault) -> str:
    return " ".join(
        filter(None, (str(fault.code or DEFAULT_CODE), fault.enhanced, fault.text.strip()))
    )


def _on_its_line(text: str) -> str:
    """Give a text as it may stand in a field: whatever could end a line somewhere is escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
