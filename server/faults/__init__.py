"""Faults on purpose: pure decisions, which fault strikes where; others carry them out."""

from __future__ import annotations

from .desk import Faults, UnknownFaultError
from .facts import Facts
from .state import Armed, Firing

__all__ = ["Armed", "Facts", "Faults", "Firing", "UnknownFaultError"]
