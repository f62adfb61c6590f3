"""The application log: how the catalogue's events are rendered and where they go."""

from .record import EventRecord, Failure
from .setup import configure

__all__ = ["EventRecord", "Failure", "configure"]
