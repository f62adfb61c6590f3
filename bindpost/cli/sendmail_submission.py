"""Sends a message that a program handed to sendmail, and tells by the exit status how it went."""

from __future__ import annotations

import getpass
import smtplib
import socket
import ssl
from collections.abc import Mapping
from typing import BinaryIO, Final

from .sendmail_message import read
from .sendmail_options import (
    EX_DATAERR,
    EX_NOUSER,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
    EX_USAGE,
    Options,
    SendmailError,
)
from .sendmail_server import Server, server_of

_PATIENCE: Final = 60.0
"""Seconds that the server may take for a reply."""


def submit(options: Options, stream: BinaryIO) -> None:
    """Read the message and send it. Raises `SendmailError`."""
    server = server_of(options.server)
    draft = read(stream, ignore_dots=options.ignore_dots)
    host = socket.gethostname()
    recipients = [*options.recipients, *(draft.recipients() if options.from_header else ())]
    recipients = list(dict.fromkeys(_plain(recipient) for recipient in recipients))
    if not recipients:
        where = " in To, Cc or Bcc" if options.from_header else "; name them, or say -t"
        raise SendmailError(f"there are no recipients{where}", EX_USAGE)
    own = f"{_user()}@{host}"
    sender = own if options.sender is None else options.sender
    content = draft.completed(sender=sender or own, full_name=options.full_name, host=host)
    _send(server, sender, recipients, content)


def _send(server: Server, sender: str, recipients: list[str], content: bytes) -> None:
    try:
        with _connected(server) as smtp:
            smtp.ehlo_or_helo_if_needed()
            parameters = _parameters(smtp, content, [sender, *recipients])
            refused = smtp.sendmail(sender, recipients, content, parameters)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        what = f"<{sender}>" if isinstance(error, smtplib.SMTPSenderRefused) else "the message"
        code = error.smtp_code
        told = f"{server} refused {what}: {_shown(code, error.smtp_error)}"
        raise SendmailError(told, EX_UNAVAILABLE if code >= 500 else EX_TEMPFAIL) from None
    except (OSError, smtplib.SMTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SendmailError(
            f"sending to {server} failed: {reason}; start `bindpost serve`, or name a server with "
            "--server",
            EX_TEMPFAIL,
        ) from None
    _check_recipients(server, refused)


def _connected(server: Server) -> smtplib.SMTP:
    """Connect, and hear the banner."""
    place = server.endpoint
    if place.is_unix:
        return _UnixSMTP(place.path, timeout=_PATIENCE)
    if server.implicit_tls:
        # The listener's own certificate, as likely as not made on the spot.
        context = ssl._create_unverified_context()  # noqa: S323
        return smtplib.SMTP_SSL(place.host, place.port, timeout=_PATIENCE, context=context)
    return smtplib.SMTP(place.host, place.port, timeout=_PATIENCE)


class _UnixSMTP(smtplib.SMTP):
    """SMTP over a Unix socket."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.connect(host)
        return connection


def _parameters(smtp: smtplib.SMTP, content: bytes, addresses: list[str]) -> list[str]:
    """Give the parameters of MAIL that this message needs, as far as the server has them."""
    needed = []
    if not all(address.isascii() for address in addresses):
        if not smtp.has_extn("smtputf8"):
            raise SendmailError(
                "an address is not ASCII, and the server has no SMTPUTF8", EX_DATAERR
            )
        needed.append("SMTPUTF8")
    if (needed or not content.isascii()) and smtp.has_extn("8bitmime"):
        needed.append("BODY=8BITMIME")
    return needed


def _check_recipients(server: Server, refused: Mapping[str, tuple[int, bytes]]) -> None:
    if not refused:
        return
    told = ", ".join(f"<{address}>: {_shown(*reply)}" for address, reply in refused.items())
    text = f"{server} refused {told}"
    lasting = any(code >= 500 for code, _ in refused.values())
    raise SendmailError(text, EX_NOUSER if lasting else EX_TEMPFAIL)


def _shown(code: int, text: bytes | str) -> str:
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(plain.split())}"


def _plain(recipient: str) -> str:
    return recipient.strip().removeprefix("<").removesuffix(">")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without a name, in a container
        return "nobody"
