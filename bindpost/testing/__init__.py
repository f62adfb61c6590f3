"""What tests of bindpost, of its plug-ins, and of programs that send mail are built with."""

from .serving import PATIENCE, Record, Serve, Serving

__all__ = ["PATIENCE", "Record", "Serve", "Serving"]
