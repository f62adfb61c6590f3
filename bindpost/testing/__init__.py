"""What tests of bindpost, of its plug-ins, and of programs that send mail are built with."""

from .load import Answer, Load, check_kept
from .serving import PATIENCE, Record, Serve, Serving, moment

__all__ = ["PATIENCE", "Answer", "Load", "Record", "Serve", "Serving", "check_kept", "moment"]
