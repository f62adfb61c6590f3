"""The application log: how the catalogue's events are rendered and where they go."""

from .formats import FORMATS
from .keeping import keeping
from .record import EventRecord, Failure
from .scope import scope
from .setup import attach, configure
from .sink import Sink

__all__ = ["FORMATS", "EventRecord", "Failure", "Sink", "attach", "configure", "keeping", "scope"]
