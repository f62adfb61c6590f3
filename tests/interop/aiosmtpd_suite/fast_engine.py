"""Has aiosmtpd's own tests run over the fast engine: whoever imports its SMTP class gets ours."""

import os
from typing import Any

import aiosmtpd.controller
import aiosmtpd.lmtp
import aiosmtpd.main
import aiosmtpd.smtp

from bindpost.server.smtp import engine
from bindpost.server.smtp.outbox import GatheringWriter


class SpiedWriter(GatheringWriter):
    """A writer that is no slotted object: some of the tests spy on it."""


if os.environ.get("ENGINE") == "fast":
    writers: Any = engine
    writers.GatheringWriter = SpiedWriter
    modules: list[Any] = [aiosmtpd.smtp, aiosmtpd.controller, aiosmtpd.main]
    for module in modules:
        module.SMTP = engine.FastSmtp
    lmtp: Any = aiosmtpd.lmtp
    lmtp.LMTP = type("LMTP", (engine.FastSmtp,), dict(vars(lmtp.LMTP)))
