"""Relay: sends kept messages on to a real server, by a queue and, if need be, through a proxy."""

from __future__ import annotations

from .relay import Relay, relaying
from .route import Route

__all__ = ["Relay", "Route", "relaying"]
