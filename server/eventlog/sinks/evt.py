"""The live event log of Windows NT as a sink: `AppEvent.Evt`, circular."""

from __future__ import annotations

from pathlib import Path

from bindpost.errors import EventFileError, EventLogFullError

from ..evt.convert import from_event
from ..evt.live import EvtLog
from ..record import EventRecord


class EvtSink:
    """
    Appends each event of the catalogue to the file, which is opened with the first one.

    One process at a time may write to it. A log whose records are all protected by `retention`
    takes no more, as NT's: what comes then is left out, and counted.
    """

    name = "evt"
    takes_text = False

    def __init__(self, path: Path, *, max_size: int, retention: int, verbose_strings: bool) -> None:
        self._path = path
        self._max_size = max_size
        self._retention = retention
        self._verbose_strings = verbose_strings
        self._log: EvtLog | None = None

    def write(self, record: EventRecord) -> None:
        """Append a record. Raises `OSError` for what may be better later, else `EventFileError`."""
        try:
            log = self._log = self._log or EvtLog.open(
                self._path, max_size=self._max_size, retention=self._retention
            )
            log.append(from_event(record, log.next_number, verbose_strings=self._verbose_strings))
        except EventLogFullError:
            raise
        except EventFileError as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Close the file, clean."""
        if self._log is not None:
            self._log.close()
            self._log = None
