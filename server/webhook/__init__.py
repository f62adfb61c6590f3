"""Webhooks: tell URLs of messages, signed, from a durable queue."""

from __future__ import annotations

from .hook import Hook
from .service import Webhooks, webhooking

__all__ = ["Hook", "Webhooks", "webhooking"]
