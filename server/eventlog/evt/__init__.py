"""The event log file of Windows NT, `.evt`: its records, the live log, a reader and an export."""

from .convert import from_event, to_saved
from .export import export, write
from .live import DEFAULT_MAX_SIZE, EvtLog
from .reader import EvtReader
from .record import EvtRecord

__all__ = [
    "DEFAULT_MAX_SIZE",
    "EvtLog",
    "EvtReader",
    "EvtRecord",
    "export",
    "from_event",
    "to_saved",
    "write",
]
