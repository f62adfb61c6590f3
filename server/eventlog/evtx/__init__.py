"""The event log file of Windows Vista and later, `.evtx`: an export, and a reader."""

from .export import export, write
from .reader import EvtxReader

__all__ = ["EvtxReader", "export", "write"]
