"""What an error of the SMTP session with the server means, and what to do."""

from __future__ import annotations

import smtplib
import ssl
from typing import Final

from .dialog import GarbledReplyError
from .line import Line
from .route import Route
from .trouble import Trouble, readable

_HINTS: Final = {
    "greeting": "see that relay.server names an SMTP server that takes mail from this machine",
    "AUTH": "correct relay.user and relay.password_file",
    "STARTTLS": 'set relay.tls to what the server has: "off", "starttls" or "implicit"',
}
_SEE_SERVER: Final = "see the server's own log"


def explain(error: OSError | ValueError, route: Route, line: Line) -> Trouble:
    """Say what an error means that smtplib raised; only what can't get better is permanent."""
    server = f"server {route.server}"
    place = f"{server}, at {line.step}"
    hint = _HINTS.get(line.step, _SEE_SERVER)
    match error:
        case smtplib.SMTPResponseException():
            return _refused(error, place, hint)
        case smtplib.SMTPNotSupportedError():
            step = "STARTTLS" if "STARTTLS" in str(error) else "AUTH"
            offer = "it offers no STARTTLS" if step == "STARTTLS" else "it offers no login"
            return Trouble("server", f"{server}: {offer}", hint=_HINTS[step], permanent=True)
        case GarbledReplyError():
            said = readable(error.said)
            return Trouble("server", f'{place}: no SMTP: "{said}"', hint=_HINTS["greeting"])
        case smtplib.SMTPServerDisconnected():
            return Trouble("server", f"{place}: it closed the connection", hint=hint)
        case smtplib.SMTPException():  # no method of login that both sides know
            return Trouble("server", f"{place}: {error}", hint=_HINTS["AUTH"], permanent=True)
        case ssl.SSLCertVerificationError():
            return Trouble(
                "server",
                f"{server}: its certificate is not trusted: {error.verify_message}",
                hint="name the certificate to trust in relay.ca_file, and the host as it has it",
                permanent=True,
            )
        case ssl.SSLError():
            reason = error.reason or error.strerror
            return Trouble("server", f"{server}: no TLS: {reason}", hint=_HINTS["STARTTLS"])
        case TimeoutError():
            return Trouble("server", f"{place}: no answer in time", hint=hint)
        case OSError():
            reason = error.strerror or type(error).__name__
            return Trouble("server", f"{place}: {reason}", hint=hint)
    return Trouble("message", f"{place}: {error}", hint="nothing can be done", permanent=True)


def _refused(error: smtplib.SMTPResponseException, place: str, hint: str) -> Trouble:
    said = error.smtp_error
    text = readable(said if isinstance(said, bytes) else said.encode())
    return Trouble(
        "server",
        f"{place}: {error.smtp_code} {text}",
        hint=hint,
        permanent=error.smtp_code >= 500,
        code=error.smtp_code,
    )
