"""Has aiosmtpd's own tests run over the fast engine: whoever imports its SMTP class gets ours."""

import os
from typing import Any

import aiosmtpd.smtp

from bindpost.server.smtp import engine
from bindpost.server.smtp.outbox import GatheringWriter


class SpiedWriter(GatheringWriter):
    """A writer that is no slotted object: some of the tests spy on it."""


if os.environ.get("ENGINE") == "fast":  # aiosmtpd's other modules are imported after this
    patched: list[tuple[Any, str, type]] = [
        (engine, "GatheringWriter", SpiedWriter),
        (aiosmtpd.smtp, "SMTP", engine.FastSmtp),
    ]
    for module, name, ours in patched:
        setattr(module, name, ours)
