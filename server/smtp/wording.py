"""
Wording: turns aiosmtpd's own sentences into the personality's.

aiosmtpd's command loop and AUTH run as they are, and they speak fixed sentences. Each one is listed
here with the occasion that it stands for; a test reads aiosmtpd's source and fails when it says
something that the list doesn't know.
"""

from __future__ import annotations

import re
from typing import Final

STOCK_SENTENCES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), occasion)
    for pattern, occasion in (
        # The command loop
        (r"220 \S+ .*", "greeting"),
        (r"500 Command line too long", "line_too_long"),
        (r"500 Error: bad syntax", "bad_syntax"),
        (r"500 Error: strict ASCII mode", "not_ascii"),
        (r"554 Command refused due to lack of security", "insecure"),
        (r"530 Must issue a STARTTLS command first", "starttls_required"),
        (r"421 4\.7\.0 \S+ sent too many times", "too_many_times"),
        (r"502 5\.5\.1 Too many unrecognized commands, goodbye\.", "too_many_bad"),
        (r"500 Error: command .* not recognized", "unknown_command"),
        # Only if handling an exception fails too; the exception is no client's business.
        (r"500 Error: \(\w+\) (?s:.*)", "internal_error"),
        (r"500 Error: Cannot describe error", "internal_error"),
        # AUTH
        (
            r"538 5\.7\.11 Encryption required for requested authentication mechanism",
            "auth_needs_tls",
        ),
        (r"503 Already authenticated", "auth_already"),
        (r"501 Not enough value", "auth_syntax"),
        (r"501 Too many values", "auth_syntax"),
        (r"504 5\.5\.4 Unrecognized authentication type", "auth_unknown"),
        (r"501 5\.7\.0 Auth aborted", "auth_aborted"),
        (r"501 5\.5\.2 Can't decode base64", "auth_not_base64"),
        (r"501 5\.5\.2 Can't split auth value", "auth_not_base64"),
        (r"535 5\.7\.8 Authentication credentials invalid", "auth_failed"),
        (r"235 2\.7\.0 Authentication successful", "auth_ok"),
        (r"530 5\.7\.0 Authentication required", "auth_required"),
    )
)


def occasion_of(sentence: str) -> str | None:
    """Give the occasion that a sentence of aiosmtpd's stands for, None for any other text."""
    for pattern, occasion in STOCK_SENTENCES:
        if pattern.fullmatch(sentence):
            return occasion
    return None
