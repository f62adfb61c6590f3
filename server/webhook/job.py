"""Job: a delivery that is being made."""

from __future__ import annotations

import msgspec

from ..web.webhook_objects import Delivery


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is being made: its place in the queue, and the request's body."""

    number: int
    delivery: Delivery
    body: bytes
