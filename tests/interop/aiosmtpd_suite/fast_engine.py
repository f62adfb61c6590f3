"""Has aiosmtpd's own tests run over the fast engine: whoever imports its SMTP class gets ours."""

import os

import aiosmtpd.controller
import aiosmtpd.handlers
import aiosmtpd.lmtp
import aiosmtpd.main
import aiosmtpd.smtp

from bindpost.server.smtp.engine import FastSmtp

if os.environ.get("ENGINE") == "fast":
    for module in (aiosmtpd.smtp, aiosmtpd.controller, aiosmtpd.main, aiosmtpd.handlers):
        module.SMTP = FastSmtp
    aiosmtpd.lmtp.LMTP = type("LMTP", (FastSmtp,), dict(vars(aiosmtpd.lmtp.LMTP)))
