"""What a sink is: somewhere that events go beside the log's own stream."""

from __future__ import annotations

from typing import Protocol

from .record import EventRecord


class Sink(Protocol):
    """
    A destination of events: a syslog server, the journal, a file.

    It is written to from a thread of its own (`courier.Courier`), one record at a time, and so may
    block. What it raises harms nobody: after an `OSError` the same record is tried again later,
    after anything else it is left out.
    """

    @property
    def name(self) -> str:
        """What the settings call it, `syslog` for instance."""
        ...

    @property
    def takes_text(self) -> bool:
        """Whether it also takes lines that are no events of the catalogue."""
        ...

    def write(self, record: EventRecord) -> None:
        """Send or keep a record. Raises `OSError` for what may be better later."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
