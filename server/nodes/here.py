"""What a node says of itself that stays as it is while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..message.model import new_id, utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """
    This node: its name, its version, and the id of its event log, which outlives it.

    `heartbeat` is the seconds between two signs of life. `run` is another one at each start.
    """

    name: str
    version: str
    heartbeat: float
    log: str = field(default_factory=new_id)
    run: str = field(default_factory=new_id)
    started: datetime = field(default_factory=utc_now)
