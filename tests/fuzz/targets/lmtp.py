"""LMTP sessions of any bytes, on both engines."""

from __future__ import annotations

from ...property.smtp_session import LMTP
from .smtp import SmtpTarget


class LmtpTarget(SmtpTarget):
    """SMTP's target with LMTP, which only one personality speaks."""

    name = "lmtp"
    personalities = (LMTP,)
    hello = b"LHLO"


TARGET = LmtpTarget
